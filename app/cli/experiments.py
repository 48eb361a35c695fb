"""`manage.py experiments`: models tried beside the champion, and what they showed."""

from uuid import UUID

import click

from app.cli.shared import answer, as_json, modules, table
from app.contracts.experiments import EffectDay, Experiment, ExperimentEffect


@click.group()
def experiments() -> None:
    """Models that are tried beside the champion."""


@experiments.command("list")
@as_json
def list_experiments(json_: bool) -> None:
    """List experiments, newest first."""
    with modules() as services:
        found = services.training.list_experiments()
    rows = [
        [str(e.experiment_id), e.kind, e.mode, e.state, f"{e.share:.0%}", e.verdict, f"{e.started_at:%Y-%m-%d %H:%M}"]
        for e in found
    ]
    header = ["EXPERIMENT", "KIND", "MODE", "STATE", "SHARE", "VERDICT", "STARTED"]
    answer(json_, {"experiments": found}, *table(rows, header))


@experiments.command("show")
@click.argument("experiment_id", type=click.UUID)
@as_json
def show_experiment(experiment_id: UUID, json_: bool) -> None:
    """Show an experiment with its effect, day by day."""
    with modules() as services:
        found = services.training.get_experiment(experiment_id)
    answer(json_, found, *_lines(found))


@experiments.command("start")
@click.argument("model_id", type=click.UUID)
@click.option("--mode", type=click.Choice(("shadow", "canary", "ab")), default="canary", show_default=True)
@click.option("--share", type=float, default=0.1, show_default=True, help="Of the listeners; of an ab for each model.")
@click.option("--against", type=click.UUID, help="Another model than the champion, for an ab.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Risk of a false call.")
@click.option("--min-days", type=int, default=7, show_default=True)
@click.option("--min-listeners", type=int, default=100, show_default=True, help="In each arm.")
@click.option("--promote", "promotes_itself", is_flag=True, help="Let it become champion by itself when it is better.")
@click.option("--reason", default="")
@as_json
def start_experiment(
    model_id: UUID,
    mode: str,
    share: float,
    against: UUID | None,
    alpha: float,
    min_days: int,
    min_listeners: int,
    promotes_itself: bool,
    reason: str,
    json_: bool,
) -> None:
    """Try a model: unseen (shadow), on a share of the listeners (canary), or against any other (ab)."""
    with modules() as services:
        started = services.training.start_experiment(
            model_id, mode, share, against, promotes_itself, alpha, min_days, min_listeners, reason
        )
    answer(json_, started, f"{started.kind}: experiment {started.experiment_id} runs ({said(started)})")


@experiments.command("share")
@click.argument("experiment_id", type=click.UUID)
@click.argument("share", type=float)
def set_share(experiment_id: UUID, share: float) -> None:
    """Change how many listeners see the model that is tried."""
    with modules() as services:
        click.echo(said(services.training.set_share(experiment_id, share)))


@experiments.command("stop")
@click.argument("experiment_id", type=click.UUID)
@click.option("--reason", default="")
def stop_experiment(experiment_id: UUID, reason: str) -> None:
    """End an experiment without a decision; the champion serves all."""
    with modules() as services:
        click.echo(services.training.stop_experiment(experiment_id, reason).state)


def said(experiment: Experiment) -> str:
    """Say in a few words what an experiment does."""
    return f"{experiment.mode}, {experiment.share:.0%} of the listeners"


def _lines(found: ExperimentEffect) -> list[str]:
    e = found.experiment
    lines = [f"{e.kind}: {said(e)}, {e.state}, {e.verdict}", f"control: {e.control_id}", f"treatment: {e.treatment_id}"]
    lines += [f"reason: {e.reason}"] if e.reason else []
    lines += [f"arms of the sizes that were asked for: p = {found.srm_p:.3f}"] if found.srm_p is not None else []
    lines += [f"listeners needed per arm: about {found.listeners_needed} more"] if found.listeners_needed else []
    return lines + table([_row(day) for day in found.days], ["DAY", "CONTROL", "TREATMENT", "EFFECT", "INTERVAL"])


def _row(day: EffectDay) -> list[str]:
    arms = [f"{arm.plays}/{arm.impressions} ({arm.listeners} listeners)" for arm in (day.control, day.treatment)]
    effect = f"{day.effect:+.1%}" if day.effect is not None else "-"
    low = f"{day.low:+.1%}" if day.low is not None else "-"
    high = f"{day.high:+.1%}" if day.high is not None else "-"
    return [day.day.isoformat(), *arms, effect, f"{low} to {high}"]


COMMANDS = (experiments,)
