"""The rules of training: what may be started, stopped, promoted, and read."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from app.contracts.events import FeedPage
from app.contracts.listens import Kind
from app.contracts.training import (
    ArtefactFile,
    ChampionChanged,
    Model,
    ModelNotFound,
    NothingToTrain,
    Run,
    Snapshot,
    SnapshotCheck,
)
from app.kernel import feed
from app.kernel.contract import DeadlineExceeded, ServiceUnavailable
from app.kernel.db import Database
from app.modules.training import artefacts, fitting, registry, runs
from app.modules.training.erasures import Erasures
from app.modules.training.runner import Runner
from app.modules.training.snapshots import Snapshots

SHA256 = re.compile(r"[0-9a-f]{64}")
EVENT = msgspec.json.Decoder(ChampionChanged)
MAX_PAGE = 1000


class TrainingService:
    """Implements `app.contracts.training.Training`. `ring` wakes a worker for a run, and may fail silently."""

    def __init__(
        self, database: Database, snapshots: Snapshots, models_home: Path, ring: Callable[[UUID], None]
    ) -> None:
        self.database = database
        self.snapshots = snapshots
        self.models_home = models_home
        self.ring = ring
        self.runner = Runner(database, snapshots, models_home)
        self.erasures = Erasures(database, snapshots)

    def create_snapshot(self) -> Snapshot:
        return self.snapshots.create()

    def list_snapshots(self) -> list[Snapshot]:
        return self.snapshots.list()

    def get_snapshot(self, snapshot_id: str) -> Snapshot:
        return self.snapshots.get(snapshot_id)

    def verify_snapshot(self, snapshot_id: str) -> SnapshotCheck:
        return self.snapshots.check(snapshot_id)

    def start_run(self, kind: Kind, snapshot_id: str | None = None, parameters: dict[str, Any] | None = None) -> Run:
        checked = fitting.checked_parameters(parameters or {})
        snapshot = self.snapshots.get(snapshot_id) if snapshot_id is not None else None
        self._refuse_nothing(kind, snapshot)
        with self.database.begin() as session:
            run, is_new = runs.insert(session, kind, snapshot.snapshot_id if snapshot else None, checked)
        if is_new:
            self.ring(run.run_id)
        return run

    def _refuse_nothing(self, kind: Kind, snapshot: Snapshot | None) -> None:
        """Raise NothingToTrain where that is known without reading the whole feed."""
        newest = snapshot or next(iter(self.snapshots.list()), None)
        if newest is not None and (newest.recordings if kind == "recordings" else newest.artists):
            return
        if snapshot is None:
            try:
                if self.snapshots.has_more_than(newest):
                    return
            except (ServiceUnavailable, DeadlineExceeded):
                return  # the run waits, and finds out
        raise NothingToTrain(fitting.nothing(kind, has_other=newest is not None and newest.rows > 0))

    def get_run(self, run_id: UUID) -> Run:
        with self.database.begin() as session:
            return runs.get(session, run_id)

    def list_runs(self, limit: int = 50) -> list[Run]:
        with self.database.begin() as session:
            return runs.newest(session, max(1, min(limit, MAX_PAGE)))

    def cancel_run(self, run_id: UUID) -> Run:
        with self.database.begin() as session:
            return runs.cancel(session, run_id)

    def list_models(self, kind: Kind | None = None) -> list[Model]:
        with self.database.begin() as session:
            return registry.listed(session, kind)

    def get_model(self, model_id: UUID) -> Model:
        with self.database.begin() as session:
            return registry.get(session, model_id)

    def promote(self, model_id: UUID, reason: str = "") -> Model:
        with self.database.begin() as session:
            return registry.promote(session, model_id, reason)

    def roll_back(self, kind: Kind, reason: str = "") -> Model:
        with self.database.begin() as session:
            return registry.roll_back(session, kind, reason)

    def champions(self) -> list[Model]:
        with self.database.begin() as session:
            return registry.champions(session)

    def artefact_files(self, sha256: str) -> list[ArtefactFile]:
        return artefacts.files(self._artefact(sha256))

    def read_artefact(self, sha256: str, name: str, offset: int, size: int) -> bytes:
        return artefacts.read(self._artefact(sha256), name, offset, size)

    def _artefact(self, sha256: str) -> Path:
        if not SHA256.fullmatch(sha256):
            raise ModelNotFound
        with self.database.begin() as session:
            if not registry.is_known(session, sha256):
                raise ModelNotFound
        return self.models_home / sha256

    def feed(self, after: str, limit: int = 1000) -> FeedPage[ChampionChanged]:
        with self.database.begin() as session:
            events, cursor = feed.read(session, after, max(1, min(limit, MAX_PAGE)))
        return FeedPage([EVENT.decode(event) for event in events], cursor)

    def has_traces(self, pseudonym: UUID) -> bool:
        return self.erasures.has_traces(pseudonym)

    def run(self, run_id: UUID) -> None:
        """Advance a run to its end; what the worker's task calls."""
        self.runner.run(run_id)

    def reap(self) -> None:
        """Queue again the runs whose worker is gone, and ring for those that wait. Any process may call it."""
        with self.database.begin() as session:
            given_up, waiting = runs.reap(session)
        for run_id in {*given_up, *waiting}:
            self.ring(run_id)
