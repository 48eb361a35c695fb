"""Which model serves: swapped without a restart, kept while training is away, fetched where the disk is another."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import structs

from app.composition import Container
from app.contracts.experiments import TrustedKey
from app.contracts.recommendations import ServedModel
from app.contracts.training import ArtefactFile, Model
from app.kernel.clock import system_clock
from app.kernel.contract import ServiceUnavailable
from app.kernel.module import Wiring
from app.ml.signature import sign
from app.modules.recommendations.service import RecommendationsService
from app.modules.recommendations.wiring import build
from tests.support.line import Line
from tests.support.planted_models import plant
from tests.support.waiting import eventually


class Away:
    """A module that can't be reached."""

    def __getattr__(self, name: str) -> Any:
        raise ServiceUnavailable


@pytest.fixture
def trained(line: Line) -> Line:
    """Another model of artists each time."""
    line.two_tastes(5)
    line.listen(uuid4(), [("Rock band 1", f"Song {uuid4()}"), (f"Rock {uuid4()}", "One")])
    assert line.train("artists").state == "done"
    line.follow()
    return line


def elsewhere(line: Line, data_dir: Path, services: Any) -> RecommendationsService:
    """The module as another process of another machine has it: the same tables, a disk of its own."""
    settings = structs.replace(line.settings, data_dir=data_dir)
    service = build(Wiring(settings, line.database("recommendations"), services, system_clock)).service
    assert isinstance(service, RecommendationsService)
    return service


def served(services: Container | SimpleNamespace) -> ServedModel:
    (found,) = [model for model in services.recommendations.served_models() if model.kind == "artists"]
    return found


def champion(line: Line) -> Model:
    (found,) = [model for model in line.services.training.champions() if model.kind == "artists"]
    return found


def test_a_new_champion_serves_without_a_restart_and_so_does_the_old_one_after_a_roll_back(trained: Line) -> None:
    first = champion(trained)
    eventually(lambda: served(trained.services).sha256 == first.sha256, within_s=2)
    trained.listen(uuid4(), [(f"Rock {uuid4()}", "One"), ("Rock band 2", "Song 1")])
    trained.train("artists")
    trained.follow()
    second = champion(trained)
    assert second.sha256 != first.sha256
    eventually(lambda: served(trained.services).sha256 == second.sha256, within_s=2)
    trained.services.training.roll_back("artists", "drill")
    trained.follow()
    eventually(lambda: served(trained.services).model_id == first.model_id, within_s=2)


def test_a_model_is_fetched_through_the_contract_and_verified(trained: Line, tmp_path: Path) -> None:
    there = SimpleNamespace(recommendations=elsewhere(trained, tmp_path, trained.services))
    model = champion(trained)
    eventually(lambda: served(there).sha256 == model.sha256, within_s=5)
    assert {f.name for f in (tmp_path / "cache" / "models" / model.sha256).iterdir()} == {
        f.name for f in trained.services.training.artefact_files(model.sha256)
    }
    assert not list((tmp_path / "cache" / "models").glob("unfinished-*"))


def test_the_last_champion_serves_from_the_start_while_training_is_away(trained: Line, tmp_path: Path) -> None:
    model = champion(trained)
    shutil.copytree(trained.settings.data_dir / "models" / model.sha256, tmp_path / "cache" / "models" / model.sha256)
    (tmp_path / "secrets").mkdir()
    shutil.copy(trained.settings.data_dir / "secrets" / "model_signing_public", tmp_path / "secrets")
    there = SimpleNamespace(recommendations=elsewhere(trained, tmp_path, SimpleNamespace(training=Away())))
    eventually(lambda: served(there).sha256 == model.sha256, within_s=5)


def test_without_the_files_and_without_training_popular_items_are_shown(trained: Line, tmp_path: Path) -> None:
    service = elsewhere(trained, tmp_path, SimpleNamespace(training=Away()))
    found = service.recommend(uuid4(), "artists", 3)
    assert (found.model, found.degraded, len(found.items)) == ("popular", True, 3)


def flipped(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-4] + bytes([content[-4] ^ 1]) + content[-3:])


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4])


def signed_by_another(file: Path) -> None:
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.unlink()
    sign(file.parent, private.decode())


@pytest.mark.parametrize(
    ("name", "harm"),
    [("data.npy", flipped), ("data.npy", cut), ("signature.json", Path.unlink), ("signature.json", signed_by_another)],
)
def test_a_model_that_is_tampered_cut_or_unsigned_is_refused_and_the_old_one_serves_on(
    trained: Line, name: str, harm: Callable[[Path], None]
) -> None:
    old = champion(trained)
    eventually(lambda: served(trained.services).sha256 == old.sha256)
    new = plant(trained.services, trained.settings, old, "none")
    harm(trained.settings.data_dir / "models" / new.sha256 / name)
    trained.services.training.promote(new.model_id, "planted")
    trained.follow()
    eventually(lambda: trained.services.training.get_model(new.model_id).state == "quarantined")
    assert served(trained.services).sha256 == old.sha256
    assert champion(trained).model_id == old.model_id
    trained.follow()


def test_a_process_tells_what_it_serves(trained: Line) -> None:
    model = champion(trained)
    eventually(lambda: served(trained.services).sha256 == model.sha256)
    eventually(lambda: model.sha256 in {each.sha256 for each in trained.services.recommendations.served_by()})


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", ".hidden"])
def test_a_file_with_a_name_that_leads_elsewhere_is_refused(trained: Line, tmp_path: Path, name: str) -> None:
    class Evil:
        def trusted_keys(self) -> list[TrustedKey]:
            return []

        def artefact_files(self, sha256: str) -> list[ArtefactFile]:
            return [ArtefactFile(name, 1, "0" * 64)]

        def read_artefact(self, sha256: str, name: str, offset: int, size: int) -> bytes:
            return b"x"

    service = elsewhere(trained, tmp_path, SimpleNamespace(training=Evil()))
    assert service.recommend(uuid4(), "artists", 3).degraded
    assert service.served_models() == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
