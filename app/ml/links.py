"""Links between items, in two parts that are weighed against each other: ridge regression, and smooth directions."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.progress import Progress
from app.ml.ridge import on_all, on_neighbours
from app.ml.spectral import add_product, smooth_links

Floats = NDArray[np.float32]

DEGREE_POWER = 0.2  # of listeners and items, by their number of entries
SMOOTH_POWER = 0.3  # of items there: a step more against the popular ones, whose direction is the strongest of all
DIAGONAL, RIDGE, LOCAL_RIDGE, SHRINK = 0.3, 0.4, 10.0, 0.5  # see `on_all` and `on_neighbours`
DIRECTIONS = 96
SAMPLE = 200  # rows on which the parts are brought to one scale


class Links:
    """Both parts, fitted on (rows, items) play weights; the smooth one is there for items few enough to be dense.

    Each is scaled so that the scores of the rows it was fitted on have the standard deviation 1, so that weights mean
    the same whatever the data.
    """

    def __init__(self, W: sp.csr_matrix, *, dense_items: int, candidates: int, progress: Progress) -> None:
        self.ridge: Floats | sp.csr_matrix
        self.smooth: tuple[Floats, Floats] | None = None
        N = _normalised(W, DEGREE_POWER)
        before = _degrees(W, DEGREE_POWER)
        if W.shape[1] <= dense_items:
            self.ridge = on_all(N, RIDGE, DIAGONAL, lambda done, step: progress(0.7 * done, step))
            self.ridge *= before[:, None]
            self.smooth = smooth_links(
                _normalised(W, SMOOTH_POWER), _degrees(W, SMOOTH_POWER), DIRECTIONS,
                lambda done, step: progress(0.7 + 0.3 * done, step),
            )  # fmt: skip
        else:
            B = on_neighbours(N, LOCAL_RIDGE, DIAGONAL, SHRINK, candidates, progress)
            self.ridge = (sp.diags(before) @ B).tocsr().astype(np.float32)
        linked, smooth = self.scores(sample(W))
        self.ridge *= np.float32(1 / (spread(linked)))
        if self.smooth is not None and smooth is not None:
            left, right = self.smooth
            self.smooth = left * np.float32(1 / spread(smooth)), right

    def operator(self, ridge: float, smooth: float) -> Floats | sp.csr_matrix:
        """Return the weighted sum of both parts, (items, items). Changes the ridge part."""
        self.ridge *= np.float32(ridge)
        if self.smooth is not None and smooth:
            left, right = self.smooth
            add_product(self.ridge, left * np.float32(smooth), right)
        return self.ridge

    def scores(self, profiles: sp.csr_matrix) -> tuple[Floats, Floats | None]:
        """Return the (rows, items) scores of profiles by each part of weight 1."""
        product = profiles @ self.ridge
        linked: Floats = product.toarray() if sp.issparse(product) else np.asarray(product)
        if self.smooth is None:
            return linked.astype(np.float32, copy=False), None
        left, right = self.smooth
        return linked.astype(np.float32, copy=False), ((profiles @ left) @ right.T).astype(np.float32, copy=False)


def sample(W: sp.csr_matrix) -> sp.csr_matrix:
    """Return some rows, evenly spread."""
    return W[:: max(1, W.shape[0] // SAMPLE)]


def spread(scores: Floats) -> float:
    """Return the standard deviation of scores, one where there is none."""
    return float(scores.std(dtype=np.float64)) or 1.0


def cut(B: Floats | sp.csr_matrix, kept: int) -> sp.csr_matrix:
    """Return the `kept` entries of greatest size of each row, sorted. Changes B."""
    found = _strongest_sparse(B, kept) if sp.issparse(B) else _strongest_dense(B, kept)
    found.eliminate_zeros()
    found.sort_indices()
    return found.astype(np.float32)


def _normalised(W: sp.csr_matrix, power: float) -> sp.csr_matrix:
    rows = (np.maximum(np.diff(W.indptr), 1) ** -DEGREE_POWER).astype(np.float32)
    return (sp.diags(rows) @ W @ sp.diags(_degrees(W, power))).tocsr()


def _degrees(W: sp.csr_matrix, power: float) -> Floats:
    return (np.maximum(np.bincount(W.indices, minlength=W.shape[1]), 1) ** -power).astype(np.float32)


def _strongest_dense(B: Floats, kept: int) -> sp.csr_matrix:
    items = B.shape[0]
    if kept < items:
        for start in range(0, items, 512):
            block = B[start : start + 512]
            sizes = np.abs(block)
            block[sizes < np.partition(sizes, items - kept, axis=1)[:, items - kept, None]] = 0
    return sp.csr_matrix(B)


def _strongest_sparse(B: sp.csr_matrix, kept: int) -> sp.csr_matrix:
    for row in np.flatnonzero(np.diff(B.indptr) > kept):
        data = B.data[B.indptr[row] : B.indptr[row + 1]]
        data[np.abs(data) < np.partition(np.abs(data), -kept)[-kept]] = 0
    return B
