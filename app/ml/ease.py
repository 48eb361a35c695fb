"""EASE: ridge regression of each item on all others, in closed form."""

from typing import Self

import numpy as np
import scipy.sparse as sp

from app.ml.base import Recommender
from app.ml.links import cut
from app.ml.progress import Progress, no_progress
from app.ml.ridge import invert

MOST_ITEMS = 20_000  # 1.6 GB a matrix, of which two are needed


class TooManyItems(ValueError):
    """A dense matrix of items × items would not fit; the message says what to use instead."""


class EASE(Recommender):
    """B = I - P diag(1 / diag P), P = (XᵀX + `ridge` I)⁻¹, on binary X; each item keeps its `neighbours` strongest.

    Source: Steck 2019, eq. 8.
    """

    def __init__(self, *, ridge: float = 100.0, neighbours: int = 1000) -> None:
        self.ridge = ridge
        self.neighbours = neighbours

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Fit on (listeners, items) plays, of which only that there are any counts. Raises TooManyItems."""
        if X.shape[1] > MOST_ITEMS:
            raise TooManyItems(f"EASE takes {MOST_ITEMS:,} items at most, not {X.shape[1]:,}: use blend or ials")
        self.gram_ = sp.csr_matrix((X.shape[1], X.shape[1]), dtype=np.float32)
        return self.partial_fit(X, progress)

    def partial_fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Add listeners who were not there before; the same as a fit on all of them."""
        if not hasattr(self, "gram_"):
            return self.fit(X, progress)
        ones = (sp.csr_matrix(X) > 0).astype(np.float32)
        self.gram_ = (self.gram_ + ones.T @ ones).tocsr()
        popularity = self.gram_.diagonal().astype(np.float32)
        G = self.gram_.toarray()
        G[np.diag_indices(len(G))] += np.float32(self.ridge)
        P = invert(G, lambda done, step: progress(0.95 * done, step))
        P /= -np.diag(P)[None, :]
        np.fill_diagonal(P, 0.0)
        progress(1.0, "fitted")
        return self._fitted(cut(P, self.neighbours), popularity)
