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

COUNTS = (8, 6, 4, 3, 2)  # of groups that are tried
AS_STABLE = 0.9  # as the most stable number: fewer groups agree more easily, and say less
FEWEST_A_GROUP = 20
FEWEST_LISTENERS = 5  # that an item needs to have a say in what the groups are


@dataclass(frozen=True)
class TasteGroups:
    """`group` (items,), -1 for what nobody played; `stability` is the mean adjusted Rand index between halves.

    Stability is 1 where groups made of either half of the items are the same, and 0 where they agree as by chance.
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

    The number of groups is the first of `counts` that is about as stable as the most stable of them (von Luxburg 2010,
    Clustering stability: an overview). `popularity` (items,) are listeners: items that few play are put to the group
    that is nearest, and make none.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    is_heard = popularity > 0
    is_counted = popularity >= min(FEWEST_LISTENERS, float(popularity.max(initial=0)))
    group = np.full(len(unit), -1, dtype=np.int32)
    if not is_heard.any():
        return TasteGroups(group, 1.0)
    made_of = unit[is_counted & is_heard]
    agree = {count: _stability(made_of, count, seeds) for count in counts if count * FEWEST_A_GROUP <= len(made_of)}
    least = AS_STABLE * max(agree.values(), default=1.0)
    count = next((each for each in agree if agree[each] >= least), 1)
    runs = (_means(made_of, count, seed) for seed in range(seeds))
    best = min(runs, key=lambda run: float(run.inertia_))
    group[is_heard] = np.unique(best.predict(unit[is_heard]), return_inverse=True)[1]
    return TasteGroups(group, agree.get(count, 1.0))


def _stability(vectors: NDArray[np.float32], count: int, seeds: int) -> float:
    """Return how far the groups of one half of the items agree with those of the other, the mean over seeds.

    The whole would find the same cut in noise again and again; what is no more than that, another half cuts elsewhere
    (Tibshirani and Walther 2005, Cluster validation by prediction strength; agreement here is the adjusted Rand index).
    """
    agree = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(vectors))
        one, other = (_means(vectors[half], count, seed) for half in np.array_split(order, 2))
        agree.append(adjusted_rand_score(one.predict(vectors), other.predict(vectors)))
    return float(np.mean(agree))


def _means(vectors: NDArray[np.float32], count: int, seed: int) -> KMeans:
    with warnings.catch_warnings():
        # items that are always played together are one point: then there are fewer groups than were asked for
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(count, n_init=3, random_state=seed).fit(vectors)
