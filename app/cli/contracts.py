"""`manage.py contracts …`: what was released, and what a change would break."""

import tomllib
from pathlib import Path

import click

from app.cli.shared import SegueError
from app.kernel.compatibility import broken_since, write_snapshot

RELEASES = Path(__file__).resolve().parents[2] / "releases"


@click.group()
def contracts() -> None:
    """The contracts of the modules against those of the last release."""


@contracts.command()
@click.argument("version")
def snapshot(version: str) -> None:
    """Keep the contracts as they are now as those of a release."""
    from app.composition import MODULES, contract_of

    write_snapshot(RELEASES / version, [contract_of(module) for module in MODULES])
    click.echo(f"releases/{version} written", err=True)


@contracts.command("check")
@click.option("--folder", type=click.Path(path_type=Path), help="A snapshot; by default that of the last release.")
def check_contracts(folder: Path | None) -> None:
    """Refuse what would break callers or services of the last release."""
    from app.composition import MODULES, contract_of

    before = folder or last_release()
    accepted = tomllib.loads((RELEASES / "accepted.toml").read_text())
    found = broken_since(before, [contract_of(module) for module in MODULES])
    if refused := [what for what in found if what not in accepted]:
        raise SegueError(f"this breaks {before.name}: " + "; ".join(refused))
    click.echo(f"nothing breaks {before.name}", err=True)


def last_release() -> Path:
    """Return the folder of the newest release."""
    folders = [folder for folder in RELEASES.iterdir() if folder.is_dir()]
    return max(folders, key=lambda folder: [int(part) for part in folder.name.split(".")])


COMMANDS = (contracts,)
