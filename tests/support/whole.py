"""`manage.py up` as a person starts it, and people who use it meanwhile."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import urllib3

from app.bench.system import free_port
from app.host.processes import came_true
from app.host.readiness import is_ready
from tests.support.stack import ROOT


class Whole:
    """One data folder, and one `up` after another on it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.port = data_dir, free_port()
        hidden = {"DATABASE_URL", "BROKER_URL"}
        self.environment = {k: v for k, v in os.environ.items() if k not in hidden}
        self.environment |= {"SEGUE_DATA_DIR": str(data_dir), "SEGUE_RATE_LIMITS": "0", "SEGUE_ENVIRONMENT": "test"}
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, within_s: float = 400) -> None:
        log = self.data_dir.with_name("up.log")
        with log.open("wb") as out:
            command = [sys.executable, "manage.py", "up", "--port", str(self.port), "--no-demo", *arguments]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=out, stderr=out)
        assert came_true(lambda: "Segue is running" in log.read_text(), within_s), log.read_text()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def manage(self, *arguments: str, within_s: float = 900) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )

    def done(self, *arguments: str) -> str:
        result = self.manage(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def is_open(self) -> bool:
        """Say whether the gateway answers that it can serve."""
        return is_ready(self.base_url)

    @property
    def noted(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.data_dir / "run" / "environment.json").read_text())
        return found


@contextlib.contextmanager
def whole_system() -> Iterator[Whole]:
    folder = Path(tempfile.mkdtemp(prefix="segue-whole-", dir="/tmp"))
    found = Whole(folder / "d")
    try:
        yield found
    finally:
        found.stop()
        with contextlib.suppress(OSError):
            rmtree((found.data_dir / "postgres" / "place").read_text())
        rmtree(folder, ignore_errors=True)


TIMES = itertools.count(int(time.time()) - 10_000_000)  # no listen is sent twice, whoever sends it
PATIENCE_S = 60.0
PAUSE_S = 0.02  # a steady load, not one that takes all of a small machine from what is watched


class People:
    """Submit listens, ask for recommendations and pages, until told to stop; every answer is counted."""

    def __init__(self, base_url: str, token: str, count: int = 3) -> None:
        self.base_url, self.token = base_url, token
        self.answers: Counter[int] = Counter()
        self.failed: list[str] = []
        self.acknowledged: set[int] = set()
        self.slowest_s = 0.0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def __enter__(self) -> "People":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def _run(self) -> None:
        pool = urllib3.connection_from_url(self.base_url, maxsize=1)
        while not self.stopping.is_set():
            at = next(TIMES)
            listen = {"listened_at": at, "artist": f"Artist {at % 20}", "title": f"Title {at % 50}"}
            if self._send(pool, "POST", "/api/v1/listens", {"listens": [listen]}):
                self.acknowledged.add(at)
            for path in ("/api/v1/recommendations?n=5", "/api/v1/playlists", "/api/v1/search?q=title", "/login"):
                self._send(pool, "GET", path)

    def _send(self, pool: Any, method: str, path: str, body: Any = None) -> bool:
        time.sleep(PAUSE_S)
        started = time.monotonic()
        status, said, _ = self._ask(pool, method, path, body)
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        self.answers[status] += 1
        if status != 200:
            self.failed.append(f"{method} {path}: {status} {said}")
        return status == 200

    def _ask(self, pool: Any, method: str, path: str, body: Any) -> tuple[int, str, bool]:
        """Return the status (0: no answer), what was said, and whether it is said when to try again."""
        headers = {"Authorization": f"Bearer {self.token}"} if path.startswith("/api") else {}
        try:
            sent = json.dumps(body).encode() if body else None
            reply = pool.request(method, path, body=sent, headers=headers, retries=False, redirect=False, timeout=30)
            return reply.status, reply.data[:200].decode(errors="replace"), "Retry-After" in reply.headers
        except urllib3.exceptions.HTTPError as error:
            return 0, repr(error)[:200], False


class Patient(People):
    """Ask again where there is no answer, as players and browsers do, and note how it went the first time.

    An answer is what was asked for, or that a part is away and when to try again. A listen is sent until it is taken.
    """

    def __init__(self, base_url: str, token: str, count: int = 3) -> None:
        super().__init__(base_url, token, count)
        self.tries: Counter[int] = Counter()
        self.wrong: list[str] = []  # what was said that is neither an answer nor no answer
        self.first: list[tuple[float, bool]] = []  # when it was asked, and whether it was answered at once

    def _send(self, pool: Any, method: str, path: str, body: Any = None) -> bool:
        time.sleep(PAUSE_S)
        started, is_first = time.monotonic(), True
        while True:
            status, said, is_marked = self._ask(pool, method, path, body)
            is_answered = status == 200 or (status == 503 and is_marked)
            self.tries[status] += 1
            if status not in (0, 200) and not is_answered:
                self.wrong.append(f"{time.monotonic():.1f} {method} {path}: {status} {said}")
            if is_first:
                self.first.append((started, is_answered))
            is_first = False
            waited = time.monotonic() - started
            if status == 200 or (is_answered and not body) or waited > PATIENCE_S:
                break
            time.sleep(0.2)
        self.slowest_s = max(self.slowest_s, waited)
        self.answers[status] += 1
        if not is_answered or (body and status != 200):
            self.failed.append(f"{method} {path}: {status} {said}")
        return status == 200

    def told(self) -> str:
        """Return how many requests there were, and what part of them was answered: at once, and with patience."""
        asked, at_once = len(self.first), sum(is_answered for _, is_answered in self.first)
        answered = 1 - len(self.failed) / max(1, self.answers.total())
        return (
            f"{asked} requests, answered at once {at_once / max(1, asked):.3%}, asked again {answered:.3%} "
            f"(the slowest after {self.slowest_s:.1f} s); {len(self.acknowledged)} listens acknowledged"
        )


def listened(base_url: str, token: str) -> list[str]:
    """Return when each listen of a person's history was, read page by page."""
    found: list[str] = []
    before = ""
    while True:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{base_url}/api/v1/listens?limit=1000{before}"
        page = json.loads(urllib3.request("GET", url, headers=headers, timeout=30).data)
        found += [listen["listened_at"] for listen in page["listens"]]
        if not page["next"]:
            return found
        before = f"&before={page['next']}"
