"""The baseline every model must beat: what most listeners played."""

from typing import Self

import scipy.sparse as sp

from app.ml.base import Recommender, listeners_of
from app.ml.progress import Progress, no_progress


class Popularity(Recommender):
    """Recommends the items with most listeners to everybody."""

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Count listeners per item of the (listeners, items) matrix."""
        progress(1.0, "counted")
        return self._fitted(sp.csr_matrix((X.shape[1], X.shape[1]), dtype="float32"), listeners_of(X))

    def partial_fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Add listeners who were not there before; the same as a fit on all of them."""
        before = getattr(self, "popularity_", 0)
        self.fit(X, progress)
        return self._fitted(self.B_, self.popularity_ + before)
