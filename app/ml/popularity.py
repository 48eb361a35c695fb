"""The baseline every model must beat: what most listeners played."""

from typing import Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from app.ml.progress import Progress, no_progress


class Popularity(BaseEstimator):  # type: ignore[misc]
    """Recommends the items with most listeners to everybody."""

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Count listeners per item of the (listeners, items) matrix."""
        self.popularity_ = np.asarray((X > 0).sum(axis=0)).ravel().astype(np.float32)
        self.B_ = sp.csr_matrix((X.shape[1], X.shape[1]), dtype=np.float32)
        progress(1.0, "counted")
        return self
