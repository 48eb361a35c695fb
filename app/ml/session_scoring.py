"""What speaks for what may come next in a session. numpy and scipy only: this is served."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

NEIGHBOURS = 300  # sessions that are asked
AFTER, ASIDE = 1.0, 0.3  # of an item after the last match, and of any other; see `_neighbours`
LAST = 3  # plays that rules are asked for
HISTORY = 1000  # of the listener's latest plays
ARTIST_STEPS = 3

PARTS = (
    "neighbours", "artist_neighbours", "rules", "own_rules", "artist", "artist_rules", "listener_artists",
    "repeats", "listener", "again", "artist_fresh", "neighbours_fresh",
)  # fmt: skip


@dataclass(frozen=True)
class SessionTable:
    """Sessions as arrays: the items of session s are `items[starts[s]:starts[s + 1]]`, in order; `artists` (items,)."""

    starts: Ints
    items: NDArray[np.int32]
    artists: NDArray[np.int32]


@dataclass(frozen=True)
class Inverted:
    """Where each value is: places `order[starts[v]:starts[v + 1]]` of value v, in order."""

    starts: Ints
    order: NDArray[np.int64] | NDArray[np.int32]

    def of(self, value: int) -> Ints:
        found: Ints = self.order[self.starts[value] : self.starts[value + 1]].astype(np.int64, copy=False)
        return found


class SessionScorer:
    """Scores of what may come next, for a session so far and the listener's earlier plays. numpy and scipy only."""

    def __init__(self, table: SessionTable) -> None:
        self.table = table
        self.items = len(table.artists)
        lengths = np.diff(table.starts)
        self.session_of: NDArray[np.int64] | NDArray[np.int32] = np.repeat(np.arange(len(lengths)), lengths)
        self.places = _inverted(table.items, self.items)
        self.artist_count = int(table.artists.max()) + 1 if self.items else 0
        artists = table.artists[table.items] if len(table.items) else table.items
        self.artist_places = _inverted(artists, self.artist_count)
        self.of_artist = _inverted(table.artists, self.artist_count)
        self.plays = np.bincount(table.items, minlength=self.items).astype(np.float64)
        self.rules = _rules(table.items, self.session_of, self.items, 10)
        self.artist_rules = _rules(artists, self.session_of, self.artist_count, 3)
        total = max(1, len(lengths))
        self.rarity: NDArray[np.floating] = np.log((total + 1) / (1 + _spread(self.places, self.session_of)))
        self.artist_rarity: NDArray[np.floating] = np.log(
            (total + 1) / (1 + _spread(self.artist_places, self.session_of))
        )

    @classmethod
    def from_arrays(
        cls,
        table: SessionTable,
        *,
        session_of: NDArray[np.int32],
        places: Inverted,
        artist_places: Inverted,
        of_artist: Inverted,
        rules: sp.csr_matrix,
        artist_rules: sp.csr_matrix,
        rarity: NDArray[np.float32],
        artist_rarity: NDArray[np.float32],
    ) -> "SessionScorer":
        """Return a scorer of what another one has counted."""
        made = cls.__new__(cls)
        made.table, made.items, made.session_of = table, len(table.artists), session_of
        made.places, made.artist_places, made.of_artist = places, artist_places, of_artist
        made.artist_count = len(of_artist.starts) - 1
        made.rules, made.artist_rules = rules, artist_rules
        made.rarity, made.artist_rarity = rarity, artist_rarity
        made.plays = np.diff(places.starts).astype(np.float64)
        return made

    def parts(self, session: Sequence[int], history: Sequence[int]) -> tuple[Ints, Doubles]:
        """Return the items that anything speaks for, and (items, parts) what each of `PARTS` says, at most 1.

        `session` are the items so far, oldest first; `history` the listener's plays before it, oldest first.
        """
        artists = self.table.artists
        own = np.asarray(history[-HISTORY:], dtype=np.int64)
        recent = list(dict.fromkeys(reversed(session)))
        found = np.zeros((len(PARTS), self.items))
        found[0] = self._neighbours(self.places, recent, self.rarity)
        recent_artists = list(dict.fromkeys(int(artists[item]) for item in recent))
        found[1] = self._neighbours(self.artist_places, recent_artists, self.artist_rarity)
        for distance, item in enumerate(recent[:LAST], 1):
            add_row(found[2], self.rules, item, 1 / distance)
        self._own_rules(found[3], own, recent[0])
        self._artist(found[4], recent_artists[0], 1.0)
        for distance, artist in enumerate(recent_artists[:ARTIST_STEPS], 1):
            row = slice(self.artist_rules.indptr[artist], self.artist_rules.indptr[artist + 1])
            total = self.artist_rules.data[row].sum()
            order = np.argsort(-self.artist_rules.data[row], kind="stable")[:20]
            for place in order:
                self._artist(
                    found[5],
                    int(self.artist_rules.indices[row][place]),
                    float(self.artist_rules.data[row][place] / total) / distance,
                )
        if len(own):
            heard, counts = np.unique(artists[own], return_counts=True)
            favourite = np.argsort(-counts, kind="stable")[:30]
            for artist, count in zip(heard[favourite], counts[favourite], strict=True):
                self._artist(found[6], int(artist), float(count))
            np.add.at(found[8], own, 1 / np.sqrt(np.arange(len(own), 0, -1)))
        played = np.asarray(session, dtype=np.int64)
        found[10], found[11] = found[4], found[0]
        found[10:12, played] = 0
        places = np.arange(len(session), 0, -1)
        np.add.at(found[7], np.asarray(session, dtype=np.int64), 1 / np.sqrt(places))
        found[:, session[-1]] = 0
        greatest = found.max(axis=1)
        found[9, session[-1]] = 1
        found /= np.where(greatest > 0, greatest, 1.0)[:, None]
        listed = np.flatnonzero(found.any(axis=0))
        return listed, found[:, listed].T

    def _neighbours(self, places: Inverted, recent: Sequence[int], rarity: NDArray[np.floating]) -> Doubles:
        """Return what the nearest sessions play around what this one played last.

        A session is as near as the rarity of what both have, the later in this one the more. In it, an item at p counts
        exp(m + 1 - p) + `ASIDE` after its last match m, and `ASIDE` exp(p - m) + `ASIDE` before it.
        """
        at, weight = [], []
        for distance, item in enumerate(recent[:20], 1):
            found = places.of(item)
            at.append(found)
            weight.append(np.full(len(found), rarity[item] / distance))
        where = np.concatenate(at)
        scores = np.zeros(self.items)
        if not len(where):
            return scores
        which, inverse = np.unique(self.session_of[where], return_inverse=True)
        near = np.bincount(inverse, weights=np.concatenate(weight))
        last = np.zeros(len(which), dtype=np.int64)
        np.maximum.at(last, inverse, where)
        kept = np.lexsort((-which.astype(np.int64), -near))[:NEIGHBOURS]
        starts, ends = self.table.starts[which[kept]], self.table.starts[which[kept] + 1]
        lengths = ends - starts
        entries = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        steps = (entries - np.repeat(last[kept], lengths)).astype(np.float64)
        is_after = steps > 0
        near_by = np.exp(np.where(is_after, 1 - steps, steps))
        worth = np.where(is_after, AFTER, ASIDE) * near_by + ASIDE
        worth[steps == 0] = ASIDE
        np.add.at(scores, self.table.items[entries], worth * np.repeat(near[kept], lengths))
        return scores

    def _own_rules(self, found: Doubles, own: Ints, last: int) -> None:
        for place in np.flatnonzero(own[:-1] == last):
            for distance in range(1, 4):
                if place + distance < len(own):
                    found[own[place + distance]] += 1 / distance

    def _artist(self, found: Doubles, artist: int, weight: float) -> None:
        of = self.of_artist.of(artist)
        found[of] += weight * np.sqrt(self.plays[of] / max(1.0, float(self.plays[of].max())))


def _inverted(values: NDArray[np.int32], count: int) -> Inverted:
    order = np.argsort(values, kind="stable").astype(np.int64)
    return Inverted(np.concatenate([[0], np.cumsum(np.bincount(values, minlength=count))]).astype(np.int64), order)


def _spread(places: Inverted, session_of: NDArray[np.int64] | NDArray[np.int32]) -> Doubles:
    """Return in how many sessions each value is."""
    value = np.repeat(np.arange(len(places.starts) - 1), np.diff(places.starts))
    pairs = np.unique(np.stack([value, session_of[places.order]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=len(places.starts) - 1).astype(np.float64)


def _rules(
    values: NDArray[np.int32], session_of: NDArray[np.int64] | NDArray[np.int32], count: int, steps: int
) -> sp.csr_matrix:
    """Return what follows what within a session, 1/distance. Source: Kamehkhosh, Jannach & Ludewig 2017 (SR)."""
    rows, columns, weights = [], [], []
    for distance in range(1, steps + 1):
        is_same = session_of[distance:] == session_of[:-distance]
        before, after = values[:-distance][is_same], values[distance:][is_same]
        is_other = before != after
        rows.append(before[is_other])
        columns.append(after[is_other])
        weights.append(np.full(int(is_other.sum()), 1 / distance))
    data = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return sp.coo_matrix(data, shape=(count, count)).tocsr()


def add_row(found: Doubles, B: sp.csr_matrix, row: int, weight: float) -> None:
    entries = slice(B.indptr[row], B.indptr[row + 1])
    found[B.indices[entries]] += B.data[entries] * weight
