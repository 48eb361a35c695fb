"""`manage.py train | runs`."""

import time
from uuid import UUID

import click

from app.cli.shared import SegueError, answer, as_json, modules, progress, table
from app.composition import Container
from app.contracts.listens import Kind
from app.contracts.training import FINAL_STATES, Evaluation, Run

KINDS = click.Choice(("recordings", "artists"))


@click.command()
@click.argument("kind", type=KINDS)
@click.option("--snapshot", help="Train on a kept snapshot instead of a new one.")
@click.option("--search", type=click.IntRange(0, 200), default=0, help="Try so many sets of parameters first.")
@click.option("--wait", is_flag=True, help="Wait for the end, with progress; Ctrl-C cancels the run.")
@as_json
def train(kind: Kind, snapshot: str | None, search: int, wait: bool, json_: bool) -> None:
    """Train a model through Celery, never in this process."""
    with modules() as services:
        run = services.training.start_run(kind, snapshot, None, search)
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
        run = services.training.get_run(run_id)
        (evaluation,) = services.training.evaluations([run_id])
        children = services.training.run_children(run_id)
        log = services.training.run_log(run_id)
    document = _run(run)
    lines = [f"{key}: {value}" for key, value in document.items()]
    lines += [_worth(run, evaluation)] if run.resources else []
    lines += _figures(evaluation)
    lines += [f"child {child.run_id}: {child.state} {child.parameters}" for child in children]
    lines += [f"{line.at:%H:%M:%S} {line.message}" for line in log]
    full = {
        **document,
        "cause": run.cause,
        "record": run.record,
        "resources": run.resources,
        "figures": evaluation.figures,
        "children": [_run(child) for child in children],
        "log": log,
    }
    answer(json_, full, *lines)


def _figures(evaluation: Evaluation) -> list[str]:
    rows = [
        [f.subject, f.cohort, f.metric, f"{f.value:.4f}", _interval(f.low, f.high), str(f.listeners)]
        for f in evaluation.figures
    ]
    return table(rows, ["OF", "LISTENERS", "METRIC", "VALUE", "95 %", "N"]) if rows else []


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _worth(run: Run, evaluation: Evaluation) -> str:
    """Return what a run took, beside what it gained."""
    took = run.resources
    wanted = ("difference", "all", "ndcg")
    gained = next((f for f in evaluation.figures if (f.subject, f.cohort, f.metric) == wanted), None)
    gain = f"gained {gained.value:+.4f} NDCG over the champion" if gained else "there was no champion to gain on"
    return (
        f"took {took['kwh'] * 1000:.3f} Wh ± {took['kwh_error']:.0%} (by {took['kwh_method']}), "
        f"{took['gco2']:.3f} g CO2, {took['cost']:.6f} in money; {gain}"
    )


@runs.command()
@click.argument("run_id", type=click.UUID)
def cancel(run_id: UUID) -> None:
    """Ask a run to stop."""
    with modules() as services:
        click.echo(services.training.cancel_run(run_id).state)


@runs.command()
@click.argument("run_id", type=click.UUID)
@click.option("--wait", is_flag=True, help="Wait for the end, with progress; Ctrl-C cancels the run.")
@as_json
def retry(run_id: UUID, wait: bool, json_: bool) -> None:
    """Try a run again that failed or was cancelled."""
    with modules() as services:
        run = services.training.retry_run(run_id)
        if wait:
            run = wait_for(services, run)
    answer(json_, {"run": run.run_id, "state": run.state, "model": run.model_id}, f"run {run.run_id}: {run.state}")
    if run.state in {"failed", "cancelled"}:
        raise SegueError(run.error or f"the run was {run.state}")


@runs.command()
@click.argument("run_id", type=click.UUID)
@as_json
def reproduce(run_id: UUID, json_: bool) -> None:
    """Make a run's model again and compare the bytes; exits 1 when they differ."""
    with modules() as services:
        run = wait_for(services, services.training.reproduce_run(run_id))
        model = services.training.get_model(run.model_id) if run.model_id else None
    is_same = run.state == "done"
    document = {
        "run": run_id,
        "reproduction": run.run_id,
        "state": run.state,
        "same": is_same,
        "sha256": model.sha256 if model else None,
        "error": run.error,
    }
    answer(json_, document, *([f"the same bytes: {model.sha256}"] if model else []))
    if not is_same:
        raise SegueError(run.error or f"the run was {run.state}")


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


@runs.command("schedule")
@click.argument("kind", type=KINDS, required=False)
@click.option("--on/--off", "is_enabled", default=None, help="Train without being asked, or don't.")
@click.option("--nightly", metavar="HH:MM", help="At this time of the day, UTC; 'never' for not at all.")
@click.option(
    "--new", "new_share", type=float, help="When so much is new, as a share of what was trained on; 0: never."
)
@click.option("--drift/--no-drift", "on_drift", default=None, help="When what is played has drifted.")
@click.option("--low-carbon/--any-hour", "prefers_low_carbon", default=None, help="Prefer hours of low grid intensity.")
@as_json
def schedule(
    kind: Kind | None,
    is_enabled: bool | None,
    nightly: str | None,
    new_share: float | None,
    on_drift: bool | None,
    prefers_low_carbon: bool | None,
    json_: bool,
) -> None:
    """Show when models are trained without being asked; with a kind and options, change it."""
    with modules() as services:
        known = {each.kind: each for each in services.training.list_schedules()}
        changes = (is_enabled, nightly, new_share, on_drift, prefers_low_carbon)
        if kind is not None and any(value is not None for value in changes):
            old = known[kind]
            known[kind] = services.training.set_schedule(
                kind,
                is_enabled=old.is_enabled if is_enabled is None else is_enabled,
                nightly_minute=old.nightly_minute if nightly is None else _minute(nightly),
                new_share=old.new_share if new_share is None else (new_share or None),
                on_drift=old.on_drift if on_drift is None else on_drift,
                prefers_low_carbon=old.prefers_low_carbon if prefers_low_carbon is None else prefers_low_carbon,
            )
    shown = [known[kind]] if kind is not None else list(known.values())
    lines = [
        f"{s.kind}: {'on' if s.is_enabled else 'off'}, nightly "
        + (f"{s.nightly_minute // 60:02d}:{s.nightly_minute % 60:02d} UTC" if s.nightly_minute is not None else "never")
        + f", when {s.new_share or 0:.0%} is new, {'on drift' if s.on_drift else 'not on drift'}"
        + (", in hours of low grid intensity" if s.prefers_low_carbon else "")
        + (f"; last: {s.decision}" if s.decision else "")
        for s in shown
    ]
    answer(json_, {"schedules": shown}, *lines)


def _minute(said: str) -> int | None:
    if said == "never":
        return None
    hour, _, minute = said.partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise SegueError("--nightly takes a time as 03:00, or never")
    return int(hour) * 60 + int(minute)


COMMANDS = (train, runs)
