"""Why something is recommended: which of the listener's own items spoke for it, and how much."""

import numpy as np
from numpy.typing import NDArray

SHOWN = 3


def greatest(row: NDArray[np.float64]) -> tuple[list[tuple[int, float]], float]:
    """Return the places and shares of the greatest positive contributions, and the share of the other ones."""
    total = float(row[row > 0].sum())
    if total <= 0:
        return [], 0.0
    order = np.lexsort((np.arange(len(row)), -row))[:SHOWN]
    shown = [(int(place), float(row[place]) / total) for place in order if row[place] > 0]
    return shown, max(0.0, 1.0 - sum(share for _, share in shown))
