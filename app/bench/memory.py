"""What the processes of a system take of the machine's memory, as Linux tells it."""

import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from app.bench.system import Process


def members(processes: Iterable[Process]) -> list[int]:
    """Return the ids of processes and of all that they started."""
    found = []
    for process in processes:
        parent = psutil.Process(process.pid)
        found += [parent.pid, *(child.pid for child in parent.children(recursive=True))]
    return found


def megabytes(pids: Iterable[int], kind: str = "Pss:") -> float:
    """Return the sum over processes, 0 where Linux doesn't tell.

    `Pss:` is memory in use, what several share counted in parts; `Private_` is what would be free without them.
    """
    if sys.platform != "linux":
        return 0.0
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1000
