"""Deleting a listen, and what comes back when it goes."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.contracts.identity import identify
from app.contracts.listens import ListenNotFound, Listens
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import START, play, times

KEY = identify("Ada", "Song").recording_key


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_deleted_listen_is_gone(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0), play(100)])
    listens.delete_listen(listener, at(0), KEY)
    assert times(listens, listener) == [100]


def test_deleting_it_twice_is_not_found(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0)])
    listens.delete_listen(listener, at(0.5), KEY)
    with pytest.raises(ListenNotFound):
        listens.delete_listen(listener, at(0), KEY)


def test_nobody_elses_listen_can_be_deleted(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0)])
    with pytest.raises(ListenNotFound):
        listens.delete_listen(UUID(int=1), at(0), KEY)
    assert times(listens, listener) == [0]


def test_a_hidden_repeat_comes_back(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(0)], "phone")
    own.listens.submit(listener, [play(7)], "desktop")
    own.listens.delete_listen(listener, at(0), KEY)
    assert times(own.listens, listener) == [7]
    assert own.kinds_told(listener) == ["Listened", "Unlistened", "Listened"]


def test_of_two_hidden_repeats_one_comes_back(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(10)], "phone")
    own.listens.submit(listener, [play(12)], "desktop")
    own.listens.submit(listener, [play(8)], "car")
    own.listens.delete_listen(listener, at(10), KEY)
    assert times(own.listens, listener) == [12]
    own.listens.delete_listen(listener, at(12), KEY)
    assert times(own.listens, listener) == [8]


def test_repeats_of_one_client_come_back_as_its_plays(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(20)], "phone")
    listens.submit(listener, [play(0), play(40)], "desktop")
    assert times(listens, listener) == [20]
    listens.delete_listen(listener, at(20), KEY)
    assert times(listens, listener) == [40, 0]


def test_a_repeat_stays_hidden_behind_another_play_that_it_repeats(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(0), play(25)], "phone")
    own.listens.submit(listener, [play(10)], "desktop")
    own.listens.delete_listen(listener, at(0), KEY)
    assert times(own.listens, listener) == [25]
    own.listens.delete_listen(listener, at(25), KEY)
    assert times(own.listens, listener) == [10]


def test_deleting_what_is_hidden_changes_nothing_that_shows(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(0)], "phone")
    own.listens.submit(listener, [play(7)], "desktop")
    own.listens.delete_listen(listener, at(7), KEY)
    own.listens.delete_listen(listener, at(0), KEY)
    assert times(own.listens, listener) == []
    assert own.kinds_told(listener) == ["Listened", "Unlistened"]
