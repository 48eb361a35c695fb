"""`manage.py models | recommend | evaluate`."""

from pathlib import Path
from uuid import UUID

import click

from app.cli import exchange
from app.cli.shared import SegueError, answer, as_json, modules, progress, table
from app.contracts.listens import Kind
from app.contracts.training import Model

KINDS = click.Choice(("recordings", "artists"))


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
        decision = services.training.gate_decision(model_id)
        moves = services.training.transitions(model_id)
    told = [
        f"gate: {'passes' if r.is_passed else 'FAILS '} {r.rule}: {r.reason}"
        for r in (decision.results if decision else [])
    ]
    told += [f"{m.at:%Y-%m-%d %H:%M} {m.from_state or 'new'} → {m.to_state} {m.reason}".rstrip() for m in moves]
    lines = [f"{key}: {value}" for key, value in document.items()]
    answer(json_, {**document, "gate": decision, "moves": moves}, *lines, *told)


@models.command()
@click.argument("model_id", type=click.UUID)
@click.option("--reason", default="")
def promote(model_id: UUID, reason: str) -> None:
    """Let a model serve its kind."""
    with modules() as services:
        model = services.training.promote(model_id, reason)
    click.echo(f"{model.kind}: model {model.number} serves")


@models.command()
@click.argument("model_id", type=click.UUID)
@click.option("--reason", default="")
def archive(model_id: UUID, reason: str) -> None:
    """Delete the files of a model that serves no more; what is known of it stays."""
    with modules() as services:
        model = services.training.archive_model(model_id, reason)
    click.echo(f"{model.kind}: the files of model {model.number} are deleted")


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
    """Write a model to a file for another instance: its arrays, signature, public key and card; nothing of persons."""
    with modules() as services:
        model = exchange.export(services, model_id, file)
    click.echo(f"model {model.number} of {model.kind}: {file}")


@models.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--trust", "trust_as", default="", help="Trust the key that signed it from now on, by this name.")
@as_json
def import_model(file: Path, trust_as: str, json_: bool) -> None:
    """Take a model in from a file of another instance, as a candidate; `models promote` lets it serve."""
    with modules() as services:
        model = exchange.import_(services, file, trust_as)
    answer(json_, _model(model), f"model {model.number} of {model.kind} ({model.model_id}): {model.state}")


@models.command("keys")
@as_json
def list_keys(json_: bool) -> None:
    """List the keys whose models may serve here."""
    with modules() as services:
        found = services.training.trusted_keys()
    rows = [[key.key_id, key.name, f"{key.added_at:%Y-%m-%d}" if key.added_at else "-"] for key in found]
    answer(json_, {"keys": found}, *table(rows, ["KEY", "NAME", "SINCE"]))


@models.command("card")
@click.argument("model_id", type=click.UUID)
def model_card(model_id: UUID) -> None:
    """Print a model's card: what it is, was made of, is worth and isn't good for."""
    with modules() as services:
        click.echo(services.training.model_card(model_id))


@models.command("served")
@as_json
def list_served(json_: bool) -> None:
    """List which process serves which model."""
    with modules() as services:
        found = services.recommendations.served_by()
    rows = [[s.process, s.kind, s.sha256[:12], f"{s.since:%Y-%m-%d %H:%M:%S}", f"{s.opened_ms:.0f} ms"] for s in found]
    answer(json_, {"served": found}, *table(rows, ["PROCESS", "KIND", "MODEL", "SINCE", "OPENED IN"]))


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


COMMANDS = (models, recommend, evaluate)
