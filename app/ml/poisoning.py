"""What fake listeners who push one item reach, with and without a defence. For figures and tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.interactions import play_weights
from app.ml.scoring import Scorer

Ints = NDArray[np.int64]
Attack = Literal["random", "popular", "copy"]
ATTACKS: tuple[Attack, ...] = ("random", "popular", "copy")
FILLERS, PUSHED_PLAYS = 40, 5_000
TOP = 20


@dataclass(frozen=True)
class Poisoned:
    """Plays with fake listeners below the real ones."""

    plays: sp.csr_matrix
    target: int
    real: int


def poisoned(X: sp.csr_matrix, target: int, attack: Attack, *, share: float = 0.01, seed: int = 0) -> Poisoned:
    """Add fake listeners, a share of the real ones, who play the target very often and hide it among other items.

    These are random ones, some of the hundred most popular, or those of a real listener.
    """
    rng = np.random.default_rng(seed)
    degrees = np.bincount(X.indices, minlength=X.shape[1])
    rows, items, plays = [], [], []
    for fake in range(max(1, int(share * X.shape[0]))):
        others = np.setdiff1d(_fillers(X, degrees, attack, rng), [target])
        rows += [fake] * (len(others) + 1)
        items += [*others.tolist(), target]
        plays += [*rng.integers(50, 500, len(others)).tolist(), PUSHED_PLAYS]
    shape = (max(rows) + 1, X.shape[1])
    fakes = sp.csr_matrix((np.array(plays, dtype=np.float32), (rows, items)), shape=shape)
    return Poisoned(sp.vstack([X, fakes]).tocsr(), target, X.shape[0])


def _fillers(X: sp.csr_matrix, degrees: Ints, attack: Attack, rng: np.random.Generator) -> Ints:
    if attack == "copy":
        row = int(rng.choice(np.flatnonzero(np.diff(X.indptr) > 0)))
        pool: Ints = X.indices[X.indptr[row] : X.indptr[row + 1]].astype(np.int64)
        return pool
    pool = np.flatnonzero(degrees) if attack == "random" else np.argsort(-degrees, kind="stable")[:100]
    return rng.choice(pool, size=min(FILLERS, len(pool)), replace=False)


def reach(fit: Callable[[sp.csr_matrix], Scorer], case: Poisoned, *, every: int = 1) -> float:
    """Return the share of real listeners who would be shown the target among their first 20; `every` takes a sample."""
    scorer = fit(case.plays)
    X, reached, asked = case.plays, 0, 0
    for row in range(0, case.real, every):
        own, plays = (array[X.indptr[row] : X.indptr[row + 1]] for array in (X.indices, X.data))
        if len(own) and case.target not in own:
            asked += 1
            reached += case.target in scorer.recommend(own, play_weights(plays), TOP, excluded=own)[0]
    return reached / max(1, asked)
