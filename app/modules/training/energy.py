"""What a run took: time, memory, and from these an estimate of energy, carbon and cost; docs/training.md tells how.

Where the processor's own counter (RAPL) can be read, its joules are taken, for the whole package and so for all that
ran beside; their error is about a tenth. Elsewhere processor time counts WATTS_PER_CORE and memory WATTS_PER_GB, as the
literature on such estimates has it, which may be half as much or half as much again.
"""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.modules.training.grid import Grid

WATTS_PER_CORE = 12.0  # a server processor's power over its cores, at load
WATTS_PER_GB = 0.37  # Lannelongue et al. 2021
ERROR, RAPL_ERROR = 0.5, 0.1
RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


@dataclass
class Meter:
    """Measures from where it was made."""

    grid: Grid
    price_kwh: float

    def __post_init__(self) -> None:
        self._wall, self._cpu, self._joules = time.monotonic(), _cpu_s(), _joules()

    def read(self) -> dict[str, Any]:
        """Return what was used so far; `kwh_error` is the share by which `kwh` may be off, either way."""
        wall, cpu, peak = time.monotonic() - self._wall, _cpu_s() - self._cpu, _peak_mb()
        joules, is_measured = _joules(), False
        kwh = (cpu * WATTS_PER_CORE + wall * peak / 1000 * WATTS_PER_GB) / 3.6e6
        if joules is not None and self._joules is not None and joules >= self._joules:
            kwh, is_measured = (joules - self._joules) / 3.6e6, True
        return {
            "wall_s": round(wall, 2),
            "cpu_s": round(cpu, 2),
            "peak_rss_mb": round(peak, 1),
            "kwh": round(kwh, 9),
            "kwh_error": RAPL_ERROR if is_measured else ERROR,
            "kwh_method": "RAPL" if is_measured else "processor time and memory",
            "gco2": round(kwh * self.grid.now(), 4),
            "cost": round(kwh * self.price_kwh, 6),
        }


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_mb() -> float:
    # ru_maxrss counts kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _joules() -> float | None:
    try:
        return int(RAPL.read_text()) / 1e6
    except (OSError, ValueError):
        return None
