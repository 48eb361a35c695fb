"""The mix of a week is made and pushed by itself."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Servers
from app.contracts.listens import NewListen
from app.kernel.context import SYSTEM, acting_as
from app.modules.playlists.library_push import next_week
from tests.support.alone import alone
from tests.support.subsonic import Odd


@pytest.fixture
def steps(servers: Servers, folder: Path) -> Iterator[Any]:
    """An instance where nobody else has played anything, whose background work is done by hand."""
    with alone(servers, folder / f"library-{secrets.token_hex(4)}") as found:
        yield found


def test_the_weekly_mix_is_made_and_pushed_by_itself(steps: Any, odd: Odd) -> None:
    playlists, listener_id = steps.services.playlists, uuid4()
    tick = steps.services.wire("playlists").tick
    with acting_as(SYSTEM):
        start = datetime.now(UTC) - timedelta(days=9)
        steps.services.listens.submit(
            listener_id, [NewListen(start + timedelta(hours=n), "Ada", f"Song {n}") for n in range(5)]
        )
        steps.follow("recommendations")
        assert playlists.connect_library(listener_id, odd.url, "ada", "pw").pushes_weekly
        odd.error = {"code": 0, "message": "in the middle of a scan"}
        tick()
        assert odd.playlists == {}
        odd.error = None
        playlists.sync_library(listener_id)
        tick()
        tick()
        (made,) = odd.playlists.values()
        assert made["name"].startswith("Weekly mix, week ")
        assert sorted(made["songs"]) == ["s0", "s1", "s2", "s3", "s4"]
        asked = len(odd.asked)
        tick()
        assert len(odd.asked) == asked
        # a week later
        with steps.database("playlists").begin() as session:
            session.execute(text("update library set next_push_at = now()"))
        odd.error = {"code": 0, "message": "asleep"}
        tick()
        assert "asleep" in playlists.get_library(listener_id).weekly_error
        odd.error = None
        with steps.database("playlists").begin() as session:
            session.execute(text("update library set next_push_at = now()"))
        tick()
        assert playlists.get_library(listener_id).weekly_error == ""
        assert len(odd.playlists) == 1


def test_a_mix_of_which_nothing_can_be_played_is_tried_again(steps: Any, odd: Odd) -> None:
    playlists, listener_id = steps.services.playlists, uuid4()
    with acting_as(SYSTEM):
        playlists.connect_library(listener_id, odd.url, "ada", "pw", pushes_weekly=False)
        for _ in range(3):
            steps.services.wire("playlists").tick()
        assert not playlists.get_library(listener_id).weekly_error
        assert playlists.set_auto_push(listener_id, True).pushes_weekly
        for _ in range(3):
            steps.services.wire("playlists").tick()
        found = playlists.get_library(listener_id)
    assert "nothing of this week's mix" in found.weekly_error
    assert odd.playlists == {}


def test_the_next_week_begins_on_monday_by_utc() -> None:
    sunday = datetime(2026, 11, 29, 23, 59, tzinfo=UTC)
    due = {next_week(sunday, uuid4()) for _ in range(50)} | {next_week(sunday - timedelta(days=6), uuid4())}
    assert min(due) >= datetime(2026, 11, 30, tzinfo=UTC)
    assert max(due) < datetime(2026, 11, 30, 1, tzinfo=UTC)
    assert len(due) > 40
