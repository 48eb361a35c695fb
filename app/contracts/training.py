"""Snapshots, runs and models: train, decide which model serves, roll out, roll back."""

from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from msgspec import Struct

from app.contracts.events import FeedPage
from app.contracts.experiments import Experiment, ExperimentEffect, Mode, Trial, TrustedKey
from app.contracts.listens import Kind
from app.kernel.contract import Access, DomainError, command, query

RunState = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
ModelState = Literal[
    "registered",
    "rejected",
    "candidate",
    "shadow",
    "canary",
    "champion",
    "retired",
    "rolled_back",
    "archived",
    "quarantined",
]
FINAL_STATES: frozenset[RunState] = frozenset({"done", "failed", "cancelled"})


class Snapshot(Struct, frozen=True):
    """An immutable copy of what was played, by pseudonym; `snapshot_id` is the hash of its manifest.

    `new_bytes` were written for it, the rest it shares with older ones. One that took another's place because of an
    erasure names it (`parent_id`) and the `reason`.
    """

    snapshot_id: str
    created_at: datetime
    rows: int
    listeners: int
    recordings: int
    artists: int
    feed_cursor: str
    bytes: int
    parent_id: str | None = None
    reason: str | None = None
    schema_version: int = 1
    files: int = 0
    new_bytes: int = 0


class SnapshotCheck(Struct, frozen=True):
    snapshot_id: str
    is_intact: bool
    damaged_files: list[str]


CheckLevel = Literal["ok", "warn", "stop"]


class DataCheck(Struct, frozen=True):
    """What was looked at in a snapshot before training; one at `stop` keeps runs from it."""

    name: str
    level: CheckLevel
    value: float | None
    limit: float | None
    message: str


class Drift(Struct, frozen=True):
    """The population stability index of a feature between two snapshots; beyond `limit`, which falls with n, it drifts.

    `feature` is items, listeners or play_times.
    """

    snapshot_id: str
    against_id: str
    feature: str
    psi: float
    limit: float
    n: int
    at: datetime


class Run(Struct, frozen=True):
    """`progress` from 0 to 1; `step` says in a word what is being done.

    `cause` is asked, nightly, volume, drift, search, retry or reproduce. `record` is what it takes to repeat the run
    (code, dependencies, machine, seed), `resources` what it took (see docs/training.md for how that is estimated).
    """

    run_id: UUID
    kind: Kind
    state: RunState
    progress: float
    step: str
    attempt: int
    snapshot_id: str | None
    model_id: UUID | None
    parameters: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    cause: str = "asked"
    parent_run_id: UUID | None = None
    reproduces: UUID | None = None
    record: dict[str, Any] = {}
    resources: dict[str, Any] = {}


class RunLogLine(Struct, frozen=True):
    position: int
    at: datetime
    message: str


class Transition(Struct, frozen=True):
    """A move of a run or model between states; `from_state` is None at its beginning."""

    subject: str
    subject_id: UUID
    from_state: str | None
    to_state: str
    at: datetime
    actor: str
    reason: str


class Figure(Struct, frozen=True):
    """A metric with its 95 per cent interval, over `listeners` who were tested.

    `subject` is model, champion, popularity, item-knn, or difference (model minus champion, paired); `cohort` is all,
    light, heavy or new.
    """

    subject: str
    cohort: str
    metric: str
    value: float
    low: float | None
    high: float | None
    listeners: int


class Evaluation(Struct, frozen=True):
    run_id: UUID
    figures: list[Figure]


class GateResult(Struct, frozen=True):
    """A rule of the gate, what it looked at, and in words why it passes or not."""

    rule: str
    value: float | None
    limit: float | None
    is_passed: bool
    reason: str


class GateDecision(Struct, frozen=True):
    model_id: UUID
    run_id: UUID
    is_passed: bool
    results: list[GateResult]
    at: datetime


class Schedule(Struct, frozen=True):
    """When a kind is trained without being asked: nightly at a minute of the day (UTC), when a share is new, on drift.

    `decision` says what was decided when it was last considered.
    """

    kind: Kind
    is_enabled: bool
    nightly_minute: int | None
    new_share: float | None
    on_drift: bool
    prefers_low_carbon: bool
    considered_at: datetime | None
    decision: str


class Model(Struct, frozen=True):
    model_id: UUID
    kind: Kind
    number: int
    state: ModelState
    sha256: str
    bytes: int
    metrics: dict[str, float | None]
    run_id: UUID | None
    snapshot_id: str | None
    created_at: datetime
    promoted_at: datetime | None


class ArtefactFile(Struct, frozen=True):
    name: str
    bytes: int
    sha256: str


class ChampionChanged(Struct, frozen=True, tag="champion_changed"):
    """What serves a kind from now on: a model (None where there is none any more), and one that is tried beside it.

    `previous_sha256` served before: who can't open the champion serves that.
    """

    kind: Kind
    model_id: UUID | None
    sha256: str | None
    previous_sha256: str | None = None
    trial: Trial | None = None


class RunNotFound(DomainError):
    """There is no such run."""

    code, status = "training.run_not_found", 404


class ModelNotFound(DomainError):
    """There is no such model."""

    code, status = "training.model_not_found", 404


class SnapshotNotFound(DomainError):
    """There is no such snapshot."""

    code, status = "training.snapshot_not_found", 404


class NothingToTrain(DomainError):
    """There is nothing of this kind to train on yet."""

    code, status = "training.nothing_to_train", 409


class NothingToRollBackTo(DomainError):
    """No earlier model of this kind has served."""

    code, status = "training.nothing_to_roll_back_to", 409


class NotReproducible(DomainError):
    """What this run was made from is not there any more."""

    code, status = "training.not_reproducible", 409


class ChecksFailed(DomainError):
    """The data is not fit to train on."""

    code, status = "training.checks_failed", 409


class NotInstalled(DomainError):
    """This needs an optional part that is not installed."""

    code, status = "training.not_installed", 501


class IllegalMove(DomainError):
    """This run or model can't move from its state to that one."""

    code, status = "training.illegal_move", 409


class ExperimentNotFound(DomainError):
    """There is no such experiment."""

    code, status = "training.experiment_not_found", 404


class ExperimentRuns(DomainError):
    """Another experiment of this kind runs; stop it first."""

    code, status = "training.experiment_runs", 409


class RefusedModel(DomainError):
    """This model can't be taken in; the message says why."""

    code, status = "training.refused_model", 422


class NotAvailableYet(DomainError):
    """This is not available yet."""

    code, status = "training.not_available_yet", 501


class Training(Protocol):
    @command(access=Access.ADMIN, timeout=120)
    def create_snapshot(self) -> Snapshot:
        """Take a snapshot of everything the feed has by now; the same data gives the snapshot there is."""

    @query(access=Access.ADMIN)
    def list_snapshots(self) -> list[Snapshot]:
        """Snapshots, newest first."""

    @query(access=Access.ADMIN)
    def get_snapshot(self, snapshot_id: str) -> Snapshot:
        """One snapshot; a beginning of its id is enough where it is the only one. Raises SnapshotNotFound."""

    @query(access=Access.ADMIN, timeout=60)
    def verify_snapshot(self, snapshot_id: str) -> SnapshotCheck:
        """Compare every file of a snapshot with its checksum. Raises SnapshotNotFound."""

    @query(access=Access.ADMIN)
    def data_checks(self, snapshot_id: str) -> list[DataCheck]:
        """What was found in a snapshot before training on it; nothing where nobody looked yet."""

    @query(access=Access.ADMIN)
    def drift(self, limit: int = 100) -> list[Drift]:
        """How distributions moved from snapshot to snapshot, newest first."""

    @command(access=Access.ADMIN)
    def start_run(
        self, kind: Kind, snapshot_id: str | None = None, parameters: dict[str, Any] | None = None, search: int = 0
    ) -> Run:
        """Queue a run and ring the worker's bell; where one of the kind is under way, return that one.

        With `search`, so many sets of parameters are tried as child runs first, and the best is used.
        """

    @command(access=Access.ADMIN)
    def retry_run(self, run_id: UUID) -> Run:
        """Queue a run again that failed or was cancelled, as a new one. Raises RunNotFound, IllegalMove."""

    @command(access=Access.ADMIN)
    def reproduce_run(self, run_id: UUID) -> Run:
        """Queue a run that makes the same model again; it fails where the bytes differ.

        Raises RunNotFound; NotReproducible where the run made no model, or its snapshot is gone.
        """

    @query(access=Access.ADMIN)
    def run_children(self, run_id: UUID) -> list[Run]:
        """The runs that a search made, oldest first."""

    @query(access=Access.ADMIN)
    def run_log(self, run_id: UUID, after: int = 0) -> list[RunLogLine]:
        """What a run tells of itself, after a position."""

    @query(access=Access.ADMIN)
    def evaluations(self, run_ids: list[UUID]) -> list[Evaluation]:
        """The figures of runs, in the order asked for; none for a run that has not been evaluated."""

    @query(access=Access.ADMIN)
    def gate_decision(self, model_id: UUID) -> GateDecision | None:
        """What the gate decided of a model last, and why; None where it was not asked. Raises ModelNotFound."""

    @query(access=Access.ADMIN)
    def transitions(self, subject_id: UUID) -> list[Transition]:
        """Every move of a run or model, oldest first."""

    @query(access=Access.ADMIN)
    def list_schedules(self) -> list[Schedule]:
        """When each kind is trained without being asked."""

    @command(access=Access.ADMIN, idempotent=True)
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
        """Say when a kind is trained without being asked."""

    @query(access=Access.ADMIN)
    def get_run(self, run_id: UUID) -> Run:
        """One run. Raises RunNotFound."""

    @query(access=Access.ADMIN)
    def list_runs(self, limit: int = 50) -> list[Run]:
        """Runs, newest first."""

    @command(access=Access.ADMIN, idempotent=True)
    def cancel_run(self, run_id: UUID) -> Run:
        """Ask a run to stop; it does within two seconds. Raises RunNotFound, IllegalMove for one that has ended."""

    @query(access=Access.ADMIN)
    def list_models(self, kind: Kind | None = None) -> list[Model]:
        """Models, newest first."""

    @query(access=Access.ADMIN)
    def get_model(self, model_id: UUID) -> Model:
        """One model. Raises ModelNotFound."""

    @command(access=Access.ADMIN, idempotent=True)
    def promote(self, model_id: UUID, reason: str = "") -> Model:
        """Let a model serve its kind; the one before is retired. Raises ModelNotFound, IllegalMove."""

    @command(access=Access.ADMIN)
    def roll_back(self, kind: Kind, reason: str = "") -> Model:
        """Let the champion before serve again. Raises NothingToRollBackTo."""

    @command(access=Access.ADMIN, idempotent=True)
    def archive_model(self, model_id: UUID, reason: str = "") -> Model:
        """Delete the files of a model that was refused or serves no more; what is known of it stays.

        Raises ModelNotFound; IllegalMove also for the one that a roll-back would return to.
        """

    @query(access=Access.ADMIN)
    def model_card(self, model_id: UUID) -> str:
        """What a model is, was made of, is worth and isn't good for, as Markdown. Raises ModelNotFound."""

    @command(access=Access.ADMIN)
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
        """Try a model on a share of the listeners, against the champion or (ab) another model.

        Raises ModelNotFound, IllegalMove, ExperimentRuns, InvalidRequest.
        """

    @command(access=Access.ADMIN, idempotent=True)
    def set_share(self, experiment_id: UUID, share: float) -> Experiment:
        """Change how many see the treatment; who sees it already goes on seeing it while the share grows."""

    @command(access=Access.ADMIN, idempotent=True)
    def stop_experiment(self, experiment_id: UUID, reason: str = "") -> Experiment:
        """End an experiment without a decision; the champion serves all. Raises ExperimentNotFound."""

    @query(access=Access.ADMIN)
    def list_experiments(self, kind: Kind | None = None, limit: int = 50) -> list[Experiment]:
        """Experiments, newest first."""

    @query(access=Access.ADMIN, timeout=5)
    def get_experiment(self, experiment_id: UUID) -> ExperimentEffect:
        """An experiment with its effect, day by day. Raises ExperimentNotFound."""

    @query(access=Access.SERVICE)
    def trusted_keys(self) -> list[TrustedKey]:
        """The keys whose models may serve here: this instance's own, and those that were imported."""

    @command(access=Access.SERVICE, idempotent=True, timeout=30)
    def report_damage(self, sha256: str, process: str, reason: str) -> bool:
        """Tell that a process refused a model's files. Where they are bad here too, the model is quarantined (True)
        and the champion before serves."""

    @command(access=Access.SERVICE, idempotent=True, timeout=30)
    def write_import(self, sha256: str, name: str, offset: int, content: bytes) -> None:
        """Write a piece (at most 4 MiB) of a file of a model that is being imported."""

    @command(access=Access.SERVICE, idempotent=True, timeout=120)
    def finish_import(self, sha256: str, public_key: str, trust_as: str = "") -> Model:
        """Verify an imported model and enter it as a candidate. Its key must be trusted already, or is from now on
        by the name `trust_as`. Raises RefusedModel."""

    @query(access=Access.SERVICE)
    def has_traces(self, pseudonym: UUID) -> bool:
        """Whether a snapshot may still hold an erased person."""

    @query(access=Access.SERVICE)
    def champions(self) -> list[Model]:
        """The model that serves each kind."""

    @query(access=Access.SERVICE)
    def artefact_files(self, sha256: str) -> list[ArtefactFile]:
        """The files of an artefact. Raises ModelNotFound."""

    @query(access=Access.SERVICE, timeout=10)
    def read_artefact(self, sha256: str, name: str, offset: int, size: int) -> bytes:
        """Up to `size` bytes of an artefact's file (at most 4 MiB), base64 on the wire. Raises ModelNotFound."""

    @query(access=Access.SERVICE)
    def feed(self, after: str, limit: int = 1000) -> FeedPage[ChampionChanged]:
        """Promotions and roll-backs after a cursor. Raises FeedReset when the cursor is of another generation."""
