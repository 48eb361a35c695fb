"""A canary of a service: a share of the listeners is answered by another version of it, until that does worse.

The share is drawn by a hash of the listener, so that everyone stays on one side, in every process that calls. What the
canary fails at is compared, call by call, with what the others fail at, by a cumulative sum (Page 1954): each failure
raises it, each answer lowers it, never below zero. Where it passes the bound, the canary is asked no more.

One file says which canaries there are. It is read again when it changes, and who takes a canary back writes it there,
for all processes that share the folder; on other machines each finds out by itself.
"""

import contextlib
import hashlib
import logging
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import structs
from urllib3.connectionpool import HTTPConnectionPool

from app.kernel import context
from app.kernel.balance import Instance
from app.kernel.tokens import WatchedFile

log = logging.getLogger(__name__)

FILE = Path("topology", "canaries.json")  # below the data folder

# The rate of failures that is borne with, and the one beyond it that must be found. A canary as good as the others is
# taken back once in e^9 = 8,000 calls at most (Lorden 1971), one that always fails after four.
BORNE, TOO_MUCH = 0.01, 0.1
BOUND = 9.0
KNOWN_CALLS = 50  # of the others, whose rate is a mean over about so many
MOST = 0.5  # where the others fail more often, something is away that both need, and the canary can't be judged


class Canary(msgspec.Struct, frozen=True):
    """Where another version of a module answers, whose share of the listeners it has, and why it has none any more."""

    url: str
    share: float
    taken_back: str = ""


Canaries = dict[str, Canary]
NONE = Canary("", 0.0)


def read(data_dir: Path) -> Canaries:
    """Return the canaries by module."""
    return WatchedFile(data_dir / FILE, _parsed).read() or {}


def write(data_dir: Path, canaries: Canaries) -> None:
    """Write them down; processes on this folder go by it from their next call on."""
    file = data_dir / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.unfinished")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(canaries)))
    unfinished.replace(file)


def _parsed(text: bytes) -> Canaries:
    return msgspec.json.decode(text, type=Canaries)


def is_of_share(module: str, actor: context.Actor, share: float) -> bool:
    """Say whether a person is answered by the canary; who isn't signed in, and Segue itself, never are."""
    if actor.listener_id is None:
        return False
    drawn = hashlib.blake2b(f"{module} {actor.listener_id}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn) < share * 2**64


class Comparison:
    """The cumulative sum of log likelihood ratios of "too much" to "borne with", for failures of one canary."""

    def __init__(self) -> None:
        self.calls = self.failures = 0
        self.rate_of_others = 0.0
        self._sum = 0.0

    def others(self, *, has_failed: bool) -> None:
        self.rate_of_others += (has_failed - self.rate_of_others) / KNOWN_CALLS

    def canary(self, *, has_failed: bool) -> bool:
        """Take an outcome of the canary's; say whether it is to be taken back."""
        self.calls += 1
        self.failures += has_failed
        if self.rate_of_others > MOST:
            return False
        borne = max(BORNE, self.rate_of_others)
        found = borne + TOO_MUCH
        step = math.log(found / borne) if has_failed else math.log((1 - found) / (1 - borne))
        self._sum = max(0.0, self._sum + step)
        return self._sum >= BOUND

    def __str__(self) -> str:
        return f"{self.failures} of {self.calls} calls failed, {self.rate_of_others:.1%} of the others'"


class Canaried:
    """The canary of one module, as the threads of a process that calls it share it."""

    def __init__(self, module: str, data_dir: Path, pool_at: Callable[[str], HTTPConnectionPool]) -> None:
        self.module = module
        self._data_dir = data_dir
        self._pool_at = pool_at
        self._file = WatchedFile(data_dir / FILE, _parsed)
        self._lock = threading.Lock()
        self._asked = NONE
        self._instance: Instance | None = None
        self._comparison = Comparison()

    def instance(self) -> Instance | None:
        """Return where the person who acts now is to be answered, if that is the canary."""
        found = (self._file.read() or {}).get(self.module, NONE)
        if found != self._asked:
            with self._lock:
                self._begin(found)
        if self._instance is None or not is_of_share(self.module, context.actor(), self._asked.share):
            return None
        return self._instance if self._instance.is_healthy else None

    def others_told(self, has_failed: bool) -> None:
        """Take an outcome of the other instances."""
        if self._instance is not None:
            self._comparison.others(has_failed=has_failed)

    def _begin(self, canary: Canary) -> None:
        if canary.url != self._asked.url or self._instance is None:
            self._comparison = Comparison()
        self._asked = canary
        self._instance = None
        if canary.url and not canary.taken_back:
            self._instance = Instance(self._pool_at(canary.url), self._told)

    def _told(self, has_failed: bool) -> None:
        with self._lock:
            if self._comparison.canary(has_failed=has_failed) and self._instance is not None:
                self._take_back(f"{self._comparison}")

    def _take_back(self, why: str) -> None:
        log.warning("canary taken back", extra={"part": self.module, "reason": why})
        self._instance = None  # also where nothing can be written
        self._asked = structs.replace(self._asked, taken_back=why)
        with contextlib.suppress(OSError):
            canaries = read(self._data_dir)
            found = canaries.get(self.module)
            if found and found.url == self._asked.url and not found.taken_back:
                write(self._data_dir, {**canaries, self.module: structs.replace(found, taken_back=why)})
