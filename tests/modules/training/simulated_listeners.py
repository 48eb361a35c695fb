"""Simulated listeners with known preferences: what they would play of what a model of known quality shows them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.contracts.experiments import ArmSums

GENRES = 8
DAYS = 28
BEFORE = 14
PRIOR = 20.0


@dataclass(frozen=True)
class Simulation:
    """What was shown and played, by run, listener and day; the first half of the listeners is the control."""

    shown: NDArray[np.int64]
    played: NDArray[np.int64]


def simulate(seed: int, runs: int, listeners: int, lift: float) -> Simulation:
    """Let both arms listen for two weeks, then for 28 days more, one with a model that is better by `lift` (relative).

    A listener plays what matches their taste, some more readily than others; they come on half of the days, some often,
    some hardly ever, are shown 24 items on average then, and have good and bad days. One of seven is played.
    """
    rng = np.random.default_rng(seed)
    days, people = BEFORE + DAYS, 2 * listeners
    taste = rng.dirichlet(np.full(GENRES, 0.5), size=(runs, people))
    popular = rng.dirichlet(np.full(GENRES, 2.0), size=(runs, 1))
    match = ((0.6 * taste + 0.4 * popular) * taste).sum(-1)  # of the genres put before them with those they like
    appeal = rng.gamma(4.0, 1 / 4.0, size=match.shape) * match / match.mean() / 7
    comes = rng.random((runs, people, days)) < rng.beta(2, 2, size=(runs, people, 1))
    shown = np.where(comes, rng.negative_binomial(4, 4 / 28, size=comes.shape), 0)
    mood = rng.gamma(8.0, 1 / 8.0, size=comes.shape)
    model = np.ones((1, people, days))
    model[:, listeners:, BEFORE:] += lift
    return Simulation(shown, rng.binomial(shown, np.clip(appeal[:, :, None] * mood * model, 0, 1)))


def sums(simulation: Simulation, run: int, day: int) -> tuple[ArmSums, ArmSums]:
    """Return the sums of both arms by the end of a day of the experiment, as `recommendations` hands them out."""
    shown, played = simulation.shown[run], simulation.played[run]
    until = slice(BEFORE, BEFORE + day)
    was_shown, was_played = shown[:, :BEFORE].sum(1), played[:, :BEFORE].sum(1)
    now_shown, now_played = shown[:, until].sum(1), played[:, until].sum(1)
    rate = (was_played.sum() + now_played.sum()) / (was_shown.sum() + now_shown.sum())
    x = (was_played - rate * was_shown) / (was_shown + PRIOR)
    y = (now_played - rate * now_shown) / (now_shown + PRIOR)
    weight = now_shown / (now_shown + PRIOR)

    def of(arm: slice) -> ArmSums:
        seen = np.flatnonzero(now_shown[arm] > 0) + arm.start
        moments = [
            float(v) for v in (y[seen].sum(), y[seen] @ y[seen], x[seen].sum(), x[seen] @ x[seen], x[seen] @ y[seen])
        ]
        counts = {"impressions": int(now_shown[seen].sum()), "plays": int(now_played[seen].sum())}
        return ArmSums(len(seen), *moments, float(weight[seen].sum()), **counts)

    half = len(shown) // 2
    return of(slice(0, half)), of(slice(half, 2 * half))
