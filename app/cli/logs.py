"""`manage.py logs`: the lines of all processes in the order in which they were written."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from app.cli.shared import answer, as_json, settings

LEVELS = ("debug", "info", "warning", "error", "critical")
OWN = ("timestamp", "level", "process", "logger", "event", "trace_id", "span_id", "exception")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--trace", default="", help="Only what belongs to this trace (the number that a failure shows).")
@click.option("--process", "only", help="Only of this process: gateway, worker, …")
@click.option("--level", type=click.Choice(LEVELS), default="debug", help="Only from this level up.")
@click.option("-n", "last", type=click.IntRange(1), default=200, show_default=True, help="The newest lines of those.")
@as_json
def logs(files: tuple[Path, ...], trace: str, only: str | None, level: str, last: int, json_: bool) -> None:
    """Print log lines of all processes in their order, from <data>/log or FILES (`-` is standard input)."""
    wanted = LEVELS[LEVELS.index(level) :]
    found = [
        line
        for file in files or sorted((settings().data_dir / "log").glob("*.log*"))
        for line in lines_of(file)
        if (not trace or str(line.get("trace_id", "")).startswith(trace.lower()))
        and (not only or line.get("process") == only)
        and line.get("level") in wanted
    ]
    found.sort(key=lambda line: str(line["timestamp"]))
    answer(json_, {"lines": found[-last:]}, *(_told(line) for line in found[-last:]))


def lines_of(file: Path) -> Iterator[dict[str, Any]]:
    """Return a file's structured lines; what else a program printed is passed over, and so is a container's prefix."""
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
        for raw in opened:
            start = raw.find(b'{"timestamp"')
            if start < 0:
                continue
            try:
                yield msgspec.json.decode(raw[start:], type=dict[str, Any])
            except msgspec.DecodeError:
                continue  # cut off where a process was killed


def _told(line: dict[str, Any]) -> str:
    facts = " ".join(f"{name}={value}" for name, value in line.items() if name not in OWN)
    said = f"{line['timestamp']} {line['level']:<7} {line['process']:<15} {line['event']} {facts}".rstrip()
    return f"{said}\n{line['exception']}" if line.get("exception") else said
