"""An item–item model: one sparse operator B, so that a listener's scores are a sum over what they played.

Linear on purpose: a new play changes the next answer without a fit, and every score says which plays it came from.
"""

from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.base import Recommender, listeners_of
from app.ml.interactions import weighted
from app.ml.links import cut
from app.ml.progress import Progress, no_progress
from app.ml.ridge import on_all, on_neighbours
from app.ml.spectral import add_smooth_links


class ItemItem(Recommender):
    """Ridge regression between items: on all of them up to `dense_items`, beyond on each one's `candidates` nearest.

    The rows are play weights scaled by D_u^-`degree_power` and D_i^-`degree_power` (listeners and items by their
    number of entries), scores are × D_i^-`item_power`. `ridge` and `diagonal` are those of `on_all`, which is blended
    with `smooth` times `directions` of `add_smooth_links`; `local_ridge`, `diagonal` and `shrink` are those of
    `on_neighbours`. Each item keeps its `neighbours` strongest links.
    Defaults chosen by NDCG@20 on a fifth of the training entries of public listening data.
    """

    def __init__(
        self,
        *,
        neighbours: int = 300,
        dense_items: int = 5000,
        ridge: float = 0.4,
        diagonal: float = 0.3,
        degree_power: float = 0.2,
        item_power: float = 0.0,
        directions: int = 96,
        smooth: float = 0.8,
        candidates: int = 120,
        local_ridge: float = 10.0,
        shrink: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.neighbours = neighbours
        self.dense_items = dense_items
        self.ridge = ridge
        self.diagonal = diagonal
        self.degree_power = degree_power
        self.item_power = item_power
        self.directions = directions
        self.smooth = smooth
        self.candidates = candidates
        self.local_ridge = local_ridge
        self.shrink = shrink
        self.seed = seed

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress, *, is_weighted: bool = False) -> Self:
        """Fit on (rows, items) plays; rows are listeners, and sessions where wanted.

        `is_weighted` says that X holds weights already. `progress` is called between steps, every half second or so,
        and may raise to cancel. The same input gives the same bits, on one thread of linear algebra.
        Sets `B_` (items, items), row = the item played, column = the item scored; and `popularity_` (items,).
        """
        progress(0.0, "weights")
        X = sp.csr_matrix(X, dtype=np.float32)
        self.popularity_ = listeners_of(X)
        W = X if is_weighted else weighted(X)
        progress(0.02, "weights")
        links = self._dense if X.shape[1] <= self.dense_items else self._sparse
        empty = sp.csr_matrix((X.shape[1], X.shape[1]), dtype=np.float32)
        B = links(W, lambda done, step: progress(0.02 + 0.9 * done, step)) if W.nnz else empty
        progress(1.0, "fitted")
        return self._fitted(B, self.popularity_)

    def _normalised(self, W: sp.csr_matrix, power: float) -> sp.csr_matrix:
        rows = (np.maximum(np.diff(W.indptr), 1) ** -self.degree_power).astype(np.float32)
        return (sp.diags(rows) @ W @ sp.diags(self._degrees(power))).tocsr()

    def _degrees(self, power: float) -> NDArray[np.float32]:
        return (np.maximum(self.popularity_, 1) ** -power).astype(np.float32)

    def _dense(self, W: sp.csr_matrix, progress: Progress) -> sp.csr_matrix:
        power = self.degree_power
        B = on_all(self._normalised(W, power), self.ridge, self.diagonal, lambda done, step: progress(0.7 * done, step))
        B *= self._degrees(power)[:, None]
        # a step more against the popular items: their direction is the strongest of all
        add_smooth_links(
            B,
            self._normalised(W, power + 0.1),
            self._degrees(power + 0.1),
            directions=self.directions,
            weight=self.smooth,
            progress=lambda done, step: progress(0.7 + 0.3 * done, step),
        )
        B *= self._degrees(self.item_power)[None, :]
        return cut(B, self.neighbours)

    def _sparse(self, W: sp.csr_matrix, progress: Progress) -> sp.csr_matrix:
        N = self._normalised(W, self.degree_power)
        B = on_neighbours(N, self.local_ridge, self.diagonal, self.shrink, self.candidates, progress)
        before, after = sp.diags(self._degrees(self.degree_power)), sp.diags(self._degrees(self.item_power))
        return cut((before @ B @ after).tocsr(), self.neighbours)
