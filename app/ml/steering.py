"""What a listener may turn: familiar to new, popular to obscure, calm to loud, how varied; and an order of the day.

All of it works on scores and candidates after the model, so that it costs nothing where nothing is turned. numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.ml.scoring import Scorer

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

ROTATION = 0.1  # of the scores' spread: neighbours in the list change places, the top of it stays on top
STRENGTH = 2.0  # of a slider turned all the way, in the scores' spread
CANDIDATES = 10  # times as many as are wanted, from which variety is chosen


@dataclass(frozen=True)
class Sliders:
    """Each from -1 to 1, 0 for as the model says; `variety` from 0 to 1.

    `novelty`: familiar (-1) to new (1). `obscurity`: popular (-1) to obscure (1). `energy`: calm (-1) to loud (1).
    """

    novelty: float = 0.0
    obscurity: float = 0.0
    energy: float = 0.0
    variety: float = 0.0


def steered(
    scores: Doubles,
    popularity: NDArray[np.floating],
    familiar: Doubles,
    sliders: Sliders,
    energy: Doubles | None = None,
) -> Doubles:
    """Return scores with a term for each slider, in units of the positive scores' standard deviation.

    `familiar` (items,) from 0 to 1 says how well the listener knows what an item is of: its artist, say; `energy`
    (items,) from 0 to 1 how loud it is, NaN where that is not known: such items are not moved. Where a score is not
    positive nothing speaks for the item, and no slider lifts it.
    """
    is_candidate = scores > 0
    if not is_candidate.any() or not (sliders.novelty or sliders.obscurity or sliders.energy):
        return scores
    spread = float(scores[is_candidate].std()) or 1.0
    found = scores.copy()
    if sliders.obscurity:
        found[is_candidate] -= sliders.obscurity * STRENGTH * spread * _standard(np.log1p(popularity[is_candidate]))
    if sliders.novelty:
        found[is_candidate] -= sliders.novelty * STRENGTH * spread * _standard(familiar[is_candidate])
    if sliders.energy and energy is not None:
        found[is_candidate] += sliders.energy * STRENGTH * spread * _standard(energy[is_candidate])
    # what spoke for an item still does: the order changes, not what is listed
    lowest = float(found[is_candidate].min())
    if lowest <= 0:
        found[is_candidate] += spread * 1e-3 - lowest
    return found


def _standard(values: NDArray[np.floating]) -> Doubles:
    """Return values with mean 0 and deviation 1 among those that are known, 0 for the others."""
    is_known = np.isfinite(values)
    known = values[is_known]
    found: Doubles = np.zeros(len(values))
    spread = float(known.std()) if len(known) else 0.0
    if spread:
        found[is_known] = (known - known.mean()) / spread
    return found


def varied(scorer: Scorer, items: Ints, scores: Doubles, n: int, variety: float) -> Ints:
    """Return `n` of the items (best first), each chosen for its score and against its likeness to those before it.

    Maximises (1 - v) score / best - v likeness, likeness being the greatest cosine between rows of links and factors.
    Source: MMR, Carbonell & Goldstein 1998.
    """
    if variety <= 0 or len(items) <= 1:
        return items[:n]
    items, scores = items[: CANDIDATES * n], scores[: CANDIDATES * n]
    vectors = unit_vectors(scorer, items)
    worth = scores / max(float(scores.max()), 1e-12)
    nearest = np.zeros(len(items))
    is_left = np.ones(len(items), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(n, len(items))):
        value = np.where(is_left, (1 - variety) * worth - variety * nearest, -np.inf)
        best = int(np.argmax(value))
        chosen.append(best)
        is_left[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return items[chosen]


def unit_vectors(scorer: Scorer, items: Ints) -> NDArray[np.float32]:
    """Return unit vectors whose products say how alike items are."""
    if scorer.factors is not None:
        found = np.asarray(scorer.factors.vectors[items], dtype=np.float32)
    else:
        column = np.full(scorer.items, -1, dtype=np.int64)
        column[items] = np.arange(len(items))
        found = np.eye(len(items), dtype=np.float32)
        for place, item in enumerate(items):
            row = slice(scorer.indptr[item], scorer.indptr[item + 1])
            where = column[scorer.indices[row]]
            found[place, where[where >= 0]] = scorer.data[row][where >= 0]
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: NDArray[np.float32] = found / np.maximum(lengths, 1e-12)
    return unit


def at_most(items: Ints, artists: Sequence[object], n_per_artist: int) -> Ints:
    """Return the items, in their order, without those beyond `n_per_artist` of an artist; `artists` are the items'."""
    counts: dict[object, int] = {}
    kept = []
    for item, artist in zip(items.tolist(), artists, strict=True):
        counts[artist] = counts.get(artist, 0) + 1
        if counts[artist] <= n_per_artist:
            kept.append(item)
    return np.array(kept, dtype=np.int64)


def rotated(items: Ints, scores: Doubles, day: int, listener: int, strength: float = ROTATION) -> Ints:
    """Return the items in an order of the day: the same all day on every process, another one tomorrow.

    Adds noise of `strength` times the scores' standard deviation, drawn from the day and the listener.
    """
    rng = np.random.default_rng([day % (1 << 32), listener % (1 << 32)])
    noise = rng.standard_normal(len(items)) * strength * float(scores.std() if len(scores) else 0.0)
    return items[np.argsort(-(scores + noise), kind="stable")]
