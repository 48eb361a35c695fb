"""Groups of items that the same people play: names for rows of a page, and the groups by which results are reported."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

FEWEST_A_GROUP = 20


@dataclass(frozen=True)
class TasteGroups:
    """`group` (items,); `stability` is the mean adjusted Rand index between seeds: 1 for the same, 0 as by chance."""

    group: NDArray[np.int32]
    stability: float

    def named_by(self, popularity: NDArray[np.float32], each: int = 3) -> list[NDArray[np.int64]]:
        """Return the most played items of each group, by which it is named."""
        found = []
        for number in range(int(self.group.max()) + 1):
            items = np.flatnonzero(self.group == number)
            found.append(items[np.lexsort((items, -popularity[items]))][:each])
        return found


def taste_groups(vectors: NDArray[np.float32], count: int, *, seeds: int = 5) -> TasteGroups:
    """Group item vectors by direction, k-means from several seeds: the tightest grouping, and how far seeds agree."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-9)
    count = max(1, min(count, len(unit) // FEWEST_A_GROUP))
    runs = [KMeans(count, n_init=1, random_state=seed).fit(unit) for seed in range(seeds)]
    pairs = [(a, b) for a in range(seeds) for b in range(a)]
    agree = [adjusted_rand_score(runs[a].labels_, runs[b].labels_) for a, b in pairs]
    best = min(runs, key=lambda run: float(run.inertia_))
    return TasteGroups(best.labels_.astype(np.int32), float(np.mean(agree)) if agree else 1.0)
