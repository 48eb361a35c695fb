"""Groups of items that the same people play: names for rows of a page, and the groups by which results are reported."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

COUNTS = (8, 6, 4, 3, 2)  # of groups, of which the first is taken on whose groups the seeds agree
STABLE = 0.7
FEWEST_A_GROUP = 20
FEWEST_LISTENERS = 5  # that an item needs to have a say in what the groups are


@dataclass(frozen=True)
class TasteGroups:
    """`group` (items,), -1 for what nobody played; `stability` is the mean adjusted Rand index between seeds.

    Stability is 1 where all seeds give the same groups, and 0 where they agree as by chance.
    """

    group: NDArray[np.int32]
    stability: float

    @property
    def count(self) -> int:
        return int(self.group.max(initial=-1)) + 1

    def named_by(self, popularity: NDArray[np.float32], each: int = 3) -> list[NDArray[np.int64]]:
        """Return the most played items of each group, by which it is named."""
        found = []
        for number in range(self.count):
            items = np.flatnonzero(self.group == number)
            found.append(items[np.lexsort((items, -popularity[items]))][:each])
        return found

    def of_listeners(self, X: sp.csr_matrix) -> NDArray[np.int32]:
        """Return (listeners,) the group that most of a listener's items are of, -1 where none is of any."""
        known = np.flatnonzero(self.group >= 0)
        member = sp.csr_matrix(
            (np.ones(len(known), np.float32), (known, self.group[known])), shape=(X.shape[1], max(1, self.count))
        )
        counts = ((sp.csr_matrix(X) > 0).astype(np.float32) @ member).toarray()
        return np.where(counts.max(axis=1) > 0, counts.argmax(axis=1), -1).astype(np.int32)


def taste_groups(
    vectors: NDArray[np.float32],
    popularity: NDArray[np.float32],
    counts: Sequence[int] = COUNTS,
    *,
    seeds: int = 5,
) -> TasteGroups:
    """Group items by the direction of their (items, f) vectors: k-means, the tightest of several seeds.

    The number of groups is the first of `counts` that is stable, else the most stable (von Luxburg 2010, Clustering
    stability: an overview). `popularity` (items,) are listeners: items that few play are put to the group that is
    nearest, and make none.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    is_heard = popularity > 0
    is_counted = popularity >= min(FEWEST_LISTENERS, float(popularity.max(initial=0)))
    group = np.full(len(unit), -1, dtype=np.int32)
    if not is_heard.any():
        return TasteGroups(group, 1.0)
    made_of = unit[is_counted & is_heard]
    best, stability = KMeans(1, n_init=1, random_state=0).fit(made_of), -1.0
    for count in counts:
        if count * FEWEST_A_GROUP <= len(made_of) and stability < STABLE:
            found, agree = _grouped(made_of, count, seeds)
            best, stability = (found, agree) if agree > stability else (best, stability)
    group[is_heard] = np.unique(best.predict(unit[is_heard]), return_inverse=True)[1]
    return TasteGroups(group, stability if stability >= 0 else 1.0)


def _grouped(vectors: NDArray[np.float32], count: int, seeds: int) -> tuple[KMeans, float]:
    """Return the tightest of several groupings, and how far they agree."""
    with warnings.catch_warnings():
        # items that are always played together are one point: then there are fewer groups than were asked for
        warnings.simplefilter("ignore", ConvergenceWarning)
        runs = [KMeans(count, n_init=1, random_state=seed).fit(vectors) for seed in range(seeds)]
    pairs = [(a, b) for a in range(seeds) for b in range(a)]
    agree = [adjusted_rand_score(runs[a].labels_, runs[b].labels_) for a, b in pairs]
    return min(runs, key=lambda run: float(run.inertia_)), float(np.mean(agree)) if agree else 1.0
