"""What is known of an item by what several parts say of many. numpy only: this is served.

Of each part three features: the item's share of the part's greatest value, one over its place in the part's order (ties
share the best of theirs; nothing behind the first `PLACES`), and whether the part lists it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

KINDS = ("", "/place", "/listed")
PLACES = 300
LEAST = 1e-6


def table(parts: Sequence[Mapping[int, float]], more: Ints | None = None) -> tuple[Ints, Floats]:
    """Return the items of parts, with `more`, in order, and what each part says of them (items, parts)."""
    keys = [np.fromiter(part, np.int64, len(part)) for part in parts]
    items = np.unique(np.concatenate(keys if more is None else [more, *keys]))
    found = np.zeros((len(items), len(parts)), dtype=np.float32)
    for column, (part, of) in enumerate(zip(parts, keys, strict=True)):
        found[np.searchsorted(items, of), column] = np.fromiter(part.values(), np.float32, len(part))
    return items, found


def features(values: NDArray[np.floating]) -> Floats:
    """Return the features (items, 3 · parts) of what parts say (items, parts), which is positive where they list."""
    greatest = values.max(axis=0, initial=0)
    found = np.zeros((3, *values.shape), dtype=np.float32)
    found[0] = values / np.where(greatest > 0, greatest, 1)
    for part, column in enumerate(values.T):
        first = np.flatnonzero(column > 0)
        if len(first) > PLACES:  # the rest needn't be sorted
            first = first[column[first] >= np.partition(column[first], -PLACES)[-PLACES]]
        own = column[first]
        found[1, first, part] = 1 / (1 + len(own) - np.searchsorted(np.sort(own), own, side="right"))
    found[2] = values > 0
    return np.concatenate(found, axis=1)


def named(weights: Doubles, parts: Sequence[str]) -> dict[str, float]:
    """Return the weights of the features by name: that of a share is the part's own."""
    return dict(zip((f"{part}{kind}" for kind in KINDS for part in parts), weights.tolist(), strict=True))


def weights_of(chosen: Mapping[str, float], parts: Sequence[str]) -> Doubles:
    """Return the weights of the features from their names; what isn't named weighs nothing."""
    return np.array([chosen.get(f"{part}{kind}", 0.0) for kind in KINDS for part in parts])


def lift(scores: Doubles) -> float:
    """Return what raises the least of some scores above nothing, which is what an item scores that no part lists."""
    return max(0.0, LEAST - float(scores.min(initial=0.0)))
