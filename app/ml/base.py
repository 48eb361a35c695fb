"""The form that every recommender has, and what all of them answer alike."""

from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from app.ml.factors import Factors
from app.ml.interactions import profile_weights
from app.ml.progress import Progress, no_progress
from app.ml.scoring import Scorer, scorer_of


def listeners_of(X: sp.csr_matrix) -> NDArray[np.float32]:
    """Return how many listeners played each item."""
    found: NDArray[np.float32] = np.asarray((X > 0).sum(axis=0)).ravel().astype(np.float32)
    return found


class Recommender(BaseEstimator):  # type: ignore[misc]
    """A model that is fitted on (listeners, items) plays and then answers for any history.

    A fit sets `B_` (items, items), row = the item played, column = the item scored; `popularity_` (items,), and
    `factors_` where there are any. Parameters are those of the constructor, as scikit-learn has it.
    """

    B_: sp.csr_matrix
    popularity_: NDArray[np.float32]
    factors_: Factors | None
    scorer_: Scorer

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Fit on (listeners, items) plays."""
        raise NotImplementedError

    def _fitted(self, B: sp.csr_matrix, popularity: NDArray[np.float32], factors: Factors | None = None) -> Self:
        """Keep what a fit found. `scorer_` is what answers, as it is written to an artefact and served."""
        self.B_, self.popularity_, self.factors_ = B, popularity, factors
        self.scorer_ = scorer_of(B, popularity, factors)
        return self

    def recommend(
        self, items: ArrayLike, plays: ArrayLike | None = None, n: int = 20, *, has_known: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return up to `n` items for a history, best first, and their scores.

        Popular items, of score 0, fill the list where the history says too little. The history's own items are left
        out unless `has_known`. Raises IndexError for an item that the fit has not seen.
        """
        own = self._checked(items)
        weights = profile_weights(np.ones(len(own)) if plays is None else plays)
        excluded = own[:0] if has_known else own
        found, scores = self.scorer_.recommend(own, weights, n, excluded=excluded)
        if len(found) < n:
            rest = self.scorer_.popular(n - len(found), excluded=np.concatenate([excluded, found]))
            found, scores = np.concatenate([found, rest]), np.concatenate([scores, np.zeros(len(rest))])
        return found, scores

    def similar_items(self, item: int, n: int = 20) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the items that a play of this one speaks for most, and how much. Raises IndexError."""
        return self.scorer_.similar(int(self._checked([item])[0]), n)

    def explain(self, items: ArrayLike, target: int, plays: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return what each item of a history adds to the target's score; the parts sum to it. Raises IndexError."""
        own = self._checked(items)
        weights = profile_weights(np.ones(len(own)) if plays is None else plays)
        return self.scorer_.explain(own, weights, int(self._checked([target])[0]))

    def _checked(self, items: ArrayLike) -> NDArray[np.int64]:
        found = np.asarray(items, dtype=np.int64).reshape(-1)
        if len(found) and not 0 <= int(found.min()) <= int(found.max()) < len(self.popularity_):
            raise IndexError(f"items are numbered from 0 to {len(self.popularity_) - 1}")
        return found
