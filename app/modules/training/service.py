"""The rules of training: what may be started, stopped, promoted, and read."""

import contextlib
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from app.contracts.events import FeedPage
from app.contracts.experiments import Experiment, ExperimentEffect, Mode, TrustedKey
from app.contracts.listens import Kind
from app.contracts.recommendations import Recommender
from app.contracts.training import (
    ArtefactFile,
    ChampionChanged,
    DataCheck,
    Drift,
    Evaluation,
    GateDecision,
    IllegalMove,
    Model,
    ModelNotFound,
    NothingToTrain,
    NotReproducible,
    RefusedModel,
    Run,
    RunLogLine,
    Schedule,
    Snapshot,
    SnapshotCheck,
    SnapshotNotFound,
    Transition,
)
from app.kernel import feed
from app.kernel.contract import DeadlineExceeded, InvalidRequest, ServiceUnavailable
from app.kernel.db import Database
from app.ml.signature import key_id
from app.modules.training import artefacts, cards, evidence, experiments, fitting, importing, registry, runs, schedules
from app.modules.training.erasures import Erasures
from app.modules.training.keys import Keys
from app.modules.training.model_store import ModelStore
from app.modules.training.runner import Runner
from app.modules.training.search import MOST as MOST_TRIALS
from app.modules.training.search import check_installed
from app.modules.training.snapshots import Snapshots
from app.modules.training.steps import Options, Steps
from app.modules.training.watching import Watch

log = logging.getLogger(__name__)

SHA256 = re.compile(r"[0-9a-f]{64}")
EVENT = msgspec.json.Decoder(ChampionChanged)
MAX_PAGE = 1000


class TrainingService:
    """Implements `app.contracts.training.Training`. `ring` wakes a worker for a run, and may fail silently."""

    def __init__(
        self,
        database: Database,
        snapshots: Snapshots,
        models: ModelStore,
        ring: Callable[[UUID], None],
        options: Options,
        *,
        keys: Keys,
        recommendations: Callable[[], Recommender],
    ) -> None:
        self.database = database
        self.snapshots = snapshots
        self.models = models
        self.ring = ring
        self.keys = keys
        self.runner = Runner(database, Steps(database, snapshots, models, options))
        self.watch = Watch(database, recommendations)
        self.erasures = Erasures(database, snapshots)

    def create_snapshot(self) -> Snapshot:
        return self.snapshots.create()

    def list_snapshots(self) -> list[Snapshot]:
        return self.snapshots.list()

    def get_snapshot(self, snapshot_id: str) -> Snapshot:
        return self.snapshots.get(snapshot_id)

    def verify_snapshot(self, snapshot_id: str) -> SnapshotCheck:
        return self.snapshots.check(snapshot_id)

    def data_checks(self, snapshot_id: str) -> list[DataCheck]:
        snapshot = self.snapshots.get(snapshot_id)
        with self.database.begin() as session:
            return evidence.data_checks(session, snapshot.snapshot_id)

    def drift(self, limit: int = 100) -> list[Drift]:
        with self.database.begin() as session:
            return evidence.drift(session, max(1, min(limit, MAX_PAGE)))

    def start_run(
        self, kind: Kind, snapshot_id: str | None = None, parameters: dict[str, Any] | None = None, search: int = 0
    ) -> Run:
        checked = fitting.checked_parameters(parameters or {})
        if search:
            if not 1 <= search <= MOST_TRIALS:
                raise InvalidRequest(f"search is a whole number from 1 to {MOST_TRIALS}")
            check_installed()
            checked["search"] = search
        snapshot = self.snapshots.get(snapshot_id) if snapshot_id is not None else None
        self._refuse_nothing(kind, snapshot)
        return self._queue(kind, snapshot.snapshot_id if snapshot else None, checked)

    def retry_run(self, run_id: UUID) -> Run:
        old = self.get_run(run_id)
        if old.state not in {"failed", "cancelled"}:
            raise IllegalMove(f"this run is {old.state}; only one that failed or was cancelled is tried again")
        return self._queue(old.kind, old.snapshot_id, old.parameters, cause="retry")

    def reproduce_run(self, run_id: UUID) -> Run:
        old = self.get_run(run_id)
        if old.model_id is None or old.snapshot_id is None:
            raise NotReproducible("this run made no model")
        known = {snapshot.snapshot_id for snapshot in self.snapshots.list()}
        if old.snapshot_id not in known:
            raise NotReproducible("its snapshot is gone: it was not kept, or a person was erased from it")
        return self._queue(old.kind, old.snapshot_id, old.parameters, cause="reproduce", reproduces=run_id)

    def _queue(
        self,
        kind: Kind,
        snapshot_id: str | None,
        parameters: dict[str, Any],
        *,
        cause: str = "asked",
        reproduces: UUID | None = None,
    ) -> Run:
        with self.database.begin() as session:
            evidence.explain(session, cause)
            run, is_new = runs.insert(session, kind, snapshot_id, parameters, cause=cause, reproduces=reproduces)
        if is_new:
            self.ring(run.run_id)
        elif run.cause != cause and reproduces is not None:
            raise IllegalMove(f"another run of {kind} is under way; wait for it or cancel it")
        return run

    def run_children(self, run_id: UUID) -> list[Run]:
        with self.database.begin() as session:
            return runs.children(session, run_id)

    def run_log(self, run_id: UUID, after: int = 0) -> list[RunLogLine]:
        with self.database.begin() as session:
            return evidence.run_log(session, run_id, after)

    def evaluations(self, run_ids: list[UUID]) -> list[Evaluation]:
        with self.database.begin() as session:
            return evidence.evaluations(session, run_ids[:MAX_PAGE])

    def gate_decision(self, model_id: UUID) -> GateDecision | None:
        with self.database.begin() as session:
            registry.get(session, model_id)
            return evidence.gate_decision(session, model_id)

    def transitions(self, subject_id: UUID) -> list[Transition]:
        with self.database.begin() as session:
            return evidence.transitions(session, subject_id)

    def list_schedules(self) -> list[Schedule]:
        with self.database.begin() as session:
            return schedules.listed(session)

    def set_schedule(
        self,
        kind: Kind,
        *,
        is_enabled: bool,
        nightly_minute: int | None,
        new_share: float | None,
        on_drift: bool,
        prefers_low_carbon: bool,
    ) -> Schedule:
        if nightly_minute is not None and not 0 <= nightly_minute < 24 * 60:
            raise InvalidRequest("nightly_minute is a minute of the day, from 0 to 1439")
        if new_share is not None and not 0 < new_share <= 1000:
            raise InvalidRequest("new_share is a share of what the champion was trained on, above 0")
        values = {
            "is_enabled": is_enabled,
            "nightly_minute": nightly_minute,
            "new_share": new_share,
            "on_drift": on_drift,
            "prefers_low_carbon": prefers_low_carbon,
        }
        with self.database.begin() as session:
            return schedules.change(session, kind, values)

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
            evidence.explain(session, "cancelled by hand")
            return runs.cancel(session, run_id)

    def list_models(self, kind: Kind | None = None) -> list[Model]:
        with self.database.begin() as session:
            return registry.listed(session, kind)

    def get_model(self, model_id: UUID) -> Model:
        with self.database.begin() as session:
            return registry.get(session, model_id)

    def promote(self, model_id: UUID, reason: str = "") -> Model:
        with self.database.begin() as session:
            evidence.explain(session, reason)
            return registry.promote(session, model_id, reason)

    def roll_back(self, kind: Kind, reason: str = "") -> Model:
        with self.database.begin() as session:
            evidence.explain(session, reason)
            return registry.roll_back(session, kind, reason)

    def archive_model(self, model_id: UUID, reason: str = "") -> Model:
        with self.database.begin() as session:
            model = registry.archive(session, model_id, reason)
            is_needed = any(each.state != "archived" for each in registry.of_bytes(session, model.sha256))
        if not is_needed:
            self.models.remove(model.sha256)
        return model

    def model_card(self, model_id: UUID) -> str:
        model = self.get_model(model_id)
        snapshot = None
        if model.snapshot_id is not None:
            with contextlib.suppress(SnapshotNotFound):
                snapshot = self.snapshots.get(self.snapshots.current(model.snapshot_id))
        return cards.card(model, self.models.folder(model.sha256), snapshot)

    def start_experiment(
        self,
        treatment_id: UUID,
        mode: Mode = "canary",
        share: float = 0.1,
        control_id: UUID | None = None,
        promotes_itself: bool = False,
        alpha: float = 0.05,
        min_days: int = 7,
        min_listeners: int = 100,
        reason: str = "",
    ) -> Experiment:
        with self.database.begin() as session:
            return experiments.start(
                session,
                treatment_id,
                mode,
                share,
                control_id=control_id,
                promotes_itself=promotes_itself,
                alpha=alpha,
                min_days=min_days,
                min_listeners=min_listeners,
                reason=reason,
            )

    def set_share(self, experiment_id: UUID, share: float) -> Experiment:
        with self.database.begin() as session:
            return experiments.set_share(session, experiment_id, share)

    def stop_experiment(self, experiment_id: UUID, reason: str = "") -> Experiment:
        with self.database.begin() as session:
            return experiments.stop(session, experiment_id, reason)

    def list_experiments(self, kind: Kind | None = None, limit: int = 50) -> list[Experiment]:
        with self.database.begin() as session:
            return experiments.listed(session, kind, max(1, min(limit, MAX_PAGE)))

    def get_experiment(self, experiment_id: UUID) -> ExperimentEffect:
        return self.watch.effect(experiment_id)

    def trusted_keys(self) -> list[TrustedKey]:
        return self.keys.listed()

    def report_damage(self, sha256: str, process: str, reason: str) -> bool:
        folder = self._artefact(sha256)
        refusal = self.keys.refusal(folder)
        log.warning(
            "a process refused a model",
            extra={"sha256": sha256, "refused_by": process, "reason": reason, "here": refusal},
        )
        if refusal is None:
            return False
        with self.database.begin() as session:
            for model in registry.of_bytes(session, sha256):
                registry.quarantine(session, model, refusal)
        return True

    def write_import(self, sha256: str, name: str, offset: int, content: bytes) -> None:
        importing.write_piece(self.models.home, sha256, name, offset, content)

    def finish_import(self, sha256: str, public_key: str, trust_as: str = "") -> Model:
        keys = self.keys.trusted()
        if trust_as:
            try:
                keys.setdefault(key_id(public_key), public_key)
            except ValueError:
                raise RefusedModel("the key that came with it is none") from None
        try:
            folder = importing.verified(self.models.home, sha256, keys, public_key)
            if trust_as:
                self.keys.add(public_key, trust_as)
            with contextlib.suppress(OSError):  # it was here already
                folder.rename(self.models.home / sha256)
            self.models.keep(sha256)
        finally:
            importing.forget(self.models.home, sha256)
        with self.database.begin() as session:
            evidence.explain(session, f"imported{f', key of {trust_as}' if trust_as else ''}")
            return registry.enter_imported(session, self.models.home / sha256)

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
        return self.models.folder(sha256)

    def feed(self, after: str, limit: int = 1000) -> FeedPage[ChampionChanged]:
        events, cursor = feed.read(self.database, after, max(1, min(limit, MAX_PAGE)))
        return FeedPage([EVENT.decode(event) for event in events], cursor)

    def has_traces(self, pseudonym: UUID) -> bool:
        return self.erasures.has_traces(pseudonym)

    def follow_schedules(self, now: datetime | None = None) -> None:
        """Start the runs that schedules call for; what the worker's beat calls every minute."""
        now = now or datetime.now(UTC)
        for schedule in self.list_schedules():
            with self.database.begin() as session:
                standing = schedules.standing(session, schedule.kind)
            if schedule.is_enabled and standing.has_champion:
                self._refresh(now)
                with self.database.begin() as session:
                    standing = schedules.standing(session, schedule.kind)
            cause, why = schedules.due(schedule, standing, self.runner.steps.options.grid, now)
            if cause is not None:
                self._queue(schedule.kind, None, {}, cause=cause)
            with self.database.begin() as session:
                schedules.decided(session, schedule.kind, why)

    def _refresh(self, now: datetime) -> None:
        """Take a snapshot where the newest is an hour old and there is more by now; drift is seen with it."""
        newest = next(iter(self.snapshots.list()), None)
        if newest is None or now - newest.created_at < schedules.WAIT or not self.snapshots.has_more_than(newest):
            return
        taken = self.snapshots.create()
        self.runner.steps.check(taken.snapshot_id)

    def run(self, run_id: UUID) -> None:
        """Advance a run to its end; what the worker's task calls."""
        self.runner.run(run_id)

    def reap(self) -> None:
        """Queue again the runs whose worker is gone, and ring for those that wait. Any process may call it."""
        with self.database.begin() as session:
            given_up, waiting = runs.reap(session)
        for run_id in {*given_up, *waiting}:
            self.ring(run_id)
