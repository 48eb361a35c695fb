"""What the training feed says was played: events in, the plays that still hold out, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.contracts.listens import TrainingEvent

Ints = NDArray[np.int64]

LISTENED, UNLISTENED, PLAYCOUNT, FEEDBACK, FORGOTTEN = range(5)
CODES = {
    "listened": LISTENED,
    "unlistened": UNLISTENED,
    "playcount_set": PLAYCOUNT,
    "feedback_set": FEEDBACK,
    "forgotten": FORGOTTEN,
}
# The columns of an event; `key` is the recording's, or the artist's where there is no recording. Keys and people are
# numbers into tables; -1 is none.
CODE, PERSON, AT, KEY, ARTIST, IS_ARTIST, VALUE = range(7)


@dataclass(frozen=True)
class Plays:
    """What holds, sorted. `people` and `keys` are the bytes of UUIDs, sorted too; columns hold places in them.

    listens (n, 4): person, at, recording, artist. playcounts (n, 5): person, is_artist, key, artist, plays.
    feedback (n, 4): person, is_artist, key, value.
    """

    people: list[bytes]
    keys: list[bytes]
    listens: Ints
    playcounts: Ints
    feedback: Ints


class EventTable:
    """Collects events in their order."""

    def __init__(self) -> None:
        self.people: dict[bytes, int] = {}
        self.keys: dict[bytes, int] = {}
        self.blocks: list[Ints] = []

    def add(self, events: Sequence[TrainingEvent]) -> None:
        self.blocks.append(np.array([self._row(event) for event in events], dtype=np.int64).reshape(-1, 7))

    def _row(self, event: TrainingEvent) -> tuple[int, ...]:
        recording = self._number(event.recording_key.bytes) if event.recording_key else -1
        artist = self._number(event.artist_key.bytes) if event.artist_key else -1
        person = self.people.setdefault(event.pseudonym.bytes, len(self.people))
        is_artist = recording < 0
        key = artist if is_artist else recording
        return CODES[event.kind], person, event.at, key, artist, is_artist, event.value

    def _number(self, key: bytes) -> int:
        return self.keys.setdefault(key, len(self.keys))

    def add_plays(self, plays: Plays) -> None:
        """Begin with what held at an earlier point of the feed."""
        people = np.array([self.people.setdefault(p, len(self.people)) for p in plays.people], dtype=np.int64)
        keys = np.array([self._number(key) for key in plays.keys], dtype=np.int64)
        for code, rows, places in (
            (LISTENED, plays.listens, {PERSON: 0, AT: 1, KEY: 2, ARTIST: 3}),
            (PLAYCOUNT, plays.playcounts, {PERSON: 0, IS_ARTIST: 1, KEY: 2, ARTIST: 3, VALUE: 4}),
            (FEEDBACK, plays.feedback, {PERSON: 0, IS_ARTIST: 1, KEY: 2, VALUE: 3}),
        ):
            block = np.zeros((len(rows), 7), dtype=np.int64)
            block[:, CODE], block[:, ARTIST] = code, -1
            for column, place in places.items():
                block[:, column] = rows[:, place]
            block[:, PERSON] = people[block[:, PERSON]]
            block[:, KEY] = keys[block[:, KEY]]
            if code != FEEDBACK:
                block[:, ARTIST] = keys[block[:, ARTIST]]
            self.blocks.append(block)

    def plays(self) -> Plays:
        """Return what holds after all events: later ones undo and replace, the forgotten are gone."""
        events = np.concatenate(self.blocks) if self.blocks else np.zeros((0, 7), dtype=np.int64)
        people, person_rank = _ranked(self.people)
        keys, key_rank = _ranked(self.keys)
        events[:, PERSON] = person_rank[events[:, PERSON]]
        for column in (KEY, ARTIST):
            events[:, column] = np.where(events[:, column] < 0, -1, key_rank[events[:, column]])
        events = events[_after_forgetting(events, len(people))]
        listened = _latest(events[events[:, CODE] <= UNLISTENED], (PERSON, AT, KEY))
        counted = _latest(events[events[:, CODE] == PLAYCOUNT], (PERSON, IS_ARTIST, KEY))
        said = _latest(events[events[:, CODE] == FEEDBACK], (PERSON, IS_ARTIST, KEY))
        return _compact(
            people,
            keys,
            listened[listened[:, CODE] == LISTENED][:, (PERSON, AT, KEY, ARTIST)],
            counted[counted[:, VALUE] > 0][:, (PERSON, IS_ARTIST, KEY, ARTIST, VALUE)],
            said[said[:, VALUE] != 0][:, (PERSON, IS_ARTIST, KEY, VALUE)],
        )


def _ranked(numbers: dict[bytes, int]) -> tuple[list[bytes], Ints]:
    """Return the values sorted, and for each number its place among them (one more, so that none is empty)."""
    ordered = sorted(numbers)
    rank = np.zeros(len(ordered) + 1, dtype=np.int64)
    for place, value in enumerate(ordered):
        rank[numbers[value]] = place
    return ordered, rank


def _after_forgetting(events: Ints, people: int) -> NDArray[np.bool_]:
    last = np.full(people + 1, -1, dtype=np.int64)
    places = np.flatnonzero(events[:, CODE] == FORGOTTEN)
    np.maximum.at(last, events[places, PERSON], places)
    alive: NDArray[np.bool_] = np.arange(len(events)) > last[events[:, PERSON]]
    return alive


def _latest(events: Ints, by: tuple[int, ...]) -> Ints:
    """Return the last event of each group, sorted by the group."""
    order = np.lexsort((np.arange(len(events)), *(events[:, column] for column in reversed(by))))
    ordered = events[order]
    groups = ordered[:, by]
    is_last = np.ones(len(ordered), dtype=bool)
    is_last[:-1] = (groups[1:] != groups[:-1]).any(axis=1)
    return ordered[is_last]


def _compact(people: list[bytes], keys: list[bytes], listens: Ints, playcounts: Ints, feedback: Ints) -> Plays:
    """Leave out people and keys that nothing refers to any more."""
    used_people = np.unique(np.concatenate([listens[:, 0], playcounts[:, 0], feedback[:, 0]]))
    used_keys = np.unique(
        np.concatenate([listens[:, 2], listens[:, 3], playcounts[:, 2], playcounts[:, 3], feedback[:, 2]])
    )
    for rows, columns in ((listens, (2, 3)), (playcounts, (2, 3)), (feedback, (2,))):
        rows[:, 0] = np.searchsorted(used_people, rows[:, 0])
        for column in columns:
            rows[:, column] = np.searchsorted(used_keys, rows[:, column])
    return Plays([people[p] for p in used_people], [keys[k] for k in used_keys], listens, playcounts, feedback)
