"""`manage.py topology …` and `manage.py restart`: where modules run, also while they run."""

import sys
from pathlib import Path

import click

from app.cli.proxies import FIRST_PORT, PROXIES
from app.cli.shared import SegueError, answer, as_json, note_act, settings, table
from app.host import mailbox
from app.host.places import HostError
from app.settings import MODULE_NAMES
from app.topology import load as load_topology

CHANGE_WITHIN_S = 1800


@click.group()
def topology() -> None:
    """Where each module runs."""


@topology.command()
@click.argument("file")
def check(file: str) -> None:
    """Check a topology: names what is missing, double or unreachable."""
    found = load_topology(file)
    click.echo(f"{file}: {len(found.processes)} processes, every module in one of them")


@topology.command()
@click.argument("file", required=False)
@as_json
def show(file: str | None, json_: bool) -> None:
    """Show a topology, by default the one in force."""
    found = load_topology(file or settings().topology)
    rows = [[name, ", ".join(p.modules) or "-", ", ".join(p.urls) or "-"] for name, p in found.processes.items()]
    answer(json_, found, *table(rows, ["PROCESS", "MODULES", "URL"]))


@topology.command()
@click.argument("kind", type=click.Choice(tuple(PROXIES)))
@click.argument("file", required=False)
@click.option("--host", default="127.0.0.1", help="Where the proxy listens.")
@click.option("--first-port", type=click.IntRange(1, 65000), default=FIRST_PORT, help="One per process from here.")
def proxy(kind: str, file: str | None, host: str, first_port: int) -> None:
    """Print the configuration of a proxy in front of the replicas of each process."""
    loaded = settings()
    found = load_topology(file or loaded.topology)
    click.echo(PROXIES[kind](found, loaded.socket_dir, host=host, first_port=first_port), nl=False)


@topology.command()
@click.argument("file")
def apply(file: str) -> None:
    """Take a topology on while everything runs: rolling, no request is refused."""
    load_topology(file)
    note_act("topology.apply", file)
    _ask({"do": "apply", "topology": _place(file)})


@topology.command()
@click.argument("module", type=click.Choice(MODULE_NAMES))
@click.option("--to", default="", help="The process that has it in this file, or in `monolith`, `split`, ….")
@click.option("--database", default="", help="Move its data there too: a postgresql:// address, or `main`.")
def move(module: str, to: str, database: str) -> None:
    """Move a module to another process, its data to another database, or both, while they are used."""
    if not to and not database:
        raise SegueError("say where: --to FILE, --database URL, or both")
    if to:
        load_topology(to)
    # of an address only that there is one: it may hold a password
    note_act("topology.move", module, to=to, database="main" if database == "main" else bool(database))
    _ask({"do": "move", "module": module, "to": _place(to), "database": database})


@click.command()
@click.argument("part")
def restart(part: str) -> None:
    """Replace the processes of a module (or a process by its name), one after the other, while they serve."""
    note_act("topology.restart", part)
    _ask({"do": "restart", "part": part})


def _place(file: str) -> str:
    return str(Path(file).absolute()) if file.endswith(".toml") else file


def _ask(request: mailbox.Request) -> None:
    def tell(step: str) -> None:
        click.echo(f"  {step}", file=sys.stderr)

    try:
        click.echo(mailbox.ask(settings().data_dir, request, within_s=CHANGE_WITHIN_S, tell=tell))
    except HostError as error:
        raise SegueError(str(error)) from None


COMMANDS = (topology, restart)
