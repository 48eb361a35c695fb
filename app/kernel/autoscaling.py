"""How many instances of a process are wanted: the rule of Kubernetes' autoscaler, as a function.

wanted = ceil(now × load / target), within bounds; more at once, fewer only after the load asked for fewer during a
whole window, so that a short pause stops nothing. Source: kubernetes.io, "Horizontal Pod Autoscaling".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

TOLERANCE = 0.1


@dataclass(frozen=True)
class Rule:
    """`target` is the share of its threads that an instance should have busy; `window_s` the patience before fewer."""

    target: float = 0.6
    window_s: float = 300.0
    least: int = 2
    most: int = 6


# What computes; the other processes wait for PostgreSQL more. The Kubernetes manifests are made from these numbers.
RULES = {"gateway": Rule(), "recommendations": Rule()}


@dataclass
class Scaler:
    """Applies a rule to one process; told the load, it says how many instances are wanted."""

    rule: Rule
    instances: int
    _asked: list[tuple[float, int]] = field(default_factory=list)

    def tell(self, at_s: float, busy: float) -> int:
        """Return how many are wanted; `busy` is the work under way, 1.0 being all threads of one instance."""
        ratio = busy / self.instances / self.rule.target
        wanted = self.instances if abs(ratio - 1) <= TOLERANCE else math.ceil(self.instances * ratio)
        wanted = max(self.rule.least, min(self.rule.most, wanted))
        self._asked = [(at, count) for at, count in self._asked if at > at_s - self.rule.window_s] + [(at_s, wanted)]
        self.instances = max(count for _, count in self._asked) if wanted < self.instances else wanted
        return self.instances


@dataclass(frozen=True)
class Step:
    at_s: float
    busy: float
    instances: int


def simulate(rule: Rule, load: Iterable[tuple[float, float]], *, start_s: float = 20.0) -> list[Step]:
    """Replay recorded load, pairs of time and work; an instance that is asked for helps after `start_s`.

    `busy` of a step is the share of the instances' threads that is busy, above 1 where work has to wait.
    """
    scaler = Scaler(rule, rule.least)
    starting: list[tuple[float, int]] = []
    serving, steps = rule.least, []
    for at_s, work in load:
        serving = max([count for ready_at, count in starting if ready_at <= at_s], default=serving)
        wanted = scaler.tell(at_s, work)
        if wanted < serving:
            serving, starting = wanted, []
        elif wanted > serving:
            starting.append((at_s + start_s, wanted))
        steps.append(Step(at_s, work / serving, serving))
    return steps
