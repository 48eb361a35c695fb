"""What the commands share: the modules to call, answers as text or JSON, progress."""

import contextlib
import getpass
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import click
import msgspec

from app.composition import Container, services_for
from app.kernel import context
from app.kernel.contract import DomainError
from app.settings import Settings
from app.settings import load as load_settings
from app.topology import load as load_topology

F = TypeVar("F", bound=Callable[..., Any])


class SegueError(Exception):
    """Something a person at the command line can mend; said in one line."""

    exit_code = 1


def as_json(command: F) -> F:
    """Add `--json`: exactly one JSON object on standard output."""
    return click.option("--json", "json_", is_flag=True, help="Print one JSON object.")(command)


def answer(is_json: bool, document: object, *lines: str) -> None:
    """Print a document as JSON, or lines for people."""
    if is_json:
        click.echo(msgspec.json.encode(document).decode())
    else:
        for line in lines:
            click.echo(line)


def table(rows: list[list[str]], header: list[str]) -> list[str]:
    """Return lines of aligned columns."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]


@contextlib.contextmanager
def modules() -> Iterator[Container]:
    """Hand out the modules of the running system, called as Segue itself."""
    settings = load_settings()
    trace_id, span_id = context.new_trace()
    actor = replace(context.SYSTEM, name=f"command line ({getpass.getuser()})")
    with context.use(context.Context(actor, trace_id=trace_id, span_id=span_id)):
        yield services_for(settings, load_topology(settings.topology), "cli")


def note_act(act: str, subject: str, **details: object) -> None:
    """Write an act upon the processes themselves into the audit trail.

    Where that can't be it is done all the same: it may be what brings back `accounts`.
    """
    said = {name: value for name, value in details.items() if value}
    try:
        with modules() as services:
            services.accounts.record_act(act, subject, said or None)
    except DomainError as error:
        click.echo(f"  not in the audit trail: {error.message}", err=True)


def settings() -> Settings:
    return load_settings()


@contextlib.contextmanager
def progress(label: str) -> Iterator[Callable[[float, str], None]]:
    """Show a bar on standard error while something long runs; call with a fraction and a word."""
    with click.progressbar(length=1000, label=label, file=sys.stderr, show_pos=False) as bar:

        def show(fraction: float, step: str = "") -> None:
            bar.label = f"{label}: {step}" if step else label
            bar.update(max(0, int(fraction * 1000) - bar.pos))

        yield show
