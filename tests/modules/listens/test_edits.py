"""Mending one's own log: several listens at once, one that was another, and finding them by artist and client."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import InvalidListen, ListenId, ListenNotFound, Listens, NewListen
from tests.modules.listens.plays import START, play


def titles(listens: Listens, listener: UUID, **wanted: object) -> list[str]:
    return [each.title for each in listens.history(listener, **wanted).listens]  # type: ignore[arg-type]


def named(listens: Listens, listener: UUID, *said: str) -> list[ListenId]:
    page = listens.history(listener).listens
    return [ListenId(each.listened_at, each.recording_key) for each in page if each.title in said]


def test_listens_that_are_deleted_together_come_back_as_they_were(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(n * 60, f"S{n}") for n in range(5)], "phone")
    before = listens.history(listener).listens
    gone = listens.delete_listens(listener, named(listens, listener, "S1", "S3"))
    assert titles(listens, listener) == ["S4", "S2", "S0"]
    assert listens.delete_listens(listener, [ListenId(START, recording_key("No", "One"))]) == []
    listens.submit(listener, gone, "page")
    after = listens.history(listener).listens
    assert [(x.listened_at, x.title, x.client) for x in after] == [(x.listened_at, x.title, x.client) for x in before]


def test_a_listen_becomes_another_and_keeps_what_its_client_told(listens: Listens, listener: UUID) -> None:
    told = NewListen(START, "Ada", "Misheard", duration_ms=1000, extra={"player": "x", "track_mbid": "y"})
    listens.submit(listener, [told], "phone")
    [which] = named(listens, listener, "Misheard")
    later = START + timedelta(hours=1)
    was = listens.edit_listen(listener, which, NewListen(later, "Ada", "Heard", "LP"))
    [now] = listens.history(listener).listens
    assert (was.title, was.listened_at) == ("Misheard", START)
    assert (now.title, now.release, now.listened_at, now.client) == ("Heard", "LP", later, "phone")
    assert now.extra == {"player": "x"}
    with pytest.raises(ListenNotFound):
        listens.edit_listen(listener, which, told)


def test_an_edit_that_makes_no_sense_changes_nothing(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0, "S")])
    [which] = named(listens, listener, "S")
    with pytest.raises(InvalidListen):
        listens.edit_listen(listener, which, NewListen(START, " ", "S"))
    assert titles(listens, listener) == ["S"]


def test_history_is_left_to_an_artist_a_client_and_a_text(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0, "One", "Ada"), play(60, "Two", "Bob"), play(120, "Three", "Ada")], "phone")
    listens.submit(listener, [play(180, "Four", "Ada")], "desktop")
    assert titles(listens, listener, artist_key=artist_key("Ada")) == ["Four", "Three", "One"]
    assert titles(listens, listener, client="phone") == ["Three", "Two", "One"]
    assert titles(listens, listener, artist_key=artist_key("Ada"), client="phone", search="t") == ["Three"]
    assert titles(listens, listener, artist_key=artist_key("Nobody")) == []
