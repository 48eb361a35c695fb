"""Snapshots, runs and models: train, decide which model serves, roll out, roll back."""

from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from msgspec import Struct

from app.contracts.events import FeedPage
from app.contracts.listens import Kind
from app.kernel.contract import Access, DomainError, command, query

RunState = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
ModelState = Literal["registered", "rejected", "candidate", "champion", "retired", "rolled_back", "quarantined"]
FINAL_STATES: frozenset[RunState] = frozenset({"done", "failed", "cancelled"})


class Snapshot(Struct, frozen=True):
    """An immutable copy of what was played, by pseudonym; `snapshot_id` is the hash of its manifest."""

    snapshot_id: str
    created_at: datetime
    rows: int
    listeners: int
    recordings: int
    artists: int
    feed_cursor: str
    bytes: int


class SnapshotCheck(Struct, frozen=True):
    snapshot_id: str
    is_intact: bool
    damaged_files: list[str]


class Run(Struct, frozen=True):
    """`progress` from 0 to 1; `step` says in a word what is being done."""

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
    """A model serves from now on; None where a kind has none any more."""

    kind: Kind
    model_id: UUID | None
    sha256: str | None


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


class IllegalMove(DomainError):
    """This run or model can't move from its state to that one."""

    code, status = "training.illegal_move", 409


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

    @command(access=Access.ADMIN)
    def start_run(self, kind: Kind, snapshot_id: str | None = None, parameters: dict[str, Any] | None = None) -> Run:
        """Queue a run and ring the worker's bell; where one of the kind is under way, return that one."""

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
