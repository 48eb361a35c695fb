"""Quality of ranked lists against a holdout of binary relevance."""

from collections.abc import Collection, Sequence

import numpy as np


def recall_at_k(ranked: Sequence[int], holdout: Collection[int], k: int) -> float:
    """Return hits among the first k over the size of the holdout."""
    return len(set(ranked[:k]) & set(holdout)) / len(set(holdout))


def ndcg_at_k(ranked: Sequence[int], holdout: Collection[int], k: int) -> float:
    """Return the discounted gain of the first k over the greatest possible.

    Source: Järvelin & Kekäläinen 2002, with gain 1 and discount log2(rank + 1).
    """
    wanted = set(holdout)
    gain = sum(1 / np.log2(rank + 2) for rank, item in enumerate(ranked[:k]) if item in wanted)
    ideal = sum(1 / np.log2(rank + 2) for rank in range(min(k, len(wanted))))
    return float(gain / ideal)


def hit_and_reciprocal(rank: int | None, k: int) -> tuple[float, float]:
    """Return whether a target at a rank (from 0; None for a miss) is within k, and the reciprocal of its place."""
    if rank is None or rank >= k:
        return 0.0, 0.0
    return 1.0, 1.0 / (rank + 1)
