"""The models that this process serves: opened once, swapped when another one becomes champion, without a restart."""

import logging
import threading
import time
from dataclasses import dataclass
from uuid import UUID

from app.contracts.listens import Kind
from app.kernel import context
from app.kernel.contract import DomainError
from app.kernel.db import Database
from app.ml.artefact import Artefact, DamagedArtefact, open_artefact
from app.ml.session_tables import SessionTables, opened
from app.modules.recommendations import gauges, reading
from app.modules.recommendations.fetching import ArtefactCache, BrokenDownload

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
RETRY_S = 5.0
FIRST_WAIT_S = 1.0  # for a model that is being opened while there is none to serve


@dataclass(frozen=True)
class Serving:
    """One model, open. A request uses one from its start to its end."""

    kind: str
    model_id: UUID
    artefact: Artefact
    shown: gauges.Shown
    sessions: SessionTables | None = None


class Models:
    """Hands out each kind's model; opens the next one beside the requests, and keeps the old one if that fails."""

    def __init__(self, database: Database, cache: ArtefactCache) -> None:
        self.database = database
        self.cache = cache
        self._serving: dict[str, Serving] = {}
        self._opening: dict[str, threading.Thread] = {}
        self._failed: dict[str, float] = {}
        self._champions: dict[str, tuple[str, UUID]] = {}
        self._next_look = 0.0
        self._lock = threading.Lock()

    def get(self, kind: Kind) -> Serving | None:
        """Return the model that serves a kind now, None where there is none (yet)."""
        champion = self._look().get(kind)
        if champion is None:
            self._serving.pop(kind, None)
            return None
        current = self._serving.get(kind)
        if current is not None and current.artefact.sha256 == champion[0]:
            return current
        opening = self._open_beside(kind, *champion)
        if current is None and opening is not None:
            opening.join(FIRST_WAIT_S)
        return self._serving.get(kind)

    def _look(self) -> dict[str, tuple[str, UUID]]:
        if time.monotonic() >= self._next_look:
            with self.database.begin() as session:
                self._champions = reading.champions(session)
            self._next_look = time.monotonic() + LOOK_EVERY_S
        return self._champions

    def _open_beside(self, kind: Kind, sha256: str, model_id: UUID) -> threading.Thread | None:
        with self._lock:
            running = self._opening.get(kind)
            if running is not None and running.is_alive():
                return running
            if time.monotonic() < self._failed.get(sha256, 0.0):
                return None
            current = self._serving.get(kind)
            if current is not None and current.artefact.sha256 == sha256:
                return None
            thread = threading.Thread(target=self._open, args=(kind, sha256, model_id), daemon=True)
            self._opening[kind] = thread
            thread.start()
            return thread

    def _open(self, kind: Kind, sha256: str, model_id: UUID) -> None:
        try:
            with context.use(context.Context(actor=context.SYSTEM)):
                folder = self.cache.folder(sha256)
                artefact = open_artefact(folder)
        except (DamagedArtefact, BrokenDownload, DomainError, OSError) as error:
            if isinstance(error, DamagedArtefact):
                self.cache.drop(sha256)
            self._failed[sha256] = time.monotonic() + RETRY_S
            log.warning(
                "a model can't be opened; the one before goes on serving",
                extra={"kind": kind, "sha256": sha256, "reason": str(error)},
            )
            return
        self._serving[kind] = Serving(
            kind, model_id, artefact, gauges.Shown(kind, artefact.scorer.items), _sessions(artefact)
        )
        gauges.opened(kind, (folder / "manifest.json").stat().st_mtime)
        self._failed.pop(sha256, None)
        self.cache.keep_only({champion[0] for champion in self._champions.values()} | {sha256})
        log.info("model serves", extra={"kind": kind, "sha256": sha256, "items": artefact.scorer.items})


def _sessions(artefact: Artefact) -> SessionTables | None:
    """Return the session model that is beside the links, if there is a sound one for the same items."""
    weights = artefact.manifest.get("sessions")
    found = opened(artefact.tables, weights) if isinstance(weights, dict) else None
    return found if found is not None and found.scorer.items == artefact.scorer.items else None
