"""Which of several listed items comes next, from what several parts say of each. Source: McFadden 1974.

The probability of an item is the softmax, over all that are listed, of a weighted sum of its `part_features`.
"""

from collections.abc import Iterable
from typing import Self

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator

from app.ml.part_features import Doubles, Floats, features

Position = tuple[Floats, int]  # what the parts say (items, parts), 0 for unlisted, and the row that came, -1 for none

ITERATIONS = 200
FEWEST_POSITIONS = 50


class ConditionalLogit(BaseEstimator):  # type: ignore[misc]
    """Weights of the features, standardised, by maximum likelihood with a normal prior of some `precision`.

    The precision is that under which positions that were left out are likeliest, see docs/recommender.md. So a few
    hundred positions are not learned by heart, and thousands have their say.
    To fit, a position with more items is cut to what came, the `most` that most speaks for and `drawn` others.
    """

    def __init__(self, *, precision: float = 100.0, most: int = 300, drawn: int = 100, seed: int = 0) -> None:
        self.precision = precision
        self.most = most
        self.drawn = drawn
        self.seed = seed

    def fit(self, positions: Iterable[Position]) -> Self:
        """Fit on positions of which something listed came; the others teach nothing. Sets `coef_` and `positions_`.

        Raises ValueError where there is none.
        """
        draw = np.random.default_rng(self.seed)
        kept = [self._cut(features(values), came, draw) for values, came in positions if came >= 0]
        self.positions_ = len(kept)
        if not kept:
            raise ValueError("nothing that was listed came at any position")
        X = np.vstack([rows for rows, _ in kept])
        lengths = np.array([len(rows) for rows, _ in kept])
        starts = np.cumsum(lengths) - lengths
        came = starts + [row for _, row in kept]
        scale = X.std(axis=0) + np.float32(1e-6)
        X /= scale
        of = np.repeat(np.arange(len(kept)), lengths)

        def loss(weights: Doubles) -> tuple[float, Doubles]:
            scores = X @ weights.astype(np.float32)
            scores -= np.maximum.reduceat(scores, starts)[of]
            odds = np.exp(scores)
            total = np.add.reduceat(odds, starts)
            lost = float(np.log(total).sum() - scores[came].sum())
            value = lost + self.precision * float(weights @ weights) / 2
            slope = (odds / total[of]) @ X - X[came].sum(axis=0)
            return value, slope.astype(np.float64) + self.precision * weights

        found = minimize(loss, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
        self.coef_: Doubles = found.x / scale
        return self

    def told_by(self, positions: Iterable[Position]) -> bool:
        """Fit, and say whether there were enough positions for the weights to mean something."""
        try:
            self.fit(positions)
        except ValueError:
            return False
        return self.positions_ >= FEWEST_POSITIONS

    def probabilities(self, values: Floats) -> Doubles:
        """Return the probability (items,) of each item to be the next, of those that are listed."""
        scores = features(values) @ self.coef_
        odds = np.exp(scores - scores.max(initial=-np.inf))
        found: Doubles = odds / odds.sum()
        return found

    def _cut(self, rows: Floats, came: int, draw: np.random.Generator) -> tuple[Floats, int]:
        if len(rows) <= self.most + self.drawn:
            return rows, came
        spoken_for = np.argsort(-rows[:, : 2 * rows.shape[1] // 3].sum(axis=1), kind="stable")[: self.most]
        kept = np.unique(np.concatenate([spoken_for, draw.integers(0, len(rows), self.drawn), [came]]))
        return rows[kept], int(np.searchsorted(kept, came))
