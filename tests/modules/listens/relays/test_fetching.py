"""Fetching from other services: what is taken, and what is known already."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.contracts.relays import RelayOptions
from tests.modules.listens.conftest import Instance
from tests.modules.listens.others import FakeLastFm, FakeListenBrainz
from tests.modules.listens.relays.connections import advance, plays, state, to_fm, to_lb


def test_new_listens_are_fetched_and_neither_repeated_nor_sent_back(
    own: Instance, listener: UUID, lb: FakeListenBrainz
) -> None:
    to_lb(own, listener, lb, "both")
    start = int(own.now.timestamp())
    lb.add(start - 90_000, "Long before")
    own.now += timedelta(hours=1)
    own.listens.submit(listener, plays(own, 2, ago=timedelta(minutes=30)), "a player")
    lb.add(start + 60, "Elsewhere", release_name="Release", additional_info={"duration": 200, "tags": ["folk"]})
    lb.add(start + 120, "", artist="")
    advance(own)
    advance(own, 1000)
    listens = own.listens.history(listener).listens
    assert [(each.title, each.client) for each in listens] == [
        ("Song 1", "a player"),
        ("Song 0", "a player"),
        ("Elsewhere", "pull:listenbrainz"),
    ]
    assert (listens[2].release, listens[2].duration_ms) == ("Release", 200_000)
    assert lb.submissions == [2]
    seen = state(own, listener)
    assert seen.pull_error == ""
    assert seen.pull_next_at == own.now + timedelta(seconds=900)


def test_a_long_absence_is_fetched_in_pages(
    own: Instance, listener: UUID, lb: FakeListenBrainz, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.peer_listenbrainz.PAGE", 10)
    to_lb(own, listener, lb, "pull")
    start = int(own.now.timestamp())
    own.now += timedelta(days=3)
    for n in range(95):
        lb.add(start + 60 + 7 * (n // 2), f"Song {n}")  # two in each second
    advance(own)
    assert len(own.listens.history(listener, limit=1000).listens) == 95


def test_what_was_sent_and_corrected_there_does_not_come_back_as_another_listen(
    own: Instance, listener: UUID, fm: FakeLastFm
) -> None:
    to_fm(own, listener, fm, "both")
    own.now += timedelta(minutes=30)
    own.listens.submit(listener, plays(own, 3, ago=timedelta(minutes=20)))
    advance(own)
    fm.scrobbles = [(at, "Ada Lovelace", title, album) for at, _, title, album in fm.scrobbles]
    fm.scrobbles.append((int(own.now.timestamp()) - 60, "Ada Lovelace", "Another", ""))
    advance(own, 1000)
    titles = [each.title for each in own.listens.history(listener).listens]
    assert titles == ["Another", "Song 2", "Song 1", "Song 0"]


def test_what_was_played_is_fetched_from_last_fm(
    own: Instance, listener: UUID, fm: FakeLastFm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.peer_lastfm.PAGE", 10)
    options = RelayOptions(api_key=fm.key)
    own.listens.add_relay(listener, "lastfm", fm.address, fm.name, "", "pull", options)
    start = int(own.now.timestamp())
    fm.scrobbles = [(start - 86_400, "Ada", "Long before", "")]
    fm.scrobbles += [(start + 60 * n, "Ada", f"Song {n}", "Release") for n in range(1, 35)]
    advance(own, 86_400)
    found = own.listens.history(listener, limit=100).listens
    assert {each.title for each in found} == {f"Song {n}" for n in range(1, 35)}
    assert {each.client for each in found} == {"pull:lastfm"}
    fm.scrobbles.append((int(own.now.timestamp()) - 3600, "Ada", "Played while offline", ""))
    advance(own, 600)
    assert len(own.listens.history(listener, limit=100).listens) == 34
    advance(own, 400)
    assert len(own.listens.history(listener, limit=100).listens) == 35


def test_a_failing_fetch_is_said_and_tried_again(own: Instance, listener: UUID, fm: FakeLastFm) -> None:
    to_fm(own, listener, fm, "pull")
    fm.error = (16, "The service is temporarily unavailable")
    advance(own)
    seen = state(own, listener)
    assert seen.pull_error == "The service is temporarily unavailable"
    assert seen.pull_next_at is not None
    assert timedelta(seconds=20) < seen.pull_next_at - own.now < timedelta(seconds=40)
    fm.error = None
    advance(own, 60)
    assert state(own, listener).pull_error == ""
