"""The form of a benchmark's answer, and how its figures are taken."""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec


class Result(msgspec.Struct, frozen=True):
    """`ratio` is value / reference, both measured in this run; None where a figure stands alone."""

    name: str
    value: float | None
    unit: str
    reference: float | None = None
    ratio: float | None = None


def against(name: str, value: float, unit: str, reference: float) -> Result:
    return Result(name, round(value, 4), unit, round(reference, 4), round(value / reference, 3))


def report(bench: str, results: list[Result]) -> dict[str, Any]:
    machine = {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
    return {"bench": bench, "machine": machine, "results": results}


def median_ms(samples: list[float]) -> float:
    return statistics.median(samples) * 1000


def percentile_ms(samples: list[float], percent: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


def interleaved(calls: dict[str, Callable[[], object]], *, rounds: int, each: int) -> dict[str, list[float]]:
    """Time each call `each` times a round, in turns, so that what else the machine does falls on all alike.

    Returns seconds per call.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                for _ in range(each):
                    started = time.perf_counter()
                    call()
                    samples[name].append(time.perf_counter() - started)
    finally:
        gc.enable()
    return samples


def per_call_us(call: Callable[[], object], *, calls: int = 20_000) -> float:
    """Return the time of a call too short for a clock reading each, in microseconds."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls * 1e6
