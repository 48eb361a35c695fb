"""What comes next in a session: neighbouring sessions, rules, artists, the listener's own plays, in one sum."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from app.ml.conditional_logit import ConditionalLogit, Position
from app.ml.own_and_others import NOBODY, TOGETHER, joined
from app.ml.own_history import OwnHistory
from app.ml.part_features import KINDS, features, lift, named, weights_of
from app.ml.progress import Progress, no_progress
from app.ml.scoring import best
from app.ml.session_scoring import HISTORY, PARTS, SessionScorer, SessionTable, add_row
from app.ml.sessions import STEP_S, Play

FEWEST_LISTENERS, FOLDS = 8, 4  # own histories are weighed beside others' sessions where there are so many
POSITIONS_TOGETHER = 1000

# Weights of shares where there is too little to weigh on.
START = {
    "neighbours": 1.0,
    "artist_neighbours": 0.2,
    "rules": 0.5,
    "own_rules": 0.2,
    "artist": 0.3,
    "artist_rules": 0.1,
    "listener_artists": 0.2,
    "repeats": 0.2,
    "listener": 0.05,
    "again": 0.1,
    "artist_fresh": 0.1,
    "neighbours_fresh": 0.1,
}


class SessionModel(BaseEstimator):  # type: ignore[misc]
    """A conditional logit over what `PARTS` say, weighed on the last fifth of the training sessions.

    Where the times of plays are given, a second one weighs them beside a listener's own history, see `own_and_others`.
    `chosen` sets the weights of the features instead, by their names; see `part_features`.
    """

    def __init__(self, *, positions: int = 1500, chosen: Mapping[str, float] | None = None) -> None:
        self.positions = positions
        self.chosen = chosen

    def fit(
        self,
        table: SessionTable,
        listeners: Sequence[int],
        progress: Progress = no_progress,
        times: NDArray[np.int64] | None = None,
    ) -> Self:
        """Fit on sessions in order of time, `listeners` saying whose each is. Sets `chosen_` and `scorer_`.

        `times` (plays,) are those of the plays, in seconds.
        """
        progress(0.0, "sessions")
        if self.chosen is not None:
            self.chosen_ = dict(self.chosen)
        else:
            self.chosen_ = dict(self._weighed(table, listeners, progress))
            if times is not None:
                self.chosen_ |= _weighed_together(table, listeners, times, progress)
        self.scorer_ = SessionScorer(table)
        progress(1.0, "fitted")
        return self

    def _weighed(self, table: SessionTable, listeners: Sequence[int], progress: Progress) -> Mapping[str, float]:
        early = _part(table, np.arange(_border(listeners)))
        told = _telling(_positions(early, table, listeners), self.positions, progress, "validation", 0.0, 0.5)
        logit = ConditionalLogit()
        return named(logit.coef_, PARTS) if logit.told_by(told) else START

    def recommend(
        self, session: Sequence[int], history: Sequence[int] = (), n: int = 20
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return up to `n` items that may come next, best first, and their scores; popular ones fill the list.

        Raises IndexError for an item that the fit has not seen.
        """
        self._check(session, history)
        scores = np.zeros(self.scorer_.items)
        if len(session):
            listed, parts = self.scorer_.parts(session, history)
            own = features(parts) @ weights_of(self.chosen_, PARTS)
            scores[listed] = own + lift(own)
        found, values = best(scores, n)
        if len(found) < n:
            plays = self.scorer_.plays.copy()
            plays[found] = 0
            rest = best(plays, n - len(found))[0]
            found, values = np.concatenate([found, rest]), np.concatenate([values, np.zeros(len(rest))])
        return found, values

    def similar_items(self, item: int, n: int = 20) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return what follows an item. Raises IndexError."""
        self._check([item], ())
        scores = np.zeros(self.scorer_.items)
        add_row(scores, self.scorer_.rules, item, 1.0)
        return best(scores, n)

    def explain(self, session: Sequence[int], target: int, history: Sequence[int] = ()) -> dict[str, float]:
        """Return what each part adds to a target's score; they sum to it. Raises IndexError.

        `listed` is what every item has of which any part knows.
        """
        self._check(session, history)
        listed, parts = self.scorer_.parts(session, history)
        if target not in listed:
            return dict.fromkeys((*PARTS, "listed"), 0.0)
        each = features(parts) * weights_of(self.chosen_, PARTS)
        by_part = each[listed == target][0].reshape(len(KINDS), len(PARTS)).sum(axis=0)
        return dict(zip((*PARTS, "listed"), [*by_part.tolist(), lift(each.sum(axis=1))], strict=True))

    def _check(self, session: Sequence[int], history: Sequence[int]) -> None:
        if not all(0 <= item < self.scorer_.items for items in (session, history) for item in items):
            raise IndexError(f"items are numbered from 0 to {self.scorer_.items - 1}")


def histories(table: SessionTable, listeners: Sequence[int]) -> dict[int, list[int]]:
    """Return each listener's items in the order of their sessions."""
    found: dict[int, list[int]] = {}
    for number in range(len(table.starts) - 1):
        own = found.setdefault(listeners[number], [])
        own += table.items[table.starts[number] : table.starts[number + 1]].tolist()
    return found


def _positions(early: SessionTable, table: SessionTable, listeners: Sequence[int]) -> Iterator[Position]:
    """Yield what the parts say at positions of later sessions, the place of what came, -1 for unlisted."""
    scorer, known = SessionScorer(early), histories(early, listeners)
    is_known = scorer.plays > 0
    for number in range(len(early.starts) - 1, len(listeners)):
        items = [int(i) for i in table.items[table.starts[number] : table.starts[number + 1]] if is_known[i]]
        for place in range(1, len(items)):
            listed, parts = scorer.parts(items[:place], known.get(listeners[number], []))
            target = np.flatnonzero(listed == items[place])
            yield parts.astype(np.float32), int(target[0]) if len(target) else -1


def _telling(
    positions: Iterator[Position], most: int, progress: Progress, what: str, start: float, end: float
) -> Iterator[Position]:
    """Yield up to `most` positions, telling how many were taken. None is kept: each can be of thousands of items."""
    for number, position in enumerate(islice(positions, most)):
        if number % 100 == 0:
            progress(start + (end - start) * number / most, what)
        yield position


def _border(listeners: Sequence[int]) -> int:
    """Return the first of the sessions that weights are chosen on."""
    return 4 * len(listeners) // 5


def _part(table: SessionTable, which: NDArray[np.integer]) -> SessionTable:
    """Return some sessions of a table, in order."""
    lengths = np.diff(table.starts)[which]
    ends = np.cumsum(lengths)
    entries = np.repeat(table.starts[which] - ends + lengths, lengths) + np.arange(lengths.sum())
    return SessionTable(np.concatenate([[0], ends]).astype(np.int64), table.items[entries], table.artists)


def _weighed_together(
    table: SessionTable, listeners: Sequence[int], times: NDArray[np.int64], progress: Progress
) -> Mapping[str, float]:
    """Return what own histories and the sessions of others weigh beside each other; nothing where few can tell."""
    people = sorted(set(listeners))
    if len(people) < FEWEST_LISTENERS:
        return {}
    each = (
        position
        for fold in range(FOLDS)
        for position in _positions_of(set(people[fold::FOLDS]), table, listeners, times)
    )
    told = _telling(each, POSITIONS_TOGETHER, progress, "own histories", 0.5, 0.9)
    logit = ConditionalLogit(most=150, drawn=50)
    return named(logit.coef_, TOGETHER) if logit.told_by(told) else {}


def _positions_of(
    people: set[int], table: SessionTable, listeners: Sequence[int], times: NDArray[np.int64]
) -> Iterator[Position]:
    """Yield what their own histories and the earlier sessions of all others say at positions of some people's sessions.

    So it is weighed as where a model comes from elsewhere.
    """
    border = _border(listeners)
    scorer = SessionScorer(_part(table, np.array([n for n in range(border) if listeners[n] not in people], dtype=int)))
    memories: dict[int, list[Play]] = {person: [] for person in people}
    for number in range(len(listeners)):
        if (own := memories.get(listeners[number])) is None:
            continue
        entries = range(table.starts[number], table.starts[number + 1])
        items = [int(table.items[entry]) for entry in entries]
        plays = [
            Play(0, 0, number, int(times[entry]), item, int(table.artists[item]))
            for entry, item in zip(entries, items, strict=True)
        ]
        if number >= border and own:
            memory, history = OwnHistory(), [play.track for play in own[-HISTORY:]]
            for play in own[-HISTORY:]:
                memory.add(play)
            memory.add(plays[0])
            for place in range(1, len(items)):
                parts = memory.parts(plays[place - 1].ts + STEP_S, NOBODY)
                listed, said = joined(parts, *scorer.parts(items[:place], history))
                target = np.flatnonzero(listed == items[place])
                yield said, int(target[0]) if len(target) else -1
                memory.add(plays[place])
        own += plays
