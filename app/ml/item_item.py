"""An item–item model: one sparse operator B, so that a listener's scores are a sum over what they played.

Linear on purpose: a new play changes the next answer without a fit, and every score says which plays it came from.
"""

from collections.abc import Callable
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack
from sklearn.base import BaseEstimator

from app.ml.interactions import weighted

Progress = Callable[[float, str], None]


def no_progress(_fraction: float, _step: str) -> None:
    """Report to nobody."""


class ItemItem(BaseEstimator):  # type: ignore[misc]
    """Ridge regression between items where they are few, cosine neighbours where they are many.

    Up to `dense_items`: EASE (Steck 2019) on D_u^-a X D_i^-a with play weights, the ridge growing with an item's own
    weight (as EDLAE, Steck 2020), scores × D_i^-`item_power`. Beyond: cosine neighbours of listener-normalised rows.
    Each item keeps its `neighbours` strongest links.
    """

    def __init__(
        self,
        *,
        neighbours: int = 300,
        dense_items: int = 5000,
        ridge: float = 0.1,
        diagonal: float = 0.3,
        degree_power: float = 0.2,
        item_power: float = 0.0,
        shrink: float = 1.0,
        cosine_power: float = 1.5,
        seed: int = 0,
    ) -> None:
        self.neighbours = neighbours
        self.dense_items = dense_items
        self.ridge = ridge
        self.diagonal = diagonal
        self.degree_power = degree_power
        self.item_power = item_power
        self.shrink = shrink
        self.cosine_power = cosine_power
        self.seed = seed

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress, *, is_weighted: bool = False) -> Self:
        """Fit on (rows, items) plays; rows are listeners, and sessions where wanted.

        `is_weighted` says that X holds weights already. `progress` is called between steps and may raise to cancel.
        Sets `B_` (items, items), row = the item played, column = the item scored; and `popularity_` (items,).
        """
        progress(0.0, "weights")
        W = (X if is_weighted else weighted(X)).astype(np.float32)
        self.popularity_ = np.asarray((X > 0).sum(axis=0)).ravel().astype(np.float32)
        normalised, scale = self._normalised(W)
        B = self._ridge(normalised, progress) if X.shape[1] <= self.dense_items else self._cosine(normalised, progress)
        progress(0.9, "links")
        self.B_ = self._scaled(B, scale)
        progress(1.0, "fitted")
        return self

    def _normalised(self, W: sp.csr_matrix) -> tuple[sp.csr_matrix, NDArray[np.float32]]:
        rows = np.maximum(np.diff(W.indptr), 1) ** -self.degree_power
        columns = np.maximum(np.asarray((W > 0).sum(axis=0)).ravel(), 1) ** -self.degree_power
        scale = columns.astype(np.float32)
        return (sp.diags(rows.astype(np.float32)) @ W @ sp.diags(scale)).tocsr(), scale

    def _ridge(self, N: sp.csr_matrix, progress: Progress) -> sp.csr_matrix:
        items = N.shape[1]
        if items == 0 or N.nnz == 0:
            return sp.csr_matrix((items, items), dtype=np.float32)
        G = (N.T @ N).toarray().astype(np.float64)
        progress(0.2, "ridge")
        own = np.diag(G).copy()
        # ‖G‖ by a few power iterations sets the scale of the ridge, so that one constant fits data of any size
        v = np.ones(items) / np.sqrt(items)
        for _ in range(20):
            v = G @ v
            v /= np.linalg.norm(v) or 1.0
        largest = float(v @ (G @ v))
        G[np.diag_indices(items)] += self.ridge * largest + self.diagonal * own + 1e-6
        P = _inverse(G)
        progress(0.7, "links")
        B = -P / np.diag(P)[None, :]
        np.fill_diagonal(B, 0.0)
        return _strongest_dense(B.astype(np.float32), self.neighbours)

    def _cosine(self, N: sp.csr_matrix, progress: Progress) -> sp.csr_matrix:
        items = N.shape[1]
        NT = N.T.tocsr()
        norms = np.sqrt(np.maximum(np.asarray(NT.multiply(NT).sum(axis=1)).ravel(), 1e-12)).astype(np.float32)
        shrink = self.shrink * float(np.median(norms) ** 2)
        block, found = 500, []
        for start in range(0, items, block):
            progress(0.1 + 0.8 * start / items, "neighbours")
            S = (NT[start : start + block] @ N).tocsr()
            rows = np.repeat(np.arange(S.shape[0]), np.diff(S.indptr))
            S.data = S.data / (norms[start + rows] * norms[S.indices] + shrink)
            S.data[S.indices == start + rows] = 0
            S.data = np.maximum(S.data, 0) ** self.cosine_power
            found.append(_strongest_sparse(S, self.neighbours))
        return sp.vstack(found).tocsr()

    def _scaled(self, B: sp.csr_matrix, scale: NDArray[np.float32]) -> sp.csr_matrix:
        """Take the scales of the fit into B, so that a query is plain weights; favour the less popular a little."""
        out = np.maximum(self.popularity_, 1) ** -self.item_power
        scaled = (sp.diags(scale) @ B @ sp.diags(out.astype(np.float32))).tocsr().astype(np.float32)
        scaled.eliminate_zeros()
        scaled.sort_indices()
        return scaled


def _inverse(G: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert a positive definite matrix by its Cholesky factor: half the work of a general inverse."""
    factor, failed = lapack.dpotrf(G, lower=True, overwrite_a=True)
    inverse, singular = lapack.dpotri(factor, lower=True, overwrite_c=True)
    if failed or singular:
        raise np.linalg.LinAlgError("the ridge left the Gram matrix singular")
    lower: NDArray[np.float64] = np.tril(inverse)
    return lower + np.tril(lower, -1).T


def _strongest_dense(B: NDArray[np.float32], kept: int) -> sp.csr_matrix:
    """Keep each row's entries of greatest size."""
    items = B.shape[0]
    if kept >= items:
        return sp.csr_matrix(B)
    threshold = np.partition(np.abs(B), items - kept, axis=1)[:, items - kept]
    B[np.abs(B) < threshold[:, None]] = 0
    return sp.csr_matrix(B)


def _strongest_sparse(S: sp.csr_matrix, kept: int) -> sp.csr_matrix:
    for row in range(S.shape[0]):
        data = S.data[S.indptr[row] : S.indptr[row + 1]]
        if len(data) > kept:
            data[data < np.partition(data, len(data) - kept)[len(data) - kept]] = 0
    S.eliminate_zeros()
    return S
