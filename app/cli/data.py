"""`manage.py datasets | snapshots …`."""

from pathlib import Path

import click

from app.cli.shared import SegueError, answer, as_json, modules, progress, table


@click.group()
def datasets() -> None:
    """Data to try Segue on: the demo, and public data sets from your own disk."""


@datasets.command("list")
@as_json
def list_datasets(json_: bool) -> None:
    """List the data sets that can be loaded, with origin and licence."""
    from app.datasets.registry import DATASETS

    document = {
        "datasets": [
            {"name": d.name, "title": d.title, "holds": d.holds, "origin": d.origin, "licence": d.licence}
            for d in DATASETS.values()
        ]
    }
    rows = [[d.name, d.holds, d.licence] for d in DATASETS.values()]
    answer(json_, document, *table(rows, ["NAME", "HOLDS", "LICENCE"]))


@datasets.command()
@click.argument("name")
@click.option("--path", type=click.Path(path_type=Path), help="The folder with the files, or the file.")
@as_json
def load(name: str, path: Path | None, json_: bool) -> None:
    """Load a data set; again adds nothing."""
    from app.datasets.load import load as load_dataset
    from app.datasets.registry import BadDataset

    try:
        with modules() as services, progress(f"loading {name}") as show:
            report = load_dataset(name, path, services, show)
    except BadDataset as error:
        raise SegueError(str(error)) from None
    document = {
        "dataset": name,
        "listeners": report.listeners,
        "listens": report.listens,
        "playcounts": report.playcounts,
        "duplicates": report.duplicates,
        "rejected": report.rejected,
    }
    answer(json_, document, ", ".join(f"{value} {key}" for key, value in document.items() if key != "dataset"))


@click.group()
def snapshots() -> None:
    """Immutable copies of what was played, to train on."""


@snapshots.command()
@as_json
def create(json_: bool) -> None:
    """Take a snapshot; the same data gives the one there is."""
    with modules() as services:
        snapshot = services.training.create_snapshot()
    answer(
        json_, _snapshot(snapshot), f"{snapshot.snapshot_id}: {snapshot.rows} rows of {snapshot.listeners} listeners"
    )


@snapshots.command("list")
@as_json
def list_snapshots(json_: bool) -> None:
    """List snapshots, newest first."""
    with modules() as services:
        found = services.training.list_snapshots()
    rows = [
        [s.snapshot_id[:12], str(s.rows), str(s.listeners), s.created_at.isoformat(timespec="seconds")] for s in found
    ]
    answer(json_, {"snapshots": [_snapshot(s) for s in found]}, *table(rows, ["ID", "ROWS", "LISTENERS", "CREATED"]))


@snapshots.command()
@click.argument("snapshot_id")
@as_json
def show(snapshot_id: str, json_: bool) -> None:
    """Show a snapshot; the beginning of its id is enough."""
    with modules() as services:
        document = _snapshot(services.training.get_snapshot(snapshot_id))
        checks = services.training.data_checks(str(document["id"]))
        drift = [each for each in services.training.drift(1000) if each.snapshot_id == document["id"]]
    lines = [f"{key}: {value}" for key, value in document.items()]
    lines += [f"check {each.name}: {each.level}: {each.message}" for each in checks]
    lines += [f"drift of {each.feature}: {each.psi:.3f} (limit {each.limit:.3f}, n {each.n})" for each in drift]
    answer(json_, {**document, "checks": checks, "drift": drift}, *lines)


@snapshots.command()
@click.argument("snapshot_id")
@as_json
def verify(snapshot_id: str, json_: bool) -> None:
    """Compare a snapshot's files with their checksums; exits 1 when one is damaged."""
    with modules() as services:
        check = services.training.verify_snapshot(snapshot_id)
    answer(
        json_,
        {"id": check.snapshot_id, "intact": check.is_intact, "damaged": check.damaged_files},
        f"{check.snapshot_id}: " + ("intact" if check.is_intact else f"damaged: {', '.join(check.damaged_files)}"),
    )
    if not check.is_intact:
        raise SystemExit(1)


def _snapshot(snapshot: object) -> dict[str, object]:
    import msgspec

    document: dict[str, object] = msgspec.to_builtins(snapshot)
    return {"id": document.pop("snapshot_id"), **document}


COMMANDS = (datasets, snapshots)
