"""The models that this process serves: opened beside the requests, and swapped without a restart or a failed request.

A thread looks at the table of champions twice a second for as long as there are requests. What changed it opens,
verifies and warms, and then replaces the one reference that requests read: each works with what it got to its end.
"""

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.experiments import ServedBy, Trial
from app.contracts.listens import Kind
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.contract import DomainError
from app.kernel.db import Database
from app.ml.arms import is_controlled, is_treated
from app.ml.artefact import Artefact
from app.ml.session_tables import SessionTables, opened
from app.modules.recommendations import answers, gauges, reading
from app.modules.recommendations.answers import Answers
from app.modules.recommendations.fetching import ArtefactCache
from app.modules.recommendations.opening import Opener
from app.modules.recommendations.reading import Champion

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
RETRY_S = 2.0
IDLE_S = 60.0  # without a request for so long a process stops looking, and begins again with the next
FIRST_WAIT_S = 1.0  # for a model that is being opened while there is none to serve


@dataclass(frozen=True)
class Serving:
    """One model, open. A request uses one from its start to its end."""

    kind: str
    model_id: UUID | None
    artefact: Artefact
    shown: gauges.Shown
    sessions: SessionTables | None = None


@dataclass(frozen=True)
class Served:
    """All that a kind has open: `before` is what answers where the champion can't."""

    champion: Serving
    before: Serving | None = None
    trial: Trial | None = None
    treatment: Serving | None = None
    control: Serving | None = None


@dataclass(frozen=True)
class Choice:
    """What answers a listener, best first, and the shadow that is asked as well."""

    serving: list[Serving] = field(default_factory=list)
    shadow: Serving | None = None


class Models:
    """Hands out the models of each kind; keeps the old one where the next can't be opened."""

    def __init__(self, database: Database, cache: ArtefactCache, opener: Opener, clock: Clock) -> None:
        self.database = database
        self.cache = cache
        self.opener = opener
        self.clock = clock
        self.answers = Answers()
        self._served: dict[str, Served] = {}
        self._opened: dict[str, float] = {}
        self._failed: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._asked_at = 0.0
        self._looked = threading.Event()
        self._lock = threading.Lock()
        self._next_round = 0.0

    def get(self, kind: Kind) -> Serving | None:
        """Return the champion of a kind, None where there is none (yet)."""
        found = self._current(kind)
        return found.champion if found else None

    def choose(self, kind: Kind, listener_id: UUID) -> Choice:
        """Return what answers a listener: the model of their arm, then the champion, then the one before."""
        found = self._current(kind)
        if found is None:
            return Choice()
        arm, shadow, trial = None, None, found.trial
        if trial is not None:
            if is_treated(trial.salt, listener_id, trial.share):
                arm, shadow = (None, found.treatment) if trial.mode == "shadow" else (found.treatment, None)
            elif trial.mode == "ab" and is_controlled(trial.salt, listener_id, trial.share):
                arm = found.control
        return Choice([each for each in (arm, found.champion, found.before) if each is not None], shadow)

    def _current(self, kind: Kind) -> Served | None:
        self._asked_at = time.monotonic()
        if self._thread is None or not self._thread.is_alive():
            self._begin()
        if kind not in self._served:
            self._looked.wait(FIRST_WAIT_S)
        return self._served.get(kind)

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._looked.clear()
                self._thread = threading.Thread(target=self._keep_looking, name="models", daemon=True)
                self._thread.start()

    def _keep_looking(self) -> None:
        with context.use(context.Context(actor=context.SYSTEM)):
            while time.monotonic() - self._asked_at < IDLE_S:
                try:
                    self._look()
                    self._tell()
                except DomainError as error:
                    log.info("looking for models waits", extra={"reason": error.message})
                except Exception:
                    # the thread must outlive whatever a model or a file does; requests go on with what there is
                    log.exception("looking for models failed")
                self._looked.set()
                time.sleep(LOOK_EVERY_S)

    def _look(self) -> None:
        with self.database.begin() as session:
            champions = reading.champions(session)
        for kind in [kind for kind in self._served if kind not in champions]:
            del self._served[kind]
        for kind, champion in champions.items():
            self._update(kind, champion)

    def _update(self, kind: str, champion: Champion) -> None:
        old = self._served.get(kind)
        held = {each.artefact.sha256: each for each in _all(old)}
        serving = self._opening(kind, champion.sha256, champion.model_id, held)
        before = old.champion if old is not None else None
        if serving is None:
            serving = before or (
                self._opening(kind, champion.previous_sha256, None, held) if champion.previous_sha256 else None
            )
            if serving is None:
                return
        if before is not None and before.artefact.sha256 == serving.artefact.sha256:
            before = old.before if old is not None else None
        if before is None and champion.previous_sha256 not in {None, serving.artefact.sha256}:
            before = self._opening(kind, str(champion.previous_sha256), None, held)
        trial = champion.trial
        treatment = control = None
        if trial is not None:
            treatment = self._opening(kind, trial.treatment.sha256, trial.treatment.model_id, held)
            if trial.control is not None:
                control = self._opening(kind, trial.control.sha256, trial.control.model_id, held)
        new = Served(serving, before, trial, treatment, control)
        self._served[kind] = new
        if old is None or old.champion is not serving:
            gauges.opened(kind, (self.cache.folder(serving.artefact.sha256) / "manifest.json").stat().st_mtime)
            log.info("model serves", extra={"kind": kind, "sha256": serving.artefact.sha256})
        if {each.artefact.sha256 for each in _all(new)} != set(held):
            self.cache.keep_only({each.artefact.sha256 for served in self._served.values() for each in _all(served)})

    def _opening(self, kind: str, sha256: str, model_id: UUID | None, held: dict[str, Serving]) -> Serving | None:
        if sha256 in held:
            return held[sha256]
        if time.monotonic() < self._failed.get(sha256, 0.0):
            return None
        started = time.perf_counter()
        artefact = self.opener.open(kind, sha256)
        if artefact is None:
            self._failed[sha256] = time.monotonic() + RETRY_S
            return None
        self._failed.pop(sha256, None)
        self._opened[sha256] = (time.perf_counter() - started) * 1000
        shown = gauges.Shown(kind, artefact.scorer.items)
        return Serving(kind, model_id, artefact, shown, _sessions(artefact))

    def _tell(self) -> None:
        """Write the counts of answers, and which model this process serves."""
        tallies, now = self.answers.take(), self.clock()
        is_due = time.monotonic() >= self._next_round
        rows = [self._row(kind, served, now) for kind, served in self._served.items()]
        with self.database.begin() as session:
            if tallies:
                answers.write(session, tallies, now)
            if rows:
                _acknowledge(session, rows)
            if is_due:
                self._next_round = time.monotonic() + 60
                answers.forget_old(session, now)
                session.execute(
                    text("delete from served_by where seen_at < :now - interval '10 minutes'"), {"now": now}
                )

    def _row(self, kind: str, served: Served, now: datetime) -> dict[str, object]:
        sha256 = served.champion.artefact.sha256
        took = self._opened.get(sha256, 0.0)
        process = f"{self.opener.settings.process}@{socket.gethostname()}:{os.getpid()}"
        return {"process": process, "kind": kind, "sha256": sha256, "took": took, "now": now}


def _sessions(artefact: Artefact) -> SessionTables | None:
    """Return the session model that is beside the links, if there is a sound one for the same items."""
    weights = artefact.manifest.get("sessions")
    found = opened(artefact.tables, weights) if isinstance(weights, dict) else None
    return found if found is not None and found.scorer.items == artefact.scorer.items else None


def _all(served: Served | None) -> list[Serving]:
    if served is None:
        return []
    found = (served.champion, served.before, served.treatment, served.control)
    return [each for each in found if each is not None]


def _acknowledge(session: Session, rows: list[dict[str, object]]) -> None:
    """Write what this process serves; a row that says so already is renewed every five seconds."""
    session.execute(
        text(
            """
            insert into served_by as s (process, kind, sha256, since, opened_ms, seen_at)
            values (:process, :kind, :sha256, :now, :took, :now)
            on conflict (process, kind) do update
            set sha256 = excluded.sha256, opened_ms = excluded.opened_ms, seen_at = excluded.seen_at,
                since = case when s.sha256 = excluded.sha256 then s.since else excluded.since end
            where s.sha256 <> excluded.sha256 or s.seen_at < excluded.seen_at - interval '5 seconds'
            """
        ),
        rows,
    )


def served_by(session: Session) -> list[ServedBy]:
    """Return what each process serves that said so lately."""
    rows = session.execute(
        text("select process, kind, sha256, since, opened_ms, seen_at from served_by order by kind, process")
    )
    return [ServedBy(*row) for row in rows]
