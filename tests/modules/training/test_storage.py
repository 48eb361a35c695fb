"""Snapshots and models in a bucket: what is in the data folder are copies, and nothing is missed without them."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from app.bench.system import Servers, free_port, wait_until
from app.kernel.contract import ServiceUnavailable
from app.modules.training.storage import Bucket, storage_of
from app.settings import SettingsError, load
from tests.modules.training.test_snapshots import erase
from tests.support.line import Line, new_line

URL = "s3://segue/here"


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    """A server that speaks S3, with a bucket; what the AWS tools read says where."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (
            ("AWS_ENDPOINT_URL", address),
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            patched.setenv(name, value)
        try:
            files = fsspec.filesystem("s3", use_listings_cache=False)
            wait_until(lambda: files.mkdir("segue") is None, within_s=60)
            yield
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def line(s3: None, servers: Servers, folder: Path) -> Iterator[Line]:
    with new_line(servers, folder / f"s3-{uuid4().hex[:6]}", SEGUE_STORAGE_URL=URL) as made:
        made.two_tastes(4)
        yield made


def kept() -> dict[str, bytes]:
    files = fsspec.filesystem("s3", use_listings_cache=False)
    return {name: files.cat_file(name) for name in files.find("segue/here")}


def lose_the_copies(line: Line) -> None:
    for name in ("snapshots", "models"):
        shutil.rmtree(line.settings.data_dir / name, ignore_errors=True)


def test_a_machine_without_copies_goes_on_trains_and_serves(line: Line) -> None:
    first = line.snapshot()
    lose_the_copies(line)
    line.listen(uuid4(), [("Later", "Song")])
    second = line.snapshot()
    assert (second.rows, second.new_bytes < first.bytes) == (first.rows + 1, True)
    lose_the_copies(line)
    run = line.train("recordings", first.snapshot_id)
    assert (run.state, run.error) == ("done", None)
    lose_the_copies(line)
    model = next(each for each in line.services.training.list_models() if each.run_id == run.run_id)
    files = line.services.training.artefact_files(model.sha256)
    assert {"manifest.json", "signature.json"} < {file.name for file in files}
    again = line.train("recordings")
    assert (again.state, again.error) == ("done", None)


def test_a_flipped_byte_in_the_bucket_is_found(line: Line) -> None:
    snapshot = line.snapshot()
    assert line.services.training.verify_snapshot(snapshot.snapshot_id).is_intact
    name = max(name for name in kept() if name.endswith(".parquet"))
    content = bytearray(kept()[name])
    content[len(content) // 2] ^= 1
    fsspec.filesystem("s3").pipe_file(name, bytes(content))
    check = line.services.training.verify_snapshot(snapshot.snapshot_id)
    assert (check.is_intact, check.damaged_files) == (False, [name.rsplit("/", 1)[-1]])
    assert line.snapshot().snapshot_id == snapshot.snapshot_id
    assert line.services.training.verify_snapshot(snapshot.snapshot_id).is_intact


def test_an_erased_person_is_gone_from_the_bucket(line: Line) -> None:
    gone = uuid4()
    line.listen(gone, [("Rock band 1", "Song 1")])
    old = line.snapshot()
    before = set(kept())
    lose_the_copies(line)
    erase(line, gone)
    after = set(kept())
    assert not [name for name in after if old.snapshot_id in name]
    assert [name for name in before - after if name.endswith(".parquet")]
    lose_the_copies(line)
    for each in line.services.training.list_snapshots():
        assert line.services.training.verify_snapshot(each.snapshot_id).is_intact
        people = line.training.snapshots.read(each.snapshot_id).people
        assert line.services.listens.pseudonyms_of([gone])[0].bytes not in people


def test_a_bucket_that_is_away_is_unavailable(s3: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(ServiceUnavailable, match="storage"):
        Bucket("s3://segue/away", tmp_path).names(tmp_path / "files")
    fsspec.filesystem("s3").clear_instance_cache()


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load({"SEGUE_DATA_DIR": str(tmp_path), "SEGUE_STORAGE_URL": URL, "SEGUE_ENVIRONMENT": "test"})
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SettingsError, match=r"SEGUE_STORAGE_URL: s3:// needs more; .*segue\[s3\]"):
        storage_of(settings)
