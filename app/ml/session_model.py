"""What comes next in a session: neighbouring sessions, rules, artists, the listener's own plays, in one sum."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from app.ml.metrics import hit_and_reciprocal
from app.ml.progress import Progress, no_progress
from app.ml.scoring import best
from app.ml.session_scoring import PARTS, Doubles, SessionScorer, SessionTable, add_row
from app.ml.tuning import Chosen, Step, climb

FEWEST_POSITIONS, MOST_POSITIONS = 50, 1500  # to choose weights on

# Where the search begins, and what is used where there is too little to choose on.
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
    """A weighted sum of `PARTS`, weights chosen on the last fifth of the training sessions.

    `chosen` sets the weights instead.
    """

    def __init__(self, *, evaluations: int = 80, chosen: Mapping[str, float] | None = None) -> None:
        self.evaluations = evaluations
        self.chosen = chosen

    def fit(self, table: SessionTable, listeners: Sequence[int], progress: Progress = no_progress) -> Self:
        """Fit on sessions in order of time, `listeners` saying whose each is. Sets `chosen_` and `scorer_`."""
        progress(0.0, "sessions")
        self.chosen_ = {**START, **(self.chosen or {})}
        if self.chosen is None:
            self.chosen_ = self._tuned(table, listeners, progress)
        self.scorer_ = SessionScorer(table)
        progress(1.0, "fitted")
        return self

    def _tuned(self, table: SessionTable, listeners: Sequence[int], progress: Progress) -> Chosen:
        count = len(listeners)
        early = SessionTable(table.starts[: 4 * count // 5 + 1], table.items, table.artists)
        early = SessionTable(early.starts, table.items[: early.starts[-1]], table.artists)
        positions = list(_positions(early, table, listeners, progress))
        if len(positions) < FEWEST_POSITIONS:
            return dict(START)

        def objective(weights: Chosen) -> float:
            vector = np.array([weights[part] for part in PARTS])
            found = [hit_and_reciprocal(_rank(parts @ vector, target), 20) for parts, target in positions]
            return float(np.sum(found)) / len(found)

        steps = {part: Step(0.2, 0.0, 4.0) for part in PARTS}
        return climb(
            objective, START, steps, self.evaluations, lambda n: progress(0.5 + 0.5 * n / self.evaluations, "choosing")
        )[0]

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
            scores[listed] = parts @ self._weights()
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
        """Return what each part adds to a target's score; they sum to it. Raises IndexError."""
        self._check(session, history)
        listed, parts = self.scorer_.parts(session, history)
        row = parts[listed == target]
        values = (row[0] if len(row) else np.zeros(len(PARTS))) * self._weights()
        return dict(zip(PARTS, values.tolist(), strict=True))

    def _check(self, session: Sequence[int], history: Sequence[int]) -> None:
        if not all(0 <= item < self.scorer_.items for items in (session, history) for item in items):
            raise IndexError(f"items are numbered from 0 to {self.scorer_.items - 1}")

    def _weights(self) -> Doubles:
        return np.array([self.chosen_[part] for part in PARTS])


def histories(table: SessionTable, listeners: Sequence[int]) -> dict[int, list[int]]:
    """Return each listener's items in the order of their sessions."""
    found: dict[int, list[int]] = {}
    for number in range(len(table.starts) - 1):
        own = found.setdefault(listeners[number], [])
        own += table.items[table.starts[number] : table.starts[number + 1]].tolist()
    return found


def _positions(
    early: SessionTable, table: SessionTable, listeners: Sequence[int], progress: Progress
) -> Iterator[tuple[Doubles, int]]:
    """Yield what the parts say at positions of later sessions, the place of what came, -1 for unlisted."""
    scorer, known = SessionScorer(early), histories(early, listeners)
    is_known = scorer.plays > 0
    first, count = len(early.starts) - 1, 0
    for number in range(first, len(listeners)):
        items = [int(i) for i in table.items[table.starts[number] : table.starts[number + 1]] if is_known[i]]
        for place in range(1, len(items)):
            if count >= MOST_POSITIONS:
                return
            count += 1
            if count % 200 == 0:
                progress(0.5 * count / MOST_POSITIONS, "validation")
            listed, parts = scorer.parts(items[:place], known.get(listeners[number], []))
            target = np.flatnonzero(listed == items[place])
            yield parts.astype(np.float32), int(target[0]) if len(target) else -1


def _rank(scores: Doubles, target: int) -> int | None:
    return int((scores >= scores[target]).sum()) - 1 if target >= 0 and scores[target] > 0 else None
