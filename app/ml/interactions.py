"""From plays to matrices, and from a listener's plays to the weights of a query."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

LOVE_BOOST = 2.0
SESSION_GAP_S = 1800


def play_weights(plays: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log-saturated weights of one listener's plays, with mean 1: the second play says less than the first."""
    weights = np.log1p(np.maximum(plays, 0)).astype(np.float32)
    mean = float(weights.mean()) if len(weights) else 0.0
    return weights / mean if mean > 0 else weights


def profile_weights(plays: ArrayLike, loved: ArrayLike | None = None) -> NDArray[np.float32]:
    """Return the weights of a profile's items (n,): plays as in the fit, loved items more, at least as one play."""
    counts = np.asarray(plays, dtype=np.float32)
    if loved is None:
        return play_weights(counts)
    is_loved = np.asarray(loved, dtype=bool)
    weights = play_weights(np.maximum(counts, is_loved.astype(np.float32)))
    return np.where(is_loved, weights * LOVE_BOOST, weights).astype(np.float32)


def interactions(rows: ArrayLike, items: ArrayLike, plays: ArrayLike, shape: tuple[int, int]) -> sp.csr_matrix:
    """Return the (rows, items) matrix of summed plays."""
    matrix = sp.coo_matrix((np.asarray(plays, dtype=np.float32), (np.asarray(rows), np.asarray(items))), shape=shape)
    found = matrix.tocsr()
    found.sum_duplicates()
    found.sort_indices()
    return found


def weighted(X: sp.csr_matrix) -> sp.csr_matrix:
    """Return X with each row's plays as `play_weights` of them."""
    logs = X.astype(np.float32, copy=True)
    logs.data = np.log1p(np.maximum(logs.data, 0))
    sums = np.asarray(logs.sum(axis=1)).ravel()
    counts = np.diff(logs.indptr)
    means = np.divide(sums, counts, out=np.ones_like(sums), where=(counts > 0) & (sums > 0))
    logs.data /= np.repeat(means, counts)
    return logs


def session_numbers(listeners: ArrayLike, at: ArrayLike) -> NDArray[np.int64]:
    """Return for each listen (sorted by listener, then time in seconds) the number of its session, from 0.

    A pause of half an hour begins a new one.
    """
    who, when = np.asarray(listeners), np.asarray(at)
    if not len(who):
        return np.zeros(0, dtype=np.int64)
    is_new = (who[1:] != who[:-1]) | (when[1:] - when[:-1] > SESSION_GAP_S)
    return np.concatenate([[0], np.cumsum(is_new)]).astype(np.int64)


def with_sessions(
    X: sp.csr_matrix, sessions: NDArray[np.int64], items: Sequence[int] | NDArray[np.int64], weight: float
) -> sp.csr_matrix:
    """Return X with a row per session below it, so that what is played together counts where there is no crowd.

    `weight` scales the sessions' rows against the listeners'.
    """
    if not len(sessions):
        return X
    rows = interactions(sessions, items, np.ones(len(sessions)), (int(sessions.max()) + 1, X.shape[1]))
    rows.data = np.minimum(rows.data, 1) * weight
    return sp.vstack([weighted(X), rows]).tocsr()
