"""`manage.py bench …`: each prints what it measured, on what, and a ratio to a reference of the same run."""

import importlib
from pathlib import Path
from typing import Any

import click

from app.cli.shared import SegueError, answer, as_json

BENCHES = (
    "contracts",
    "serve",
    "submit",
    "import",
    "train",
    "freshness",
    "pages",
    "snapshots",
    "topologies",
    "scale",
    "bulkheads",
)


@click.command()
@click.argument("name", type=click.Choice(BENCHES))
@click.option("--swap", is_flag=True, help="With serve: a minute at half capacity while models are swapped.")
@click.option("--page", type=click.Path(path_type=Path), help="With topologies: write the page that tells of them.")
@as_json
def bench(name: str, swap: bool, page: Path | None, json_: bool) -> None:
    """Measure a part of Segue on a throwaway system beside the running one."""
    if swap and name != "serve":
        raise SegueError("--swap goes with serve")
    if page and name != "topologies":
        raise SegueError("--page goes with topologies")
    module = "swap" if swap else "import_" if name == "import" else name
    document: dict[str, Any] = importlib.import_module(f"app.bench.{module}").run()
    if page:
        page.write_text(importlib.import_module("app.bench.evolution").page(document))
    lines = [
        f"{r.name}: {r.value} {r.unit}" + (f" ({r.ratio} of {r.reference} {r.unit})" if r.ratio is not None else "")
        for r in document["results"]
    ]
    answer(json_, document, *lines)


COMMANDS = (bench,)
