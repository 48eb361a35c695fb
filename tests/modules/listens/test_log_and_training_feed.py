"""What the log tells, and the same for training: pseudonyms and no names."""

from uuid import UUID

import msgspec
import pytest

from app.contracts.identity import artist_key, identify, release_key
from app.contracts.listens import Listened, ListenedMany, Listens, NewPlaycount, TrainingEvent, Unlistened
from app.kernel.feed import FeedReset
from app.modules.listens import log
from app.modules.listens.training_feed import Pseudonyms
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import START, play
from tests.support.waiting import eventually

KEY = identify("Ada", "Song")


def test_a_listen_is_told_as_it_was_stored(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(0.9, " Song ", release='Béla \\u0041 "x" 🎵'), play(60)])
    told = own.told(listener)
    names = ("Ada", "Song", 'Béla \\u0041 "x" 🎵')
    assert told[0] == Listened(listener, START, KEY.recording_key, KEY.artist_key, release_key("Ada", names[2]), *names)
    assert told[1].release is None  # type: ignore[union-attr]
    own.listens.delete_listen(listener, START, KEY.recording_key)
    assert own.told(listener)[2:] == [Unlistened(listener, START, KEY.recording_key, KEY.artist_key)]


def test_duplicates_and_hidden_repeats_are_not_told(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(0), play(0)], "phone")
    own.listens.submit(listener, [play(0), play(5)], "desktop")
    assert own.kinds_told(listener) == ["Listened"]


def test_a_follower_reads_from_the_beginning_or_from_where_it_was(listens: Listens, listener: UUID) -> None:
    cursor = ""
    while (page := listens.feed(cursor, 10_000)).events:
        cursor = page.cursor
    listens.submit(listener, [play(n * 60) for n in range(5)])
    first = eventually(lambda: (page := listens.feed(cursor, 2)).events and page)
    rest = listens.feed(first.cursor, 100)
    assert [e.listener_id for e in (*first.events, *rest.events)].count(listener) == 5
    assert len(first.events) == 2
    with pytest.raises(FeedReset):
        listens.feed("99:1:1")


def test_what_is_stored_together_is_told_together_and_one_by_one_alike(own: Instance, listener: UUID) -> None:
    cursor = ""
    while (page := own.listens.folded_feed(cursor)).events:
        cursor = page.cursor
    given = [play(60 * n, f"Song {n % 7}", release=f"R{n % 2}") for n in reversed(range(50))]
    own.listens.submit(listener, given)
    [event] = eventually(lambda: own.listens.folded_feed(cursor).events)
    assert isinstance(event, ListenedMany)
    assert len(event.tracks) == 14
    assert event.times == [int(START.timestamp()) + 60 * n for n in range(50)]
    one_by_one = own.listens.feed(cursor).events
    assert one_by_one == own.told(listener) == log.expanded([event])
    assert [(each.listened_at, each.title, each.release) for each in one_by_one if isinstance(each, Listened)] == [
        (each.listened_at, each.title, each.release) for each in reversed(given)
    ]
    before = msgspec.json.encode(
        {
            "type": "listened_many",
            "listener_id": listener,
            "listens": [
                [at, *msgspec.to_builtins(event.tracks[place])]
                for at, place in zip(event.times, event.places, strict=True)
            ],
        }
    )
    assert log.expanded(log.folded([before])) == one_by_one  # as logs of before have it


def test_training_is_told_the_same_without_names_or_persons(own: Instance, listener: UUID) -> None:
    own.listens.submit(listener, [play(60, release="Album")])
    own.listens.set_playcounts([NewPlaycount(listener, "Ada", "Song", 7), NewPlaycount(listener, "Ada", None, 8)], "x")
    own.listens.set_feedback(listener, "recordings", KEY.recording_key, 1)
    own.listens.set_feedback(listener, "artists", KEY.artist_key, -1)
    own.listens.delete_listen(listener, play(60).listened_at, KEY.recording_key)
    assert len(own.told(listener)) == 6
    events: list[TrainingEvent] = []
    cursor = ""
    while (page := own.listens.training_feed(cursor)).events:
        events += page.events
        cursor = page.cursor
    at, recording, artist = int(START.timestamp()) + 60, KEY.recording_key, KEY.artist_key
    who = Pseudonyms(own.settings.secret("pseudonym_key")).of(listener)
    told = sorted((e for e in events if e.pseudonym == who), key=lambda e: (e.kind, e.value))
    assert told == [
        TrainingEvent("feedback_set", who, 0, None, artist, -1),
        TrainingEvent("feedback_set", who, 0, recording, None, 1),
        TrainingEvent("listened", who, at, recording, artist),
        TrainingEvent("playcount_set", who, 0, recording, artist, 7),
        TrainingEvent("playcount_set", who, 0, None, artist, 8),
        TrainingEvent("unlistened", who, at, recording, artist),
    ]
    sent = msgspec.json.encode(events).decode()
    assert str(listener) not in sent
    assert not {"Ada", "Song", "Album"} & set(sent.replace('"', " ").split())
    assert artist == artist_key("Ada")


def test_a_pseudonym_needs_the_key(listener: UUID) -> None:
    assert Pseudonyms("a").of(listener) == Pseudonyms("a").of(listener)
    assert len({Pseudonyms("a").of(listener), Pseudonyms("b").of(listener), listener}) == 3
