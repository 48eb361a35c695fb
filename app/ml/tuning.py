"""Choosing a model's parameters on validation parts that are taken from its training data, and from nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Chosen = dict[str, float]
Objective = Callable[[Chosen], float]

LEAST_GAIN = 1e-5
DOUBLINGS = 3  # of a step that goes on paying


@dataclass(frozen=True)
class Step:
    """How a parameter is moved: times or plus a step, within bounds."""

    size: float
    low: float
    high: float
    is_factor: bool = False

    def moved(self, value: float, by: float) -> float:
        found = value * self.size**by if self.is_factor else value + by * self.size
        return round(min(self.high, max(self.low, found)), 10)


def climb(
    objective: Objective,
    start: Mapping[str, float],
    steps: Mapping[str, Step],
    evaluations: int,
    tell: Callable[[int], None] = lambda _count: None,
) -> tuple[Chosen, float]:
    """Return the best found by moving one parameter at a time, and its objective, in at most so many evaluations.

    A step that pays is made again twice as long; when none does, all are halved. Goes through parameters in their
    order, so the same objective gives the same answer.
    """
    best, spent = dict(start), 0
    known: dict[tuple[float, ...], float] = {}

    def value(chosen: Chosen) -> float | None:
        nonlocal spent
        key = tuple(chosen[name] for name in sorted(chosen))
        if key not in known:
            if spent >= evaluations:
                return None
            spent += 1
            tell(spent)
            known[key] = objective(chosen)
        return known[key]

    reached = value(best) or 0.0
    length, towards = 1.0, dict.fromkeys(steps, 1.0)
    while spent < evaluations and length > 0.2:
        has_moved = False
        for name, step in steps.items():
            for sign in (towards[name], -towards[name]):
                by, has_gained = length, False
                for _ in range(DOUBLINGS):
                    candidate = {**best, name: step.moved(best[name], sign * by)}
                    found = value(candidate)
                    if found is None or found <= reached + LEAST_GAIN:
                        break
                    best, reached, has_gained = candidate, found, True
                    by *= 2
                if has_gained:
                    towards[name], has_moved = sign, True
                    break
        if not has_moved:
            length /= 2
    return best, reached
