"""Weighted matrix factorisation by alternating least squares (iALS), each row a small system."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.factors import LEAST, Factors
from app.ml.progress import Progress

Floats = NDArray[np.float32]

ENTRIES = 1_000_000  # of a batch's gathered factors: 4 MB, which stays in the cache
PADDED = 1.15  # a batch's longest row over its shortest: the shorter ones are padded with entries of no weight
FIRST_SIZE = 0.3  # of a row of the first factors, which are random


@dataclass(frozen=True)
class AlsParameters:
    """What a factorisation is fitted with.

    Minimises Σ_observed w_ui (x_u·y_i - 1)² + `unobserved` Σ_all (x_u·y_i)² + `ridge` ‖·‖², where w_ui is the entry's
    play weight to `plays_power`, × (d_u / mean)^-`listener_power` × (d_i / mean)^-`item_power`, d the number of
    entries of a row or a column. Scores are × d_i^-`obscurity`.
    """

    factors: int = 128
    iterations: int = 6
    unobserved: float = 0.03
    ridge: float = 2.5
    listener_power: float = 0.2
    item_power: float = 0.2
    plays_power: float = 1.0
    obscurity: float = 0.1
    seed: int = 0


def factorise(W: sp.csr_matrix, chosen: AlsParameters, progress: Progress) -> Factors:
    """Fit the factors of the items of (rows, items) play weights, ready to fold any row in.

    Sources: Hu, Koren & Volinsky 2008; the dense part as a term of its own, Rendle et al. 2021.
    """
    entries, degrees = np.diff(W.indptr), np.bincount(W.indices, minlength=W.shape[1])
    mean_entries = float(entries[entries > 0].mean()) if W.nnz else 1.0
    mean_degree = float(degrees[degrees > 0].mean()) if W.nnz else 1.0
    item_weight = ((np.maximum(degrees, 1) / mean_degree) ** -chosen.item_power).astype(np.float32)
    confidence = _confidence(W, item_weight, mean_entries, chosen.listener_power, chosen.plays_power)
    confidence_T = confidence.T.tocsr()
    rng = np.random.default_rng(chosen.seed)
    first = FIRST_SIZE / np.sqrt(chosen.factors)
    Y = (rng.standard_normal((W.shape[1], chosen.factors)) * first).astype(np.float32)
    for step in range(chosen.iterations):
        progress(step / chosen.iterations, "factors")
        Z, D = _diagonal(Y, chosen)
        Z, D = _diagonal(solve_rows(confidence, Z, D), chosen)
        progress((step + 0.5) / chosen.iterations, "factors")
        Y = solve_rows(confidence_T, Z, D)
    vectors, dense = _diagonal(Y, chosen)
    scale = (np.maximum(degrees, 1) ** -chosen.obscurity).astype(np.float32)
    return Factors(vectors, dense, item_weight, scale, chosen.listener_power, mean_entries, chosen.plays_power)


def fold_rows(factors: Factors, W: sp.csr_matrix) -> Floats:
    """Return the (rows, f) factors of many rows of play weights, as `Factors.scores` finds one listener's."""
    confidence = _confidence(W, factors.item_weight, factors.mean_entries, factors.listener_power, factors.plays_power)
    return solve_rows(confidence, factors.vectors, factors.dense)


def _confidence(
    W: sp.csr_matrix, item_weight: Floats, mean_entries: float, listener_power: float, plays_power: float
) -> sp.csr_matrix:
    entries = np.diff(W.indptr)
    row_weight = (np.maximum(entries, 1) / mean_entries) ** -listener_power
    data = np.maximum(W.data, LEAST) ** plays_power * item_weight[W.indices] * np.repeat(row_weight, entries)
    return sp.csr_matrix((data.astype(np.float32), W.indices, W.indptr), shape=W.shape)


def _diagonal(Y: Floats, chosen: AlsParameters) -> tuple[Floats, Floats]:
    """Return Y in the eigenbasis of YᵀY, and the diagonal that the unobserved entries and the ridge are there."""
    spectrum, Q = np.linalg.eigh((Y.T @ Y).astype(np.float64))
    dense = chosen.unobserved * np.maximum(spectrum, 0) + chosen.ridge
    return Y @ Q.astype(np.float32), dense.astype(np.float32)


def solve_rows(C: sp.csr_matrix, Z: Floats, D: Floats) -> Floats:
    """Return for each row c of C the x of (diag D + Zᵀ diag(c) Z) x = Zᵀ c, nothing for an empty row.

    Solved in as many unknowns as the row has entries (Woodbury) or as there are factors, whichever is less.
    """
    count, lengths = Z.shape[1], np.diff(C.indptr)
    X = np.zeros((C.shape[0], count), dtype=np.float32)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    ordered, start = lengths[order], 0
    while start < len(order):
        longest = max(int(ordered[start]) + 1, int(ordered[start] * PADDED))
        most = max(1, ENTRIES // (longest * count))
        end = min(int(np.searchsorted(ordered, longest, side="right")), start + most)
        rows = order[start:end]
        place = np.arange(int(ordered[end - 1]))
        is_there = place < lengths[rows, None]
        entry = np.where(is_there, C.indptr[rows, None] + place, 0)
        X[rows] = _solved(Z[C.indices[entry]], np.where(is_there, C.data[entry], np.float32(0)), D)
        start = end
    return X


def _solved(Z: Floats, c: Floats, D: Floats) -> Floats:
    """Solve the systems of a batch: (rows, entries, factors) Z with (rows, entries) c."""
    length, count = Z.shape[1:]
    x: Floats
    if length <= count:
        root = np.sqrt(c)[:, :, None]
        A = Z * root
        AD = A / D
        K = AD @ A.transpose(0, 2, 1)
        K[:, np.arange(length), np.arange(length)] += 1
        x = (AD.transpose(0, 2, 1) @ np.linalg.solve(K, root))[:, :, 0]
    else:
        A = Z * c[:, :, None]
        M = A.transpose(0, 2, 1) @ Z
        M[:, np.arange(count), np.arange(count)] += D
        x = np.linalg.solve(M, A.sum(axis=1)[:, :, None])[:, :, 0]
    return x
