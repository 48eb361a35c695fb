"""`python -m app.host.launch RUN_FOLDER NAME`: note down process id and start, then become the program.

The process manager starts every program through this, so that its configuration holds neither paths nor secrets,
and so that what a killed predecessor left of its process group is gone before the next one starts. A program with
`binds` is run by `app.host.holder`, which keeps its sockets.
"""

import json
import os
import sys
import time
from pathlib import Path

from app.host.holder import hold
from app.host.processes import Record, read_record, start_mark, stop_recorded, write_record


def launch(folder: Path, name: str) -> None:
    """Become the program that `Supervisor` noted down. Does not return."""
    program = json.loads((folder / "programs.json").read_text())[name]
    former = read_record(folder / f"{name}.pid")
    if former and former.pid != os.getpid():
        stop_recorded(former)
    stopping = {key: program[key] for key in ("stop_signal", "stop_wait_s", "priority")}
    write_record(folder, Record(name, os.getpid(), start_mark(os.getpid()) or "", time.time(), **stopping))
    if program["binds"]:
        hold(folder, name)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SUPERVISOR_")}
    environment.update(program["environment"])
    os.chdir(program["directory"])
    os.execvpe(program["command"][0], program["command"], environment)  # noqa: S606


if __name__ == "__main__":
    launch(Path(sys.argv[1]), sys.argv[2])
