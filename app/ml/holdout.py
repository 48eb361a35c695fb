"""Parts of the training data set aside, so that choices and figures come from data that a fit did not see."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Scores = NDArray[np.float32]

FEWEST = 5  # entries of a row from which a fifth is hidden
BLOCK = 256


def hide_fifth(
    X: sp.csr_matrix, rng: np.random.Generator, rows: NDArray[np.int64]
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Return X without a fifth of the entries of some rows, and those entries as ones."""
    hidden = np.zeros(X.nnz, dtype=bool)
    for row in rows:
        start, end = X.indptr[row], X.indptr[row + 1]
        count = max(1, (end - start) // 5)
        hidden[rng.choice(np.arange(start, end), size=count, replace=False)] = True
    return _only(X, ~hidden, X.data), _only(X, hidden, np.ones_like(X.data))


def rows_to_hide(X: sp.csr_matrix) -> NDArray[np.int64]:
    """Return the rows that have enough to hide some of it."""
    return np.flatnonzero(np.diff(X.indptr) >= FEWEST)


def _only(X: sp.csr_matrix, kept: NDArray[np.bool_], data: NDArray[np.float32]) -> sp.csr_matrix:
    found = sp.csr_matrix((np.where(kept, data, 0), X.indices.copy(), X.indptr.copy()), shape=X.shape)
    found.eliminate_zeros()
    return found


def mean_ndcg(scores: Callable[[slice], Scores], train: sp.csr_matrix, hidden: sp.csr_matrix, k: int = 20) -> float:
    """Return the NDCG of the first k over rows of `hidden`, without what `train` has of the same rows.

    `scores` returns the (rows, items) scores of a slice of rows, an array that may be changed. As
    `app.ml.metrics.ndcg_at_k`, by blocks.
    """
    count, total = hidden.shape[0], 0.0
    discount = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[np.inf], np.cumsum(discount)])
    for start in range(0, count, BLOCK):
        rows = slice(start, min(start + BLOCK, count))
        S = scores(rows)
        S[_entries(train[rows])] = -np.inf
        first = min(k, S.shape[1])
        best = np.argpartition(S, S.shape[1] - first, axis=1)[:, -first:]
        order = np.argsort(-np.take_along_axis(S, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        is_hidden = np.zeros(S.shape, dtype=bool)
        is_hidden[_entries(hidden[rows])] = True
        hits = np.take_along_axis(is_hidden, best, axis=1)
        wanted = np.minimum(np.diff(hidden[rows].indptr), k)
        total += float(((hits * discount[:first]).sum(axis=1) / ideal[wanted]).sum())
    return float(total / max(1, count))


def _entries(X: sp.csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), X.indices
