"""How many replicas a process gets: the numbers that the Kubernetes manifests carry too."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Aim at `target_percent` of the requested CPU, over the last `window_s` when going down, within the bounds."""

    target_percent: int = 60
    window_s: int = 300
    at_least: int = 2
    at_most: int = 6


# What computes: the gateway and recommendations. The others wait for PostgreSQL more.
RULES = {"gateway": Rule(), "recommendations": Rule()}
