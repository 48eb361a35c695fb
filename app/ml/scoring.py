"""Answers from a fitted operator: recommend, explain, similar. numpy only, on arrays that may be memory-mapped."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Scorer:
    """The item–item operator in CSR form (row = item played, column = item scored) and each item's listeners."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]
    popularity: NDArray[np.float32]

    @property
    def items(self) -> int:
        return len(self.indptr) - 1

    def scores(self, items: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
        """Return the (items,) scores of a profile: the weighted sum of its items' rows. Sets aside nothing."""
        played, factors = np.asarray(items, dtype=np.int64), np.asarray(weights, dtype=np.float64)
        starts, ends = self.indptr[played], self.indptr[played + 1]
        lengths = ends - starts
        if not lengths.sum():
            return np.zeros(self.items)
        ranges = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
        parts = self.data[ranges] * np.repeat(factors, lengths)
        return np.bincount(self.indices[ranges], weights=parts, minlength=self.items).astype(np.float64, copy=False)

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
        played, factors = np.asarray(items, dtype=np.int64), np.asarray(weights, dtype=np.float64)
        return np.array([self._link(i, target) for i in played]) * factors if len(played) else np.zeros(0)

    def _link(self, item: int, target: int) -> float:
        start, end = self.indptr[item], self.indptr[item + 1]
        place = start + np.searchsorted(self.indices[start:end], target)
        return float(self.data[place]) if place < end and self.indices[place] == target else 0.0

    def similar(self, item: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the items that a play of this one speaks for most."""
        return self.recommend([item], [1.0], n, excluded=[item])

    def popular(self, n: int, *, excluded: ArrayLike = ()) -> NDArray[np.int64]:
        """Return the items with most listeners."""
        counts = self.popularity.astype(np.float64)
        counts[np.asarray(excluded, dtype=np.int64)] = -np.inf
        return best(counts, n)[0]


def scorer_of(B: Any, popularity: NDArray[np.float32]) -> Scorer:
    """Return the scorer of a scipy CSR operator."""
    return Scorer(
        B.indptr.astype(np.int64), B.indices.astype(np.int32), B.data.astype(np.float32), popularity.astype(np.float32)
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
