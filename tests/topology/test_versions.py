"""Processes of the last release beside those of this checkout, on the schema of this one, while people use them."""

import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bench.system import Servers, System, kill, running_system, start_process
from app.kernel.context import SYSTEM, acting_as
from app.settings import MODULE_NAMES
from tests.support.people import new_person
from tests.support.stack import ROOT
from tests.support.waiting import eventually
from tests.support.whole import People, listened

pytestmark = [pytest.mark.split, pytest.mark.extended]

SNAPSHOTS = "releases"  # its newest contracts were written down when the last release was made


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout of the last release."""
    found = git("log", "-1", "--format=%H", "--diff-filter=A", "--", f"{SNAPSHOTS}/*.json").decode().strip()
    if not found:
        pytest.skip("the history of the code is not here")
    folder = tmp_path_factory.mktemp("former")
    with tarfile.open(fileobj=io.BytesIO(git("archive", found))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def git(*arguments: str) -> bytes:
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return result.stdout


@pytest.fixture(scope="module")
def mixed(servers: Servers, folder: Path) -> Iterator[System]:
    with running_system(servers, folder / "mixed", "split") as system:
        yield system


def released(system: System, names: tuple[str, ...], checkout: Path) -> None:
    for name in names:
        kill(system.processes[name])
        system.processes[name] = start_process(system.settings, system.environment, name, checkout=checkout)
    eventually(lambda: system.request("GET", "/readyz").status == 200, within_s=90, every_s=0.2)


@pytest.mark.parametrize(
    "old",
    [
        ("recommendations", "playlists"),
        ("accounts", "catalog", "listens", "training"),
        ("gateway",),
        ("gateway", *MODULE_NAMES),
    ],
    ids=["old callers", "old callees", "old gateway", "old code on the new schema"],
)
def test_people_notice_nothing(mixed: System, former: Path, old: tuple[str, ...]) -> None:
    released(mixed, old, former)
    try:
        person = new_person(mixed.services)
        with People(mixed.base_url, person.token) as people:
            time.sleep(2)
        assert people.failed == [], people.failed[:5]
        found = listened(mixed.base_url, person.token)
        assert len(found) == len(set(found)) == len(people.acknowledged) > 0
        with acting_as(SYSTEM):
            eventually(lambda: mixed.services.recommendations.profile_size(person.listener_id) > 0, within_s=10)
    finally:
        released(mixed, old, ROOT)
