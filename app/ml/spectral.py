"""The smooth part of what listeners have in common: the strongest directions of the matrix, as links between items."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from app.ml.progress import Progress

FEWEST = 4  # directions; with fewer there is nothing smooth to find
ROWS_PER_DIRECTION = 8  # more directions than that would only repeat the matrix
BLOCK = 512


def smooth_links(
    N: sp.csr_matrix, scale: NDArray[np.float32], directions: int, progress: Progress
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return (items, f) left and right, so that left rightᵀ are smooth links; None where there is nothing smooth.

    They are V g Vᵀ with V the right singular vectors of N and g = s² / (s² + s_m²), m two thirds down the list, a soft
    low-pass; `scale` (items,) multiplies the rows. Source: GF-CF, Shen et al. 2021.
    """
    count = min(directions, min(N.shape) // ROWS_PER_DIRECTION)
    if count < FEWEST:
        return None
    squared, V = strongest_directions(N, count, progress)
    g = squared / (squared + squared[(2 * count) // 3])
    return scale[:, None] * V * g, V


def add_smooth_links(
    B: NDArray[np.float32],
    N: sp.csr_matrix,
    scale: NDArray[np.float32],
    *,
    directions: int,
    weight: float,
    progress: Progress,
) -> None:
    """Add smooth links to the dense links B, in place, `weight` times as large as they are (by root mean square)."""
    smooth = smooth_links(N, scale, directions, progress) if weight else None
    if smooth is None:
        return
    left, right = smooth
    size = np.sqrt(float((left**2).sum())) / len(B)  # the right vectors are orthonormal
    factor = np.float32(weight * float(np.sqrt(np.mean(B**2, dtype=np.float64))) / size)
    add_product(B, left * factor, right)


def add_product(B: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32]) -> None:
    """Add left rightᵀ to B by blocks of rows, and leave its diagonal zero."""
    for start in range(0, len(B), BLOCK):
        B[start : start + BLOCK] += left[start : start + BLOCK] @ right.T
    np.fill_diagonal(B, 0.0)


def strongest_directions(
    N: sp.csr_matrix, count: int, progress: Progress
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the greatest squared singular values, greatest first, and the right singular vectors (items, count)."""
    items, products = N.shape[1], 0
    NT = N.T.tocsr()

    def product(v: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal products
        products += 1
        if products % 50 == 1:
            progress(min(1.0, products / (5 * count)), "directions")
        found: NDArray[np.float32] = NT @ (N @ v)
        return found

    gram = LinearOperator((items, items), matvec=product, dtype=np.float32)
    # a fixed start, so that the same matrix gives the same bits; a random one, since a constant vector can lie in a
    # part of the space that the matrix maps onto itself
    start = np.random.default_rng(0).standard_normal(items).astype(np.float32)
    try:
        squared, V = eigsh(gram, k=count, v0=start, tol=1e-3)
    except ArpackError:  # a matrix of few different rows: the iteration runs out of directions
        squared, V = np.linalg.eigh((NT @ N).toarray().astype(np.float64))
        squared, V = squared[-count:], V[:, -count:]
    order = np.argsort(-squared, kind="stable")
    return np.maximum(squared[order], 1e-9).astype(np.float32), np.ascontiguousarray(V[:, order], dtype=np.float32)
