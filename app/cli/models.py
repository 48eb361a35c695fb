"""`manage.py train | runs | models | recommend | evaluate`."""

import time
from pathlib import Path
from uuid import UUID

import click

from app.cli.shared import NotAvailable, SegueError, answer, as_json, modules, progress, table
from app.composition import Container
from app.contracts.listens import Kind
from app.contracts.training import FINAL_STATES, Model, Run

KINDS = click.Choice(("recordings", "artists"))


@click.command()
@click.argument("kind", type=KINDS)
@click.option("--snapshot", help="Train on a kept snapshot instead of a new one.")
@click.option("--wait", is_flag=True, help="Wait for the end, with progress; Ctrl-C cancels the run.")
@as_json
def train(kind: Kind, snapshot: str | None, wait: bool, json_: bool) -> None:
    """Train a model through Celery, never in this process."""
    with modules() as services:
        run = services.training.start_run(kind, snapshot)
        if wait:
            run = wait_for(services, run)
    model = str(run.model_id) if run.model_id else None
    answer(json_, {"run": run.run_id, "state": run.state, "model": model}, f"run {run.run_id}: {run.state}")
    if run.state in {"failed", "cancelled"}:
        raise SegueError(run.error or f"the run was {run.state}")


def wait_for(services: Container, run: Run) -> Run:
    """Follow a run to its end with a bar; an interruption cancels it."""
    try:
        with progress(f"training {run.kind}") as show:
            while run.state not in FINAL_STATES:
                time.sleep(0.2)
                run = services.training.get_run(run.run_id)
                show(run.progress, "waiting for a worker" if run.state == "queued" else run.step)
    except KeyboardInterrupt:
        services.training.cancel_run(run.run_id)
        raise
    return run


@click.group()
def runs() -> None:
    """Training runs."""


@runs.command("list")
@as_json
def list_runs(json_: bool) -> None:
    """List runs, newest first."""
    with modules() as services:
        found = services.training.list_runs()
    rows = [
        [str(r.run_id), r.kind, r.state, f"{r.progress:.0%}", r.created_at.isoformat(timespec="seconds")] for r in found
    ]
    answer(json_, {"runs": [_run(r) for r in found]}, *table(rows, ["RUN", "KIND", "STATE", "DONE", "CREATED"]))


@runs.command("show")
@click.argument("run_id", type=click.UUID)
@as_json
def show_run(run_id: UUID, json_: bool) -> None:
    """Show a run."""
    with modules() as services:
        document = _run(services.training.get_run(run_id))
    answer(json_, document, *(f"{key}: {value}" for key, value in document.items()))


@runs.command()
@click.argument("run_id", type=click.UUID)
def cancel(run_id: UUID) -> None:
    """Ask a run to stop."""
    with modules() as services:
        click.echo(services.training.cancel_run(run_id).state)


def _run(run: Run) -> dict[str, object]:
    return {
        "id": run.run_id,
        "kind": run.kind,
        "state": run.state,
        "progress": run.progress,
        "model": run.model_id,
        "created": run.created_at,
        "ended": run.ended_at,
        "error": run.error,
        "step": run.step,
        "attempt": run.attempt,
        "snapshot": run.snapshot_id,
        "parameters": run.parameters,
    }


@click.group()
def models() -> None:
    """Trained models, and which of them serves."""


@models.command("list")
@as_json
def list_models(json_: bool) -> None:
    """List models, newest first."""
    with modules() as services:
        found = services.training.list_models()
    rows = [[str(m.model_id), m.kind, str(m.number), m.state, f"{m.metrics.get('ndcg') or 0:.3f}"] for m in found]
    answer(json_, {"models": [_model(m) for m in found]}, *table(rows, ["MODEL", "KIND", "NO", "STATE", "NDCG"]))


@models.command("show")
@click.argument("model_id", type=click.UUID)
@as_json
def show_model(model_id: UUID, json_: bool) -> None:
    """Show a model."""
    with modules() as services:
        document = _model(services.training.get_model(model_id))
    answer(json_, document, *(f"{key}: {value}" for key, value in document.items()))


@models.command()
@click.argument("model_id", type=click.UUID)
@click.option("--reason", default="")
def promote(model_id: UUID, reason: str) -> None:
    """Let a model serve its kind."""
    with modules() as services:
        model = services.training.promote(model_id, reason)
    click.echo(f"{model.kind}: model {model.number} serves")


@models.command()
@click.argument("kind", type=KINDS, default="recordings")
@click.option("--reason", default="")
def rollback(kind: Kind, reason: str) -> None:
    """Let the champion before serve again."""
    with modules() as services:
        model = services.training.roll_back(kind, reason)
    click.echo(f"{model.kind}: model {model.number} serves")


@models.command()
@click.argument("model_id", type=click.UUID)
@click.option("--share", type=float, default=0.1, show_default=True)
@click.option("--promote", "promotes_itself", is_flag=True, help="Let it become champion by itself when it is better.")
@click.option("--reason", default="")
def canary(model_id: UUID, share: float, promotes_itself: bool, reason: str) -> None:
    """Let a model serve a share of the listeners; it is rolled back by itself when it does worse."""
    with modules() as services:
        started = services.training.start_experiment(
            model_id, "canary", share, promotes_itself=promotes_itself, reason=reason
        )
    click.echo(f"{started.kind}: {share:.0%} of the listeners; experiment {started.experiment_id}")


@models.command("export")
@click.argument("model_id", type=click.UUID)
@click.argument("file", type=click.Path(path_type=Path))
def export_model(model_id: UUID, file: Path) -> None:
    """Write a model to a file for another instance."""
    raise NotAvailable("exporting models is not available yet")


@models.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_model(file: Path) -> None:
    """Take a model in from a file."""
    raise NotAvailable("importing models is not available yet")


def _model(model: Model) -> dict[str, object]:
    return {
        "id": model.model_id,
        "kind": model.kind,
        "number": model.number,
        "state": model.state,
        "metrics": model.metrics,
        "created": model.created_at,
        "sha256": model.sha256,
        "bytes": model.bytes,
        "run": model.run_id,
        "snapshot": model.snapshot_id,
        "promoted": model.promoted_at,
    }


@click.command()
@click.argument("user")
@click.option("--kind", type=KINDS, default="recordings")
@click.option("-n", "limit", type=click.IntRange(1, 200), default=20)
@click.option("--explain", is_flag=True, help="Say which plays each came from.")
@as_json
def recommend(user: str, kind: Kind, limit: int, explain: bool, json_: bool) -> None:
    """Recommend to a listener."""
    with modules() as services:
        listener = services.accounts.find_listener(user)
        found = services.recommendations.recommend(listener.listener_id, kind, limit)
    lines = []
    for number, item in enumerate(found.items, 1):
        lines.append(f"{number:3}. {item.title}" + (f" – {item.artist}" if kind == "recordings" else ""))
        if explain and item.because:
            lines.append("     because of " + ", ".join(f"{b.title} ({b.share:.0%})" for b in item.because))
    if found.degraded:
        lines.append("(popular here: nothing personal to go by yet)")
    answer(json_, found, *lines)


@click.command()
@click.option("--protocol", type=click.Choice(("ranking", "foldin", "next", "alone")), required=True)
@click.option("--train", "train_files", type=click.Path(path_type=Path), multiple=True, required=True)
@click.option("--test", "test_file", type=click.Path(path_type=Path))
@click.option("--foldin", "foldin_file", type=click.Path(path_type=Path))
@click.option("--friends", "friends_file", type=click.Path(path_type=Path))
@click.option("--window", help="within:W or cross:W, for next and alone.")
@click.option("--community", is_flag=True)
@click.option("--without", default="", help="Leave out plays, friends or artist, with commas.")
@click.option("--model")
@click.option("--k", type=click.IntRange(1, 1000), default=20)
@click.option("--seed", type=int, default=0)
@as_json
def evaluate(
    protocol: str,
    train_files: tuple[Path, ...],
    test_file: Path | None,
    foldin_file: Path | None,
    friends_file: Path | None,
    window: str | None,
    community: bool,
    without: str,
    model: str | None,
    k: int,
    seed: int,
    json_: bool,
) -> None:
    """Score the recommender on files; no server is needed."""
    from app.ml.data_files import BadDataFile
    from app.ml.evaluate import evaluate as run_evaluation

    try:
        with progress(f"evaluating {protocol}") as show:
            result = run_evaluation(
                protocol,
                train=list(train_files),
                test=test_file,
                foldin=foldin_file,
                friends=friends_file,
                window=window,
                community=community,
                without=tuple(w for w in without.split(",") if w),
                model=model,
                k=k,
                seed=seed,
                progress=show,
            )
    except BadDataFile as error:
        raise SegueError(str(error)) from None
    answer(json_, result, *(f"{key}: {value}" for key, value in result.items()))


COMMANDS = (train, runs, models, recommend, evaluate)
