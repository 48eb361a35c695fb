"""The regressions between items against slow ones written from their formulas."""

import numpy as np
import pytest
import scipy.sparse as sp

from app.ml.interactions import play_weights, weighted
from app.ml.item_item import ItemItem
from app.ml.progress import no_progress
from app.ml.ridge import BLOCK, invert, largest_eigenvalue
from app.ml.spectral import add_smooth_links
from tests.ml.group_tastes import group_tastes

EVERY_LINK = 10_000


def weights() -> np.ndarray:
    X = group_tastes().toarray().astype(np.float64)
    logs = np.log1p(X)
    return logs / (logs.sum(axis=1) / (X > 0).sum(axis=1))[:, None]


def test_the_fit_and_the_query_weigh_plays_alike() -> None:
    X = group_tastes()
    np.testing.assert_allclose(weighted(X).toarray(), weights(), rtol=1e-5)
    np.testing.assert_allclose(weighted(X)[3].data, play_weights(X[3].data), rtol=1e-6)


def test_the_dense_ridge_is_that_of_the_paper() -> None:
    """B = I - P diag(1 / diag P), P the inverse of the regularised Gram matrix (Steck 2019, eq. 8)."""
    model = ItemItem(ridge=0.1, diagonal=0, degree_power=0, smooth=0, neighbours=EVERY_LINK)
    G = weights().T @ weights()
    P = np.linalg.inv(G + 0.1 * np.linalg.eigvalsh(G)[-1] * np.eye(len(G)))
    wanted = np.eye(len(G)) - P / np.diag(P)[None, :]
    # float32 and a condition number of 11
    np.testing.assert_allclose(model.fit(group_tastes()).B_.toarray(), wanted, atol=1e-4)


def test_the_local_ridge_with_all_items_as_candidates_solves_the_whole_system() -> None:
    model = ItemItem(
        dense_items=0, candidates=EVERY_LINK, neighbours=EVERY_LINK, local_ridge=2.0, diagonal=0.5, degree_power=0
    )
    found = model.fit(group_tastes()).B_.toarray()
    G = weights().T @ weights()
    own = np.diag(G)
    for item in (0, 35, 119):
        near = np.flatnonzero((G[item] > 0) & (np.arange(len(G)) != item))
        A = G[np.ix_(near, near)] + np.diag(2.0 * own.mean() + 0.5 * own[near])
        np.testing.assert_allclose(found[near, item], np.linalg.solve(A, G[near, item]), atol=1e-4)
        assert not np.delete(found[:, item], near).any()


@pytest.mark.parametrize("size", [1, BLOCK, 2 * BLOCK + 3])
def test_the_inverse_by_blocks_is_the_inverse(size: int) -> None:
    A = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    G = A @ A.T / size + np.eye(size, dtype=np.float32)
    wanted = np.linalg.inv(G.astype(np.float64))
    np.testing.assert_allclose(invert(G.copy(), no_progress), wanted, atol=1e-4)


def test_the_largest_eigenvalue_is_about_right() -> None:
    G = (weights().T @ weights()).astype(np.float32)
    # twenty power iterations; a fiftieth more or less ridge changes nothing
    assert largest_eigenvalue(G) == pytest.approx(np.linalg.eigvalsh(G)[-1], rel=0.02)
    assert largest_eigenvalue(np.zeros((3, 3), dtype=np.float32)) == 0


def test_the_smooth_part_is_a_projection_scaled_to_the_links() -> None:
    N = weighted(group_tastes())
    items = N.shape[1]
    before = np.random.default_rng(0).standard_normal((items, items)).astype(np.float32)
    B, ones = before.copy(), np.ones(items, dtype=np.float32)
    add_smooth_links(B, N, ones, directions=10, weight=0.5, progress=no_progress)
    _, s, Vt = np.linalg.svd(N.toarray().astype(np.float64))
    g = s[:10] ** 2 / (s[:10] ** 2 + s[6] ** 2)
    smooth = (Vt[:10].T * g) @ Vt[:10]
    smooth *= 0.5 * np.sqrt((before**2).mean() / (smooth**2).mean())
    off = ~np.eye(items, dtype=bool)
    np.testing.assert_allclose((B - before)[off], smooth[off], atol=0.02 * np.abs(smooth).max())


def test_each_item_keeps_its_strongest_links() -> None:
    for dense_items in (5000, 0):
        full = ItemItem(neighbours=EVERY_LINK, dense_items=dense_items).fit(group_tastes()).B_
        cut = ItemItem(neighbours=10, dense_items=dense_items).fit(group_tastes()).B_
        assert np.diff(cut.indptr).max() == 10
        for row in range(0, full.shape[0], 11):
            np.testing.assert_array_equal(np.sort(np.abs(cut[row].data)), np.sort(np.abs(full[row].data))[-10:])


def test_an_item_that_nobody_played_has_no_links() -> None:
    X = group_tastes().tolil()
    X[:, 17] = 0
    for dense_items in (5000, 0):
        B = ItemItem(dense_items=dense_items).fit(sp.csr_matrix(X)).B_
        assert B[17].nnz == B[:, 17].nnz == 0


def test_listeners_who_are_all_alike_in_groups_are_fitted_too() -> None:
    """Few different rows leave the eigenvalue iteration without directions."""
    groups = np.kron(np.eye(4), np.ones((12, 10))).astype(np.float32)
    fitted = ItemItem().fit(sp.csr_matrix(groups))
    assert np.isfinite(fitted.B_.data).all()
    assert fitted.B_.nnz > 0
