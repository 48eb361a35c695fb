"""Answers from a fitted model: recommend, explain, similar. numpy only, on arrays that may be memory-mapped."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.ml.factors import Factors


@dataclass(frozen=True)
class Scorer:
    """The item–item operator in CSR form (row = item played, column = item scored) and each item's listeners.

    With `factors` a listener's score is the operator's plus theirs.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32] | NDArray[np.float16]
    popularity: NDArray[np.float32]
    factors: Factors | None = None

    @property
    def items(self) -> int:
        return len(self.indptr) - 1

    def scores(self, items: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
        """Return the (items,) scores of a profile. Sets aside nothing."""
        played, factors = np.asarray(items, dtype=np.int64), np.asarray(weights, dtype=np.float64)
        found: NDArray[np.float64] = self._linked(played, factors)
        if self.factors is not None and len(played):
            found = found + self.factors.scores(played, factors)
        return found

    def _linked(self, played: NDArray[np.int64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted sum of the profile's rows."""
        links, lengths = self._links(played)
        if not len(links):
            return np.zeros(self.items)
        parts = self.data[links].astype(np.float32, copy=False) * np.repeat(factors, lengths)
        summed = np.bincount(self.indices[links], weights=parts, minlength=self.items)
        found: NDArray[np.float64] = summed.astype(np.float64, copy=False)
        return found

    def _links(self, played: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where the rows of these items lie in `indices` and `data`, one after the other, and their lengths."""
        starts = self.indptr[played]
        lengths = self.indptr[played + 1] - starts
        before = np.cumsum(lengths) - lengths
        return np.repeat(starts - before, lengths) + np.arange(lengths.sum()), lengths

    def recommend(
        self, items: ArrayLike, weights: ArrayLike, n: int, *, excluded: ArrayLike = ()
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return up to `n` items with positive scores, best first, and their scores; ties by item number.

        `excluded` are left out; whether a profile's own items are is the caller's choice.
        """
        scores = self.scores(items, weights)
        scores[np.asarray(excluded, dtype=np.int64)] = -np.inf
        return best(scores, n)

    def explain(self, items: ArrayLike, weights: ArrayLike, target: int) -> NDArray[np.float64]:
        """Return the signed contribution of each of the profile's items; they sum to the target's score."""
        found: NDArray[np.float64] = self.contributions(items, weights, [target])[0]
        return found

    def contributions(self, items: ArrayLike, weights: ArrayLike, targets: ArrayLike) -> NDArray[np.float64]:
        """Return (targets, items): what each item of a profile adds to each target's score; rows sum to the scores."""
        played, wanted = np.asarray(items, dtype=np.int64), np.asarray(targets, dtype=np.int64)
        factors = np.asarray(weights, dtype=np.float64)
        distinct, row_of = np.unique(wanted, return_inverse=True)
        rows = np.full(self.items, -1, dtype=np.int64)
        rows[distinct] = np.arange(len(distinct))
        links, lengths = self._links(played)
        to = rows[self.indices[links]]
        is_asked = to >= 0
        place = np.repeat(np.arange(len(played)), lengths)[is_asked]
        found = np.zeros((len(distinct), len(played)))
        found[to[is_asked], place] = self.data[links[is_asked]] * factors[place]
        found = found[row_of]
        if self.factors is not None and len(played):
            found += self.factors.contributions(played, factors, wanted)
        return found

    def similar(self, item: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the items that a play of this one speaks for most."""
        return self.recommend([item], [1.0], n, excluded=[item])

    def popular(self, n: int, *, excluded: ArrayLike = ()) -> NDArray[np.int64]:
        """Return the items with most listeners."""
        counts = self.popularity.astype(np.float64)
        counts[np.asarray(excluded, dtype=np.int64)] = -np.inf
        return best(counts, n)[0]


def scorer_of(B: Any, popularity: NDArray[np.float32], factors: Factors | None = None) -> Scorer:
    """Return the scorer of a scipy CSR operator, with factors where there are any."""
    return Scorer(
        B.indptr.astype(np.int64),
        B.indices.astype(np.int32),
        B.data.astype(np.float32),
        popularity.astype(np.float32),
        factors,
    )


def best(scores: NDArray[np.float64], n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the `n` greatest positive scores with their places, best first, ties by place."""
    places = np.flatnonzero(scores > 0)
    if 0 < n < len(places):
        positive = scores[places]
        # not np.partition: it takes 30 ms for 50,000 scores of which most are equal, a sort takes one
        places = places[positive >= np.sort(positive)[-n]]
    order = places[np.lexsort((places, -scores[places]))][:n]
    return order, scores[order]
