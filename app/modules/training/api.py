"""Public routes of `training`, for admins."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.experiments import Experiment, ExperimentEffect, Mode
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.contracts.training import Model, Run, Snapshot
from app.kernel.contract import Access
from app.kernel.routes import Api

api = Api("training", prefixes=("admin/runs", "admin/models", "admin/snapshots", "admin/experiments"))


class RunView(Struct, frozen=True):
    """`progress` from 0 to 1; `model` is there when the run is done."""

    id: UUID
    kind: Kind
    state: str
    progress: float
    step: str
    attempt: int
    snapshot: str | None
    model: UUID | None
    parameters: dict[str, Any]
    created: datetime
    started: datetime | None
    ended: datetime | None
    error: str | None


class RunList(Struct, frozen=True):
    runs: list[RunView]


class ModelView(Struct, frozen=True):
    id: UUID
    kind: Kind
    number: int
    state: str
    metrics: dict[str, float | None]
    created: datetime
    promoted: datetime | None
    sha256: str
    bytes: int
    run: UUID | None
    snapshot: str | None


class ModelList(Struct, frozen=True):
    models: list[ModelView]


class SnapshotList(Struct, frozen=True):
    snapshots: list[Snapshot]


class RunsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    n: Annotated[int, Meta(ge=1, le=1000)] = 50


class ModelsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind | None = None


class NewRun(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    snapshot: Annotated[str, Meta(pattern="^[0-9a-f]{4,64}$")] | None = None
    parameters: dict[str, Any] = {}


class Promotion(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=500)] = ""


class ExperimentList(Struct, frozen=True):
    experiments: list[Experiment]


class NewExperiment(Struct, frozen=True, forbid_unknown_fields=True):
    model: UUID
    mode: Mode = "canary"
    share: Annotated[float, Meta(gt=0, le=1)] = 0.1
    against: UUID | None = None
    promotes_itself: bool = False
    reason: Annotated[str, Meta(max_length=500)] = ""


class RollBack(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    reason: Annotated[str, Meta(max_length=500)] = ""


@api.route("GET", "/admin/runs", query=RunsQuery, returns=RunList, access=Access.ADMIN)
def list_runs(services: Services, *, query: RunsQuery) -> RunList:
    """Training runs, newest first."""
    return RunList([run_view(run) for run in services.training.list_runs(query.n)])


@api.route("POST", "/admin/runs", body=NewRun, returns=RunView, access=Access.ADMIN, status=202)
def start_run(services: Services, *, body: NewRun) -> RunView:
    """Queue a training run; where one of the kind is under way, that one is returned."""
    return run_view(services.training.start_run(body.kind, body.snapshot, body.parameters))


@api.route("GET", "/admin/runs/<uuid:run_id>", returns=RunView, access=Access.ADMIN)
def get_run(services: Services, *, run_id: UUID) -> RunView:
    """One training run with its progress."""
    return run_view(services.training.get_run(run_id))


@api.route("POST", "/admin/runs/<uuid:run_id>/cancel", returns=RunView, access=Access.ADMIN)
def cancel_run(services: Services, *, run_id: UUID) -> RunView:
    """Ask a run to stop."""
    return run_view(services.training.cancel_run(run_id))


@api.route("GET", "/admin/models", query=ModelsQuery, returns=ModelList, access=Access.ADMIN)
def list_models(services: Services, *, query: ModelsQuery) -> ModelList:
    """Models, newest first."""
    return ModelList([model_view(model) for model in services.training.list_models(query.kind)])


@api.route("POST", "/admin/models/<uuid:model_id>/promote", body=Promotion, returns=ModelView, access=Access.ADMIN)
def promote(services: Services, *, model_id: UUID, body: Promotion) -> ModelView:
    """Let a model serve its kind."""
    return model_view(services.training.promote(model_id, body.reason))


@api.route("POST", "/admin/models/<uuid:model_id>/archive", body=Promotion, returns=ModelView, access=Access.ADMIN)
def archive_model(services: Services, *, model_id: UUID, body: Promotion) -> ModelView:
    """Delete the files of a model that serves no more; what is known of it stays."""
    return model_view(services.training.archive_model(model_id, body.reason))


@api.route("POST", "/admin/models/rollback", body=RollBack, returns=ModelView, access=Access.ADMIN)
def roll_back(services: Services, *, body: RollBack) -> ModelView:
    """Let the champion before serve again."""
    return model_view(services.training.roll_back(body.kind, body.reason))


@api.route("GET", "/admin/experiments", returns=ExperimentList, access=Access.ADMIN)
def list_experiments(services: Services) -> ExperimentList:
    """Models that are or were tried beside the champion, newest first."""
    return ExperimentList(services.training.list_experiments())


@api.route("POST", "/admin/experiments", body=NewExperiment, returns=Experiment, access=Access.ADMIN, status=201)
def start_experiment(services: Services, *, body: NewExperiment) -> Experiment:
    """Try a model: unseen (shadow), on a share of the listeners (canary), or against any other (ab)."""
    return services.training.start_experiment(
        body.model, body.mode, body.share, body.against, body.promotes_itself, reason=body.reason
    )


@api.route("GET", "/admin/experiments/<uuid:experiment_id>", returns=ExperimentEffect, access=Access.ADMIN)
def get_experiment(services: Services, *, experiment_id: UUID) -> ExperimentEffect:
    """One experiment with its effect, day by day."""
    return services.training.get_experiment(experiment_id)


@api.route("POST", "/admin/experiments/<uuid:experiment_id>/stop", returns=Experiment, access=Access.ADMIN)
def stop_experiment(services: Services, *, experiment_id: UUID) -> Experiment:
    """End an experiment without a decision; the champion serves all."""
    return services.training.stop_experiment(experiment_id, "stopped by hand")


@api.route("GET", "/admin/snapshots", returns=SnapshotList, access=Access.ADMIN)
def list_snapshots(services: Services) -> SnapshotList:
    """Snapshots, newest first."""
    return SnapshotList(services.training.list_snapshots())


@api.route("POST", "/admin/snapshots", returns=Snapshot, access=Access.ADMIN, status=201)
def create_snapshot(services: Services) -> Snapshot:
    """Take a snapshot; the same data gives the snapshot there is."""
    return services.training.create_snapshot()


def run_view(run: Run) -> RunView:
    return RunView(
        run.run_id,
        run.kind,
        run.state,
        run.progress,
        run.step,
        run.attempt,
        run.snapshot_id,
        run.model_id,
        run.parameters,
        run.created_at,
        run.started_at,
        run.ended_at,
        run.error,
    )


def model_view(model: Model) -> ModelView:
    return ModelView(
        model.model_id,
        model.kind,
        model.number,
        model.state,
        model.metrics,
        model.created_at,
        model.promoted_at,
        model.sha256,
        model.bytes,
        model.run_id,
        model.snapshot_id,
    )
