"""A running system is divided and put together again while people use it."""

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest
import urllib3

from app.settings import MODULE_NAMES
from app.settings import load as load_settings
from tests.support.waiting import eventually
from tests.support.whole import People, Whole, listened, whole_system

# One module out and back takes a minute or two, all of them and the killed moves a quarter of an hour.
IS_LONG = os.environ.get("SEGUE_TEST_LONG") == "1"
MOVED = MODULE_NAMES if IS_LONG else ("playlists",)
long = pytest.mark.skipif(not IS_LONG, reason="takes minutes: SEGUE_TEST_LONG=1")
pytestmark = [pytest.mark.split, pytest.mark.extended]


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with whole_system() as system:
        system.start()
        yield system


@pytest.fixture(scope="module")
def token(whole: Whole) -> str:
    whole.done("users", "create", "ann")
    return whole.done("users", "token", "ann")


def elsewhere(whole: Whole, name: str) -> str:
    return whole.noted["DATABASE_URL"].replace("/segue?", f"/{name}?")


def assert_whole(whole: Whole, token: str, people: People) -> None:
    assert people.failed == [], people.failed[:5]
    found = listened(whole.base_url, token)
    assert len(found) == len(set(found)), "a listen is there twice"
    assert len(found) >= len(people.acknowledged)


@pytest.mark.parametrize("module", MOVED)
def test_a_module_and_its_data_leave_the_monolith_and_come_back(whole: Whole, token: str, module: str) -> None:
    before = len(listened(whole.base_url, token))
    with People(whole.base_url, token) as people:
        out = whole.done("topology", "move", module, "--to", "split", "--database", elsewhere(whole, f"own_{module}"))
        assert f"{module} runs in {module} now" in out
        assert whole.done("restart", module)
        acts = [(each["act"], each["subject"]) for each in json.loads(whole.done("audit", "--json"))["entries"]]
        assert acts[:2] == [("topology.restart", module), ("topology.move", module)]
        count = len(people.acknowledged)
        eventually(lambda: len(people.acknowledged) > count + 3, within_s=60)
        back = whole.done("topology", "move", module, "--to", "monolith", "--database", "main")
        assert f"{module} runs in gateway now" in back
        count = len(people.acknowledged)
        eventually(lambda: len(people.acknowledged) > count + 3, within_s=60)
    assert_whole(whole, token, people)
    assert len(listened(whole.base_url, token)) == before + len(people.acknowledged)
    assert not whole.noted.get(f"SEGUE_{module.upper()}_DATABASE_URL")


@long
@pytest.mark.parametrize("step", ["copying", "switching", "removing the old copy"])
def test_a_move_that_is_killed_is_undone_or_finished(whole: Whole, token: str, step: str) -> None:
    """kill -9 of `up` in each part of a move; nothing acknowledged is lost, and the next `up` says what it did."""
    import subprocess
    import sys

    from tests.support.stack import ROOT

    assert whole.process
    module = "playlists"
    before = len(listened(whole.base_url, token))
    database = elsewhere(whole, f"killed_{step.split(maxsplit=1)[0]}")
    with People(whole.base_url, token, count=1) as people:
        command = [sys.executable, "manage.py", "topology", "move", module, "--database", database]
        asked = subprocess.Popen(command, cwd=ROOT, env=whole.environment, stderr=subprocess.PIPE, text=True)
        assert asked.stderr
        for line in asked.stderr:
            if step in line:
                break
        os.kill(whole.process.pid, signal.SIGKILL)
        asked.stderr.read()
        assert asked.wait(60) == 1
        whole.process.wait()
    acknowledged = len(people.acknowledged)
    whole.start()
    said = (whole.data_dir.with_name("up.log")).read_text()
    is_moved = bool(whole.noted.get("SEGUE_PLAYLISTS_DATABASE_URL"))
    if "interrupted" in said:
        assert ("finished moving" in said) == is_moved
    assert not (whole.data_dir / "topology" / "journal.json").exists()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    made = urllib3.request("POST", f"{whole.base_url}/api/v1/playlists", body=b'{"title": "kept"}', headers=headers)
    assert made.status in (200, 201), made.data
    assert len(listened(whole.base_url, token)) >= before + acknowledged
    if is_moved:
        whole.done("topology", "move", module, "--database", "main")


@long
def test_an_occupied_or_unreachable_database_is_refused_in_one_line(whole: Whole) -> None:
    for database, part in (
        (elsewhere(whole, "segue"), "there already"),
        ("postgresql://nobody@127.0.0.1:1/x", "can't be reached"),
    ):
        result = whole.manage("topology", "move", "catalog", "--database", database)
        assert part in result.stdout + result.stderr
        assert len(result.stderr.strip().splitlines()) <= 1


@long
def test_the_rows_and_cursors_are_the_same_afterwards(whole: Whole, token: str) -> None:
    """With nobody writing, every table of a follower and of what it follows has the same rows after a move."""
    time.sleep(1)
    before = contents(whole, "recommendations")
    whole.done("topology", "move", "recommendations", "--database", elsewhere(whole, "equal"))
    assert contents(whole, "recommendations") == before
    whole.done("topology", "move", "recommendations", "--database", "main")
    assert contents(whole, "recommendations") == before


def contents(whole: Whole, module: str) -> dict[str, list[str]]:
    import psycopg2

    from app.kernel.db import module_url

    settings = load_settings({**whole.environment, **whole.noted})
    url = module_url(settings, module, "migrate").set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = %s order by 1", (module,))
        found = {}
        for (name,) in cursor.fetchall():
            cursor.execute(f'select t::text from "{name}" t order by 1')
            found[name] = [row for (row,) in cursor.fetchall()]
    connection.close()
    return found
