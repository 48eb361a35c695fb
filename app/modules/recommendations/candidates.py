"""What may be shown: candidates with their scores, turned by sliders, and the choice of a few that go together."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.contracts.recommendations import Because, Pick, Steering, Why
from app.ml.scoring import Scorer
from app.ml.steering import Sliders, rotated, steered, varied
from app.modules.recommendations.reading import Names

IGNORED_FACTOR = 0.75  # what is left of a score for each day on which an item was shown and not played
IGNORED_DAYS = 4  # on so many days it steps back behind all others
LEAST = 1e-6  # of the best score: what is chosen when there is nothing else


@dataclass(frozen=True)
class Candidate:
    """An item that may be shown; `place` is where the model has it, None for one that it doesn't know."""

    names: Names
    score: float
    why: Why
    place: int | None = None
    plays: int = 0
    last_at: datetime | None = None
    because: Sequence[Because] = field(default_factory=list)
    other: float = 0.0


@dataclass(frozen=True)
class Day:
    """Whose day it is: what makes an order of the day the same on every process, and another one tomorrow."""

    number: int
    listener_id: UUID

    def salt(self, shelf: str) -> int:
        return hash_of(f"{self.listener_id}/{shelf}")


def hash_of(text: str) -> int:
    """Return 32 bits that are the same on every process."""
    return zlib.crc32(text.encode())


def turned(
    candidates: Sequence[Candidate],
    steering: Steering,
    familiar: Mapping[UUID, float],
    energies: Mapping[UUID, float],
) -> list[Candidate]:
    """Return the candidates with the scores that the sliders give them, best first.

    `familiar` says by artist how well the listener knows them, 0 to 1.
    """
    if not candidates:
        return []
    sliders = Sliders(steering.novelty, steering.obscurity, steering.energy)
    scores = np.array([each.score for each in candidates], dtype=np.float64)
    popularity = np.array([each.names.listeners for each in candidates], dtype=np.float64)
    known = np.array([familiar.get(each.names.artist_key, 0.0) for each in candidates], dtype=np.float64)
    energy = np.array([energies.get(each.names.key, np.nan) for each in candidates], dtype=np.float64)
    found = steered(scores, popularity, known, sliders, energy)
    order = np.argsort(-found, kind="stable")
    return [replace(candidates[place], score=float(found[place])) for place in order.tolist()]


def choose(
    candidates: Sequence[Candidate],
    n: int,
    *,
    per_artist: int,
    variety: float = 0.0,
    scorer: Scorer | None = None,
    taken: AbstractSet[UUID] = frozenset(),
    ignored: Mapping[UUID, int] | None = None,
    rotation: tuple[Day, str, float] | None = None,
) -> list[Candidate]:
    """Return up to `n` candidates, best first, at most `per_artist` of an artist and none that is taken.

    What was shown on several days and left alone steps back. `rotation` is a day, the name of the shelf and the
    strength of its noise.
    """
    found = [each for each in _distinct(candidates) if each.names.key not in taken and each.score > 0]
    if not found:
        return []
    worth = np.array([each.score for each in found], dtype=np.float64)
    days = np.array([(ignored or {}).get(each.names.key, 0) for each in found])
    worth *= np.where(days >= IGNORED_DAYS, LEAST, IGNORED_FACTOR**days)
    order: NDArray[np.int64] = np.argsort(-worth, kind="stable").astype(np.int64)
    if rotation is not None:
        day, shelf, strength = rotation
        # the noise is drawn by item, not by rank: an item that comes or goes leaves the others where they are
        order = _rotated(found, worth, day, shelf, strength)
    order = order[np.argsort(days[order] >= IGNORED_DAYS, kind="stable")]
    if variety > 0 and scorer is not None:
        order = _varied(found, worth, order, n * max(1, per_artist), variety, scorer)
    counts: dict[UUID, int] = {}
    chosen = []
    for place in order.tolist():
        artist = found[place].names.artist_key
        counts[artist] = counts.get(artist, 0) + 1
        if counts[artist] <= per_artist:
            chosen.append(found[place])
            if len(chosen) == n:
                break
    return chosen


def _rotated(
    found: Sequence[Candidate], worth: NDArray[np.float64], day: Day, shelf: str, strength: float
) -> NDArray[np.int64]:
    by_key = np.array(sorted(range(len(found)), key=lambda place: found[place].names.key), dtype=np.int64)
    return by_key[rotated(np.arange(len(found)), worth[by_key], day.number, day.salt(shelf), strength)]


def _varied(
    found: Sequence[Candidate],
    worth: NDArray[np.float64],
    order: NDArray[np.int64],
    n: int,
    variety: float,
    scorer: Scorer,
) -> NDArray[np.int64]:
    """Return an order in which those that the model knows are chosen for being unlike each other too."""
    known = [place for place in order.tolist() if found[place].place is not None]
    places = np.array([found[place].place for place in known], dtype=np.int64)
    if len(places) < 2:
        return order
    # in the order given, not in that of the scores: what rotated stays rotated
    ranked = np.sort(worth[known])[::-1]
    picked = varied(scorer, places, ranked, n, variety)
    back = dict(zip(places.tolist(), known, strict=True))
    first = [back[place] for place in picked.tolist()]
    return np.array(first + [place for place in order.tolist() if place not in set(first)], dtype=np.int64)


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    first: dict[UUID, Candidate] = {}
    for each in candidates:
        first.setdefault(each.names.key, each)
    return list(first.values())


def pick_of(found: Candidate) -> Pick:
    names = found.names
    return Pick(
        key=names.key,
        title=names.title,
        artist=names.artist,
        artist_key=names.artist_key,
        score=found.score,
        because=list(found.because),
        other=found.other,
        why=found.why,
        plays=found.plays,
        last_at=found.last_at,
        listeners=names.listeners,
    )
