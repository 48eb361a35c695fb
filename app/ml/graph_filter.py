"""GF-CF: a linear filter of the item graph plus an ideal low-pass."""

from typing import Self

import numpy as np
import scipy.sparse as sp

from app.ml.base import Recommender, listeners_of
from app.ml.ease import MOST_ITEMS, TooManyItems
from app.ml.links import cut
from app.ml.progress import Progress, no_progress
from app.ml.spectral import add_product, strongest_directions


class GraphFilter(Recommender):
    """B = R̃ᵀR̃ + `low_pass` D^-½ V Vᵀ D^½, R̃ the matrix scaled by degrees^-½, V its `directions` strongest.

    Source: Shen et al. 2021, eq. 14.
    """

    def __init__(self, *, directions: int = 128, low_pass: float = 0.3, neighbours: int = 400) -> None:
        self.directions = directions
        self.low_pass = low_pass
        self.neighbours = neighbours

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Fit on (listeners, items) plays, of which only that there are any counts. Raises TooManyItems."""
        items = X.shape[1]
        if items > MOST_ITEMS:
            raise TooManyItems(f"the graph filter takes {MOST_ITEMS:,} items at most, not {items:,}")
        ones = (sp.csr_matrix(X) > 0).astype(np.float32)
        popularity = listeners_of(ones)
        listeners, degrees = np.maximum(np.diff(ones.indptr), 1), np.maximum(popularity, 1)
        N = (sp.diags(listeners**-0.5) @ ones @ sp.diags(degrees**-0.5)).tocsr().astype(np.float32)
        B = (N.T @ N).toarray()
        count = min(self.directions, min(N.shape) - 1)
        if count > 0 and self.low_pass and N.nnz:
            _, V = strongest_directions(N, count, lambda done, step: progress(0.9 * done, step))
            left = np.float32(self.low_pass) * (degrees**-0.5)[:, None] * V
            add_product(B, left.astype(np.float32), (degrees**0.5).astype(np.float32)[:, None] * V)
        np.fill_diagonal(B, 0.0)
        progress(1.0, "fitted")
        return self._fitted(cut(B, self.neighbours), popularity)
