"""Generated plays of listeners in groups, each with artists of its own: what any model must find."""

import numpy as np
import scipy.sparse as sp

from app.ml.interactions import interactions

GROUPS = 4
ITEMS_A_GROUP = 30


def group_tastes(seed: int = 0, *, listeners: int = 240, heard: int = 12) -> sp.csr_matrix:
    """Return (listeners, items) plays: nine of ten of the listener's own group, the known ones more often."""
    rng = np.random.default_rng(seed)
    fame = 1 / (np.arange(ITEMS_A_GROUP) + 3.0)
    rows, items = [], []
    for listener in range(listeners):
        groups = np.where(rng.random(heard) < 0.9, listener % GROUPS, rng.integers(GROUPS, size=heard))
        own = groups * ITEMS_A_GROUP + rng.choice(ITEMS_A_GROUP, size=heard, p=fame / fame.sum())
        rows += [listener] * heard
        items += own.tolist()
    return interactions(rows, items, rng.integers(1, 30, size=len(rows)), (listeners, GROUPS * ITEMS_A_GROUP))
