"""Ridge regression between items: on all others where they are few, on each item's nearest ones where they are many."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack

from app.ml.progress import Progress

Floats = NDArray[np.float32]

BLOCK = 256
BATCH = 128  # small systems solved in one call
SMALLEST_RIDGE = 1e-3  # of σ₁²: the condition number stays under 1,000, so that float32 is enough
ROW_LINKS = 400  # of the Gram matrix kept per item, which bounds time and memory where items share most listeners


def largest_eigenvalue(G: Floats | sp.csr_matrix) -> float:
    """Return about the largest eigenvalue of a symmetric matrix without negative entries, by power iterations."""
    v = np.full(G.shape[0], G.shape[0] ** -0.5, dtype=np.float32)
    largest = 0.0
    for _ in range(20):
        v = G @ v
        largest = float(np.linalg.norm(v))
        if largest == 0:
            return 0.0
        v /= largest
    return largest


def on_all(N: sp.csr_matrix, ridge: float, diagonal: float, progress: Progress) -> Floats:
    """Return the dense (items, items) weights, zero on the diagonal, that predict each column of N from the others.

    The ridge is `ridge` σ₁² plus `diagonal` times an item's own weight. Source: EASE, Steck 2019; EDLAE, Steck 2020.
    """
    G = (N.T @ N).toarray().astype(np.float32, copy=False)
    _add_ridge(G, np.diag(G).copy(), largest_eigenvalue(G), ridge, diagonal)
    P = invert(G, progress)
    P /= -np.diag(P)[None, :]
    np.fill_diagonal(P, 0.0)
    return P


def _add_ridge(G: Floats, own: Floats, largest: float, ridge: float, diagonal: float) -> None:
    # an item that nobody played has a zero row; the one keeps the matrix invertible when all are such
    G[np.diag_indices(len(G))] += max(ridge, SMALLEST_RIDGE) * (largest or 1.0) + diagonal * own


def invert(G: Floats, progress: Progress) -> Floats:
    """Invert a symmetric positive definite matrix by Cholesky; G is overwritten.

    In two steps, so that it can be cancelled between them: each takes about a second for 5,000 items.
    """
    if not len(G):
        return G
    progress(0.0, "ridge")
    # LAPACK reads columns first: what is the lower triangle there is the upper one here, which is the same matrix
    factor, _ = lapack.spotrf(G.T, lower=1, overwrite_a=1)
    progress(0.4, "ridge")
    found, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    progress(0.9, "ridge")
    P: Floats = found.T
    for start in range(0, len(P), BLOCK):
        block = slice(start, start + BLOCK)
        P[block, :start] = P[:start, block].T
        own = P[block, block]
        own[...] = np.triu(own) + np.triu(own, 1).T
    return P


def on_neighbours(
    N: sp.csr_matrix, ridge: float, diagonal: float, shrink: float, neighbours: int, progress: Progress
) -> sp.csr_matrix:
    """Return sparse weights (items, items) that predict each column of N from its `neighbours` nearest by cosine.

    Solves (G_cc + ridge I + diagonal diag(G)) w = G_cj for each item j with neighbours c, G = NᵀN; `ridge` in units of
    the mean of diag(G), `shrink` too. Column j of the answer holds w.
    """
    items = N.shape[1]
    own = np.asarray(N.multiply(N).sum(axis=0)).ravel().astype(np.float32)
    mean = float(own[own > 0].mean()) if (own > 0).any() else 1.0
    G = _gram(N, own, shrink * mean, lambda done, step: progress(0.4 * done, step))
    added = ridge * mean + diagonal * own
    place = np.full(items, -1, dtype=np.int32)
    chosen, weights = [], []
    for start in range(0, items, BATCH):
        progress(0.4 + 0.6 * start / items, "neighbours")
        batch = range(start, min(start + BATCH, items))
        found = [_nearest(G, own, item, shrink * mean, neighbours) for item in batch]
        w = _solve(G, batch, found, added, place)
        chosen += found
        weights += [w[i, : len(c)] for i, c in enumerate(found)]
    indptr = np.concatenate([[0], np.cumsum([len(c) for c in chosen])])
    flat = np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int32)
    data = np.concatenate(weights) if weights else np.zeros(0, dtype=np.float32)
    return sp.csr_matrix((data, flat, indptr), shape=(items, items), dtype=np.float32).T.tocsr()


def _gram(N: sp.csr_matrix, own: Floats, shrink: float, progress: Progress) -> sp.csr_matrix:
    """Return NᵀN in blocks of rows, each row with its `ROW_LINKS` greatest cosines at most."""
    NT, items, blocks = N.T.tocsr(), N.shape[1], []
    for start in range(0, items, BLOCK):
        progress(start / items, "neighbours")
        S = (NT[start : start + BLOCK] @ N).tocsr()
        for row in np.flatnonzero(np.diff(S.indptr) > ROW_LINKS):
            entries = slice(S.indptr[row], S.indptr[row + 1])
            cosine = _cosine(S.data[entries], own[S.indices[entries]], own[start + row], shrink)
            S.data[entries][cosine < np.partition(cosine, -ROW_LINKS)[-ROW_LINKS]] = 0
        S.eliminate_zeros()
        blocks.append(S)
    return sp.vstack(blocks).tocsr()


def _cosine(products: Floats, theirs: Floats, mine: float, shrink: float) -> Floats:
    found: Floats = products / (np.sqrt(theirs * mine) + np.float32(shrink))
    return found


def _nearest(G: sp.csr_matrix, own: Floats, item: int, shrink: float, kept: int) -> NDArray[np.int32]:
    """Return up to `kept` items of greatest shrunken cosine, in order of their number."""
    entries = slice(G.indptr[item], G.indptr[item + 1])
    near, products = G.indices[entries], G.data[entries]
    is_other = (near != item) & (products > 0)
    near, products = near[is_other], products[is_other]
    if len(near) > kept:
        cosine = _cosine(products, own[near], own[item], shrink)
        near = near[np.argsort(-cosine, kind="stable")[:kept]]
    found: NDArray[np.int32] = np.sort(near).astype(np.int32)
    return found


def _solve(
    G: sp.csr_matrix, batch: range, found: list[NDArray[np.int32]], added: Floats, place: NDArray[np.int32]
) -> Floats:
    """Solve one system per item of the batch; smaller ones are padded with ones on the diagonal."""
    size = max(1, *(len(c) for c in found))
    A = np.zeros((len(batch), size, size), dtype=np.float32)
    b = np.zeros((len(batch), size, 1), dtype=np.float32)
    diagonal = np.arange(size)
    for i, (item, near) in enumerate(zip(batch, found, strict=True)):
        count = len(near)
        place[near] = np.arange(count, dtype=np.int32)
        rows = G[near]
        column = place[rows.indices]
        kept = np.flatnonzero(column >= 0)
        line = np.repeat(np.arange(0, count * size, size, dtype=np.int32), np.diff(rows.indptr))
        A[i].reshape(-1)[line[kept] + column[kept]] = rows.data[kept]
        mine = slice(G.indptr[item], G.indptr[item + 1])
        where = place[G.indices[mine]]
        b[i, where[where >= 0], 0] = G.data[mine][where >= 0]
        A[i, diagonal[:count], diagonal[:count]] += added[near]
        A[i, diagonal[count:], diagonal[count:]] = 1
        place[near] = -1
    # cut rows may have dropped one of two equal entries
    solved: Floats = np.linalg.solve(np.maximum(A, A.transpose(0, 2, 1)), b)[:, :, 0]
    return solved
