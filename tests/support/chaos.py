"""Random faults for a running system: the same seed and parts plan the same faults in the same order.

What requests are under way when one happens is not in the seed: a run can be repeated, a race can't be promised.
"""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from app.contracts.callers import MODULE_CALLS
from app.host.processes import is_alive, read_records
from app.topology import GATEWAY, Topology
from tests.support.between import WAYS, Between, Spoiling
from tests.support.small_disk import full
from tests.support.stepped_clock import SteppedClock
from tests.support.whole import Whole

HEALTHY_WITHIN_S = 30.0
SERVERS = ("postgres", "valkey")
SHARES = {"kill": 40, "stop": 10, "between": 38, "disk": 6, "clock": 6}
STEPS_S = (-3600, -400, -60, -5, 5, 60, 400, 3600)


@dataclass(frozen=True)
class Fault:
    """`kind` is kill, stop, disk, clock or one of WAYS; `part` is a program, or what `caller` calls."""

    kind: str
    part: str = ""
    caller: str = ""
    seconds: float = 0.0
    delay_s: float = 0.0
    limit: int = 0
    step_s: int = 0

    def __str__(self) -> str:
        between = f"{self.caller} → {self.part}" if self.caller else self.part
        amounts = [f"{self.seconds:.1f} s"] if self.seconds else []
        amounts += [f"{self.delay_s * 1000:.0f} ms each"] if self.kind == "delay" else []
        amounts += [f"after {self.limit} bytes"] if self.kind == "cut" else []
        amounts += [f"{self.step_s:+d} s"] if self.step_s else []
        return f"{self.kind} {between} {', '.join(amounts)}".replace("  ", " ").rstrip()


def programs_of(topology: Topology) -> list[str]:
    return sorted([*topology.processes, "worker", *SERVERS, "supervisord"])


def pairs_of(topology: Topology) -> list[tuple[str, str]]:
    """Return who calls whom by a socket: programs by the contracts that they may call, all of them the servers."""
    found = {(GATEWAY, name) for name in topology.processes if name != GATEWAY}
    for name, process in topology.processes.items():
        called = {topology.owner(other) for module in process.modules for other in MODULE_CALLS[module]}
        found |= {(name, other) for other in called if other != name}
        if process.modules:
            found.add((name, "postgres"))
    found |= {("worker", name) for name in SERVERS} | {(GATEWAY, "valkey")}
    return sorted(found)


def plan(seed: int, count: int, topology: Topology, kinds: dict[str, int]) -> list[Fault]:
    """Return that many faults; each kind comes at least once where there is room, the rest by its share."""
    chance = random.Random(seed)
    chosen = list(kinds)[:count]
    chosen += chance.choices(list(kinds), list(kinds.values()), k=count - len(chosen))
    chance.shuffle(chosen)
    return [_fault(kind, chance, topology) for kind in chosen]


def _fault(kind: str, chance: random.Random, topology: Topology) -> Fault:
    seconds = round(chance.uniform(1, 6), 1)
    if kind == "kill":
        return Fault("kill", chance.choice(programs_of(topology)))
    if kind == "stop":
        return Fault("stop", chance.choice(programs_of(topology)), seconds=seconds)
    if kind == "disk":
        return Fault("disk", seconds=seconds)
    if kind == "clock":
        return Fault("clock", step_s=chance.choice(STEPS_S))
    caller, part = chance.choice(pairs_of(topology))
    delay_s, limit = round(chance.uniform(0.02, 0.5), 2), chance.randrange(1, 400)
    return Fault(chance.choice(WAYS), part, caller, seconds, delay_s=delay_s, limit=limit)


@dataclass
class Outcome:
    fault: Fault
    began: float
    ended: float
    healthy_after_s: float | None  # after its end; None: not within HEALTHY_WITHIN_S


@dataclass
class Chaos:
    """Inflicts faults on a system, one after the other, each when the one before is overcome."""

    whole: Whole
    disk: Path
    clock: SteppedClock
    topology: Topology
    faults: list[Fault]
    outcomes: list[Outcome] = field(default_factory=list)
    proxies: dict[str, Between] = field(default_factory=dict)

    @contextlib.contextmanager
    def proxied(self) -> Iterator[None]:
        """Put a proxy before each socket by which parts reach each other."""
        run = self.whole.data_dir / "run"
        sockets = {path.stem: path for path in run.glob("*.sock") if path.stem != "supervisor"}
        sockets["postgres"] = next(self.disk.rglob(".s.PGSQL.*[0-9]"))
        with contextlib.ExitStack() as stack:
            for part, path in sockets.items():
                self.proxies[part] = stack.enter_context(Between(path, self.name_of))
            yield

    def name_of(self, pid: int) -> str:
        with contextlib.suppress(ProcessLookupError):
            group = os.getpgid(pid)
            return next((record.name for record in self.records if record.pid == group), "")
        return ""

    @property
    def records(self) -> list[Any]:
        return read_records(self.whole.data_dir / "run")

    def inflict(self, say: Callable[[str], None], within_s: float) -> None:
        until = time.monotonic() + within_s
        for number, fault in enumerate(self.faults, 1):
            if time.monotonic() > until:
                break
            began = time.monotonic()
            self._do(fault)
            ended = time.monotonic()
            took = self._healthy_after(ended)
            self.outcomes.append(Outcome(fault, began, time.monotonic(), took))
            said = "not healthy in time" if took is None else f"healthy after {took:.1f} s"
            say(f"{number:3}  {fault}: {said}")

    def _do(self, fault: Fault) -> None:
        if fault.kind == "kill":
            self._signal(fault.part, signal.SIGKILL)
            time.sleep(0.3)  # who counts its dead sees it
        elif fault.kind == "stop":
            pid = self._signal(fault.part, signal.SIGSTOP)
            time.sleep(fault.seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGCONT)
        elif fault.kind == "disk":
            with full(self.disk):
                time.sleep(fault.seconds)
        elif fault.kind == "clock":
            self.clock.step(fault.step_s)
            time.sleep(1.5)  # the library looks once a second
        else:
            until = time.monotonic() + fault.seconds
            self.proxies[fault.part].spoil(Spoiling(fault.caller, fault.kind, until, fault.delay_s, fault.limit))
            time.sleep(fault.seconds)

    def _signal(self, part: str, number: int) -> int:
        [record] = [record for record in self.records if record.name == part]
        with contextlib.suppress(ProcessLookupError):  # it may be between two lives
            os.killpg(record.pid, number)
        return int(record.pid)

    def _healthy_after(self, ended: float) -> float | None:
        while (waited := time.monotonic() - ended) < HEALTHY_WITHIN_S:
            if self.is_healthy():
                return waited
            time.sleep(0.1)
        return None

    def is_healthy(self) -> bool:
        """Say whether every program runs, and is noted, and the gateway finds every part up."""
        alive = {record.name for record in self.records if is_alive(record)}
        if not alive.issuperset(programs_of(self.topology)):
            return False
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return urllib3.request("GET", f"{self.whole.base_url}/readyz", timeout=5, retries=False).status == 200
        return False

    def told(self) -> str:
        """Return how many there were of each kind, and how long it took until all was healthy again."""
        kinds = sorted(Counter(outcome.fault.kind for outcome in self.outcomes).items())
        took = sorted(outcome.healthy_after_s or HEALTHY_WITHIN_S for outcome in self.outcomes)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds)
        median, most = took[len(took) // 2], took[-1]
        return f"{len(took)} faults ({counts}); healthy after {median:.1f} s (median), {most:.1f} s (most)"
