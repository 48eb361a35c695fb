"""Why something is recommended: which of the listener's own items spoke for it, and how much."""

import numpy as np
from numpy.typing import NDArray

from app.ml.scoring import Scorer

SHOWN = 3


def contributions(
    scorer: Scorer, items: NDArray[np.int64], weights: NDArray[np.float32], targets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (targets, items): what each item of a profile adds to each target's score; rows sum to the scores."""
    found = np.zeros((len(targets), len(items)))
    column = np.full(scorer.items, -1, dtype=np.int64)
    column[targets] = np.arange(len(targets))
    for place, item in enumerate(items):
        links = slice(scorer.indptr[item], scorer.indptr[item + 1])
        where = column[scorer.indices[links]]
        is_wanted = where >= 0
        found[where[is_wanted], place] = scorer.data[links][is_wanted] * float(weights[place])
    return found


def greatest(row: NDArray[np.float64]) -> tuple[list[tuple[int, float]], float]:
    """Return the places and shares of the greatest positive contributions, and the share of the other ones."""
    total = float(row[row > 0].sum())
    if total <= 0:
        return [], 0.0
    order = np.lexsort((np.arange(len(row)), -row))[:SHOWN]
    shown = [(int(place), float(row[place]) / total) for place in order if row[place] > 0]
    return shown, max(0.0, 1.0 - sum(share for _, share in shown))
