"""Item-kNN: each item's nearest by shrunken cosine between their listeners."""

from typing import Self

import numpy as np
import scipy.sparse as sp

from app.ml.base import Recommender
from app.ml.links import cut
from app.ml.progress import Progress, no_progress


class ItemKNN(Recommender):
    """Links are co-listeners / (√(d_i d_j) + `shrink`), the `neighbours` greatest of each item.

    Source: Sarwar et al. 2001; the shrinkage, Bell & Koren 2007.
    """

    def __init__(self, *, neighbours: int = 200, shrink: float = 3.0) -> None:
        self.neighbours = neighbours
        self.shrink = shrink

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Fit on (listeners, items) plays, of which only that there are any counts."""
        self.gram_ = sp.csr_matrix((X.shape[1], X.shape[1]), dtype=np.float32)
        return self.partial_fit(X, progress)

    def partial_fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Add listeners who were not there before; the same as a fit on all of them."""
        if not hasattr(self, "gram_"):
            return self.fit(X, progress)
        progress(0.0, "neighbours")
        ones = (sp.csr_matrix(X) > 0).astype(np.float32)
        self.gram_ = (self.gram_ + ones.T @ ones).tocsr()
        degrees = self.gram_.diagonal()
        B = self.gram_.tocoo()
        links = B.data / (np.sqrt(degrees[B.row] * degrees[B.col]) + np.float32(self.shrink))
        links[B.row == B.col] = 0
        found = sp.csr_matrix((links.astype(np.float32), (B.row, B.col)), shape=B.shape)
        progress(1.0, "fitted")
        return self._fitted(cut(found, self.neighbours), degrees.astype(np.float32))
