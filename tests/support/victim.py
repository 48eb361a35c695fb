"""A process that calls methods of training, each in a child that a test can kill -9 in the middle.

Reads a line of JSON for each call (`{"method": …, "arguments": […], "environment": {…}}`) and writes the child's pid.
The modules are imported once, so a child is there at once.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

from tests.support.stack import ROOT


class Victim:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def call(self, method: str, *arguments: object, **environment: str) -> int:
        """Begin a call and return the pid of who makes it."""
        assert self.process.stdin
        assert self.process.stdout
        said = {"method": method, "arguments": arguments, "environment": environment}
        self.process.stdin.write(json.dumps(said, default=str) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def running_victim(environment: dict[str, str]) -> Iterator[Victim]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.victim"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Victim(process)
        finally:
            process.kill()


def main() -> None:
    from app.composition import services_for
    from app.kernel.context import SYSTEM, acting_as
    from app.modules.training import wiring
    from app.settings import load
    from app.topology import load as load_topology

    assert wiring.build
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    for line in sys.stdin:
        said = json.loads(line)
        if pid := os.fork():
            sys.stdout.write(f"{pid}\n")
            sys.stdout.flush()
            continue
        settings = load({**os.environ, **said["environment"]})
        container = services_for(settings, load_topology(settings.topology), "worker")
        arguments = [_as_id(each) for each in said["arguments"]]
        with acting_as(SYSTEM):
            getattr(container.wire("training").service, said["method"])(*arguments)
        os._exit(0)


def _as_id(argument: object) -> object:
    try:
        return UUID(argument) if isinstance(argument, str) else argument
    except ValueError:
        return argument


if __name__ == "__main__":
    main()
