"""A model goes from one instance to another as a file, and only what is whole and signed by a trusted key is taken."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bench.system import Servers
from app.cli import exchange
from app.contracts.training import Model, RefusedModel
from app.host import secrets
from app.kernel.contract import InvalidRequest
from tests.support.line import Line, new_line


@pytest.fixture(scope="module")
def other(servers: Servers, folder: Path) -> Iterator[Line]:
    """Another instance, with a signing key of its own."""
    with new_line(servers, folder / "other-line") as made:
        for name in ("model_signing_key", "model_signing_public"):
            (made.settings.data_dir / "secrets" / name).unlink()
        secrets.ensure(made.settings.data_dir, [])
        yield made


@pytest.fixture
def exported(line: Line, tmp_path: Path) -> tuple[Model, Path]:
    line.two_tastes(5)
    run = line.train("artists")
    assert run.model_id is not None
    return exchange.export(line.services, run.model_id, tmp_path / "model.tar"), tmp_path / "model.tar"


def changed(file: Path, name: str, content: bytes | None) -> Path:
    """Copy an exported model with one file changed, or left out."""
    target = file.with_name("changed.tar")
    with tarfile.open(file) as source, tarfile.open(target, "w") as out:
        for member in source.getmembers():
            old = source.extractfile(member)
            new = content if member.name == name else old.read() if old else b""
            if new is not None:
                facts = tarfile.TarInfo(member.name)
                facts.size = len(new)
                out.addfile(facts, io.BytesIO(new))
    return target


def test_a_model_is_taken_in_once_its_key_is_trusted_and_serves_then(other: Line, exported: tuple[Model, Path]) -> None:
    model, file = exported
    with pytest.raises(RefusedModel, match="--trust"):
        exchange.import_(other.services, file, "")
    assert not list((other.settings.data_dir / "models").glob("importing-*"))
    taken = exchange.import_(other.services, file, "a friend")
    assert (taken.sha256, taken.kind, taken.state, taken.run_id) == (model.sha256, "artists", "candidate", None)
    assert "a friend" in {key.name for key in other.services.training.trusted_keys()}
    assert exchange.import_(other.services, file, "").model_id == taken.model_id
    assert other.services.training.promote(taken.model_id, "to begin with").state == "champion"
    card = other.services.training.model_card(taken.model_id)
    assert all(part in card for part in ("## Data", "## Measures", "## Limits", "another instance"))


@pytest.mark.parametrize(
    ("name", "content"), [("data.npy", b"x" * 500), ("data.npy", None), ("signature.json", b"{}"), ("more.npy", b"x")]
)
def test_what_was_changed_on_the_way_is_refused_and_leaves_nothing(
    other: Line, exported: tuple[Model, Path], name: str, content: bytes | None
) -> None:
    before = other.services.training.list_models()
    file = changed(exported[1], name, content)
    if name == "more.npy":
        with tarfile.open(file, "a") as out:
            facts = tarfile.TarInfo(name)
            facts.size = 1
            out.addfile(facts, io.BytesIO(b"x"))
    with pytest.raises(RefusedModel):
        exchange.import_(other.services, file, "a friend")
    assert other.services.training.list_models() == before
    assert not list((other.settings.data_dir / "models").glob("importing-*"))


def test_a_file_with_a_name_that_leads_elsewhere_is_refused(line: Line, exported: tuple[Model, Path]) -> None:
    with pytest.raises(InvalidRequest):
        line.services.training.write_import("0" * 64, "../../evil", 0, b"x")
