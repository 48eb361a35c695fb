"""One play that several clients tell shows once; and what else is stored, though it is unusual."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.contracts.listens import ListenerListens, Listens, NewListen
from app.kernel.context import SYSTEM, acting_as
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import START, history, play, times

SUBMISSION = {"listened_at_is": "submission"}


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ({}, {"seconds": 29}, True),
        ({}, {"seconds": -29}, True),
        ({}, {"seconds": 30}, False),
        ({}, {"seconds": 5, "title": "Other"}, False),
        ({"duration_ms": 200_000}, {"seconds": 200}, False),
        ({"duration_ms": 200_000}, {"seconds": 259, "extra": SUBMISSION}, True),
        ({"duration_ms": 200_000}, {"seconds": 261, "extra": SUBMISSION}, False),
        ({"extra": SUBMISSION}, {"seconds": -259, "duration_ms": 200_000}, True),
        ({}, {"seconds": 31, "extra": SUBMISSION}, False),
    ],
)
def test_starts_near_each_other_are_one_play(
    own: Instance, listener: UUID, first: dict[str, Any], second: dict[str, Any], is_same: bool
) -> None:
    own.listens.submit(listener, [play(**first)], "phone")
    result = own.listens.submit(listener, [play(**second)], "desktop")
    assert (result.accepted, result.duplicate) == ((0, 1) if is_same else (1, 0))
    assert len(history(own.listens, listener)) == 2 - is_same


def test_one_client_may_repeat_a_short_recording(own: Instance, listener: UUID) -> None:
    assert own.listens.submit(listener, [play(0), play(10), play(20)], "phone").accepted == 3


def test_a_load_knows_the_same_play_too(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0)], "phone")
    result = listens.load([ListenerListens(listener, [play(10), play(500)]), ListenerListens(uuid4(), [play(10)])], "x")
    assert (result.accepted, result.duplicate) == (2, 1)
    assert times(listens, listener) == [500, 0]


def test_of_clients_that_tell_one_play_at_the_same_moment_one_shows(own: Instance) -> None:
    """Single submissions and bulk loads, as many at a time as there are connections."""

    def submit(listener_id: UUID, n: int) -> int:
        with acting_as(SYSTEM):
            if n % 2:
                return own.listens.submit(listener_id, [play(n)], f"client {n}").accepted
            return own.listens.load([ListenerListens(listener_id, [play(n)])], f"client {n}").accepted

    with ThreadPoolExecutor(6) as pool:
        for _ in range(10):
            listener_id = uuid4()
            accepted = list(pool.map(submit, [listener_id] * 6, range(6)))
            assert sum(accepted) == 1
            assert len(history(own.listens, listener_id)) == 1


def test_loads_of_the_same_listeners_in_another_order_do_not_block_each_other(own: Instance) -> None:
    ids = [uuid4() for _ in range(40)]

    def load(order: list[UUID]) -> int:
        with acting_as(SYSTEM):
            batches = [ListenerListens(each, [play(n * 60) for n in range(5)]) for each in order]
            return own.listens.load(batches, "set").accepted

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(load, [ids, ids[::-1]] * 4)) == 200


@pytest.mark.parametrize(
    "good",
    [
        {"listened_at": datetime(2002, 10, 1, tzinfo=UTC)},
        {"duration_ms": 24 * 86_400_000},
        {"artist": "x" * 10_240},
        {"artist": "!!!", "title": "🎵"},
        {"artist": "فيروز", "title": "\u200fنسم علينا الهوى"},
        {"release": "   "},
        {"extra": {"deep": [{"a": None}]}},
    ],
)
def test_what_is_unusual_but_valid_is_stored(own: Instance, listener: UUID, good: dict[str, Any]) -> None:
    sent = NewListen(**{"listened_at": START, "artist": "Ada", "title": "Song", **good})
    assert own.listens.submit(listener, [sent]).accepted == 1


def test_a_clients_name_can_be_anything(own: Instance, listener: UUID) -> None:
    assert own.listens.submit(listener, [play()], "a\0b" + "x" * 500).accepted == 1
    assert history(own.listens, listener)[0].client == "ab" + "x" * 98
