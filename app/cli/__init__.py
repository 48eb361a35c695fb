"""The command line: click groups by noun. A mistake is one line and a non-zero exit."""

import sys

import click

from app import __version__
from app.cli import (
    backup,
    benchmarks,
    canary,
    contracts,
    data,
    database,
    experiments,
    history,
    logs,
    models,
    pki,
    running,
    runs,
    security,
    topology,
    users,
)
from app.cli.shared import SegueError
from app.kernel.contract import DomainError
from app.settings import SettingsError
from app.topology import TopologyError

COMMANDS = (
    *running.COMMANDS,
    *topology.COMMANDS,
    *canary.COMMANDS,
    *database.COMMANDS,
    *backup.COMMANDS,
    *users.COMMANDS,
    *security.COMMANDS,
    *pki.COMMANDS,
    *data.COMMANDS,
    *history.COMMANDS,
    *runs.COMMANDS,
    *models.COMMANDS,
    *experiments.COMMANDS,
    *benchmarks.COMMANDS,
    *contracts.COMMANDS,
    logs.logs,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="segue")
def cli() -> None:
    """Segue: listen, and hear what to play next."""


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit."""
    try:
        cli(prog_name="manage.py", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except DomainError as error:
        click.echo(f"segue: {error.message}", err=True)
        sys.exit(2 if error.status == 501 else 1)
    except (SettingsError, TopologyError, SegueError) as error:
        click.echo(f"segue: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
