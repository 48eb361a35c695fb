"""Item factors as they are served: a listener's history is folded in at request time. numpy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

LEAST = 1e-6  # weight of an entry: it was played


@dataclass(frozen=True)
class Factors:
    """Item factors in the eigenbasis of their Gram matrix, and what folding a listener in needs.

    `vectors` (items, f); `dense` (f,) is the diagonal of the part that all items add; an entry of item i weighs
    `item_weight`[i] × plays weight^`plays_power` × (entries / `mean_entries`)^-`listener_power`; scores are × `scale`.
    """

    vectors: NDArray[np.float32]
    dense: NDArray[np.float32]
    item_weight: NDArray[np.float32]
    scale: NDArray[np.float32]
    listener_power: float
    mean_entries: float
    plays_power: float

    def scores(self, items: NDArray[np.int64], weights: Doubles) -> NDArray[np.float32]:
        """Return (items,) scores of a profile."""
        found: NDArray[np.float32] = (self.vectors @ self.fold(items, weights).astype(np.float32)) * self.scale
        return found

    def fold(self, items: NDArray[np.int64], weights: Doubles) -> Doubles:
        """Return the (f,) factors of a profile."""
        return self._system(items, weights)[0]

    def contributions(self, items: NDArray[np.int64], weights: Doubles, targets: NDArray[np.int64]) -> Doubles:
        """Return (targets, items): what each item of the profile adds to each target's score; rows sum to the scores.

        The score is s_t z_tᵀ M⁻¹ Σ_j w_j z_j, a sum over the profile. Source: Hu, Koren & Volinsky 2008, eq. 7.
        """
        _, solved, entry = self._system(items, weights)
        T = self.vectors[targets].astype(np.float64) * self.scale[targets, None]
        found: Doubles = (T @ solved) * entry
        return found

    def _system(self, items: NDArray[np.int64], weights: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """Return x (f,), M⁻¹Zᵀ (f, n) and the entries' weights (n,), M = diag D + Zᵀ w Z."""
        Z: Doubles = self.vectors[items].astype(np.float64)
        D: Doubles = self.dense.astype(np.float64)
        count = max(1, int(np.count_nonzero(weights)))
        # a weight of nothing stays one: an item that the caller silences
        heard = np.where(weights > 0, np.maximum(weights, LEAST) ** self.plays_power, 0.0)
        entry: Doubles = heard * self.item_weight[items] * (count / self.mean_entries) ** -self.listener_power
        n, f = Z.shape
        if n <= f:
            # M⁻¹Zᵀ = D⁻¹Zᵀ (I + w Z D⁻¹ Zᵀ)⁻¹
            ZD: Doubles = Z / D
            solved: Doubles = _solved(np.eye(n) + (ZD @ Z.T) * entry, ZD).T
        else:
            M: Doubles = Z.T @ (Z * entry[:, None]) + np.diag(D)
            solved = _solved(M, Z.T)
        return solved @ entry, solved, entry


def _solved(A: Doubles, b: Doubles) -> Doubles:
    if not len(A):
        return b
    found: Doubles = np.linalg.solve(A, b).astype(np.float64, copy=False)
    return found
