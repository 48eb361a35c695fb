"""A person who was erased is gone from the tables and from the log, and nothing of them is stored any more."""

import json
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.contracts.accounts import ListenerErased
from app.contracts.listens import ListenerForgotten, ListenerListens, NewPlaycount
from app.kernel.context import SYSTEM, acting_as
from app.modules.listens import log
from app.modules.listens.service import forget_erased
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import START, play, times
from tests.support.waiting import eventually


def erase(own: Instance, *listeners: UUID) -> None:
    with own.database.begin() as session:
        forget_erased(session, [ListenerErased(each) for each in listeners])


def rows_of(own: Instance, listener_id: UUID) -> dict[str, int]:
    tables = {"listen": "listener_id::text", "playcount": "listener_id::text", "feedback": "listener_id::text"}
    with own.database.begin() as session:
        return {
            table: session.execute(
                text(f"select count(*) from {table} where {column} = :id"), {"id": str(listener_id)}
            ).scalar_one()
            for table, column in {**tables, "event": "payload->>'listener_id'"}.items()
        }


def fill(own: Instance, listener_id: UUID) -> None:
    own.listens.submit(listener_id, [play(n * 60) for n in range(3)])
    own.listens.set_playcounts([NewPlaycount(listener_id, "Ada", "Song", 5)], "library")
    own.listens.set_feedback(listener_id, "artists", uuid4(), 1)


def test_an_erased_listener_is_gone_from_every_table_and_from_the_log(own: Instance) -> None:
    gone, also, stays = uuid4(), uuid4(), uuid4()
    for each in (gone, also, stays):
        fill(own, each)
    before = rows_of(own, stays)
    erase(own, gone, also)
    for each in (gone, also):
        assert rows_of(own, each) == {"listen": 0, "playcount": 0, "feedback": 0, "event": 1}
        assert own.told(each) == [ListenerForgotten(each)]
    assert rows_of(own, stays) == before == {"listen": 3, "playcount": 1, "feedback": 1, "event": 5}


def test_nothing_of_an_erased_listener_is_stored_any_more(own: Instance, listener: UUID) -> None:
    """A token that was seen lately verifies for some seconds more."""
    other = uuid4()
    fill(own, listener)
    erase(own, listener)
    submitted = own.listens.submit(listener, [play(0), play(60, "")])
    assert (submitted.accepted, submitted.duplicate) == (0, 0)
    assert [(r.index, r.reason) for r in submitted.rejected] == [
        (0, "this account was deleted"),
        (1, "artist or title is empty"),
    ]
    loaded = own.listens.load([ListenerListens(listener, [play(0)]), ListenerListens(other, [play(0)])], "set")
    assert (loaded.accepted, [r.index for r in loaded.rejected]) == (1, [0])
    counted = own.listens.set_playcounts([NewPlaycount(each, "Ada", None, 5) for each in (other, listener)], "set")
    assert (counted.accepted, [r.index for r in counted.rejected]) == (1, [1])
    own.listens.set_feedback(listener, "artists", uuid4(), 1)
    assert rows_of(own, listener) == {"listen": 0, "playcount": 0, "feedback": 0, "event": 1}


def test_erasing_waits_for_a_submission_that_is_under_way(own: Instance, listener: UUID) -> None:
    def erase_now() -> None:
        with acting_as(SYSTEM):
            erase(own, listener)

    with own.database.begin() as session:
        log.lock_listeners(session, [listener])
        session.execute(
            text(
                "insert into listen (listener_id, listened_at, recording_key, artist_key, artist, title)"
                " values (:id, :at, :id, :id, 'Ada', 'Song')"
            ),
            {"id": listener, "at": START},
        )
        erasing = threading.Thread(target=erase_now)
        erasing.start()
        erasing.join(0.3)
        assert erasing.is_alive()
    erasing.join(5)
    assert times(own.listens, listener) == []


def test_erasing_twice_is_no_error(own: Instance, listener: UUID) -> None:
    fill(own, listener)
    erase(own, listener)
    erase(own, listener)
    assert rows_of(own, listener) == {"listen": 0, "playcount": 0, "feedback": 0, "event": 1}
    erase(own)


def test_the_popular_ones_are_counted_without_the_erased(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(0, f"Only {listener}")])
    own.follow()
    own.wired.tick()  # type: ignore[misc]
    assert any(str(listener) in each.title for each in own.listens.popular("recordings", 500))
    erase(own, listener)
    own.follow()
    counter = Instance(own.settings, own.database).wired.tick
    counter()  # type: ignore[misc]
    assert not any(str(listener) in each.title for each in own.listens.popular("recordings", 500))


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("delete from event where payload->>'listener_id' = any(:ids)", "event_listener"),
        (str(log.ERASED), "event_forgotten"),
    ],
)
def test_a_persons_events_are_found_by_an_index(own: Instance, statement: str, index: str) -> None:
    with own.database.begin() as session:
        session.execute(text("set local enable_seqscan = off"))  # the log of a test is short enough to read whole
        plan: Any = session.execute(
            text("explain (format json) " + statement), {"ids": [str(uuid4()), str(uuid4())]}
        ).scalar_one()
        session.rollback()
    assert index in json.dumps(plan)


def test_accounts_are_followed(own: Instance, listener: UUID) -> None:
    """The whole way is walked by tests/security/test_erasure.py; here is who listens to whom."""
    [follower] = [each for each in own.wired.followers if each.name == "accounts"]
    fill(own, listener)
    with own.database.begin() as session:
        follower.apply(session, [ListenerErased(listener)])
        follower.reset(session)
    eventually(lambda: own.told(listener) == [ListenerForgotten(listener)])
