"""Replaces running programs without refusing a request: see `app.host.holder`."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from app.host.holder import READY_WITHIN_S
from app.host.places import HostError, run_folder
from app.host.processes import is_alive, read_record


def swap(data_dir: Path, name: str, *, until: str = "done") -> None:
    """Replace a program by the form that is noted down now, and wait. Raises HostError when the old one goes on.

    With `until="waiting"` it returns when the predecessor ended and the successor waits for its gate.
    """
    before = _told(data_dir, name).get("count", 0)
    record = read_record(run_folder(data_dir) / f"{name}.pid")
    if record is None or not is_alive(record):
        raise HostError(f"{name} is not running")
    os.kill(record.pid, signal.SIGHUP)
    wait_for(data_dir, name, before, until)


def wait_for(data_dir: Path, name: str, count: int, until: str = "done") -> None:
    """Wait for the end of a swap that is under way; `count` swaps had ended before it."""
    deadline = time.monotonic() + READY_WITHIN_S + 60
    while True:
        told = _told(data_dir, name)
        if told.get("state") == "waiting" and until == "waiting":
            return
        if told.get("count", 0) > count and told["state"] != "waiting":
            if told["state"] == "failed":
                raise HostError(f"{name} was not replaced, the old one goes on: {told['reason']}")
            return
        record = read_record(run_folder(data_dir) / f"{name}.pid")
        if record is None or not is_alive(record) or time.monotonic() > deadline:
            raise HostError(f"{name} died while it was replaced: see log/{name}.log")
        time.sleep(0.05)


def swaps(data_dir: Path, name: str) -> int:
    """Return how many swaps of a program have ended since it was started."""
    return int(_told(data_dir, name).get("count", 0))


def is_waiting(data_dir: Path, name: str) -> bool:
    """Say whether a successor waits for its gate."""
    return _told(data_dir, name).get("state") == "waiting"


def _told(data_dir: Path, name: str) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads((run_folder(data_dir) / f"{name}.swap").read_text())
        return found
    return {}
