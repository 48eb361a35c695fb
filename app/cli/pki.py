"""`manage.py pki …`: certificates by which the processes of an instance know each other on https:// urls."""

from urllib.parse import urlsplit

import click

from app.cli.shared import SegueError, answer, as_json, settings, table
from app.composition import process_names
from app.host import pki as authority
from app.host.places import HostError
from app.topology import load as load_topology


@click.group()
def pki() -> None:
    """The small certificate authority of this instance."""


@pki.command()
@click.option("--days", type=click.IntRange(1, 7300), default=authority.CA_DAYS)
def init(days: int) -> None:
    """Make the authority, once."""
    loaded = settings()
    try:
        authority.init(loaded.data_dir, days=days)
    except HostError as error:
        raise SegueError(str(error)) from None
    click.echo(f"made {authority.pki_folder(loaded.data_dir)}/ca.pem; keep ca.key where only you can read it")


@pki.command()
@click.argument("processes", nargs=-1)
@click.option("--topology", "topology_name", help="Of which topology; by default the one in force.")
@click.option("--days", type=click.IntRange(1, 825), default=authority.DAYS)
def issue(processes: tuple[str, ...], topology_name: str | None, days: int) -> None:
    """Give PROCESSES (by default all, worker and command line too) a new certificate each."""
    loaded = settings()
    topology = load_topology(topology_name or loaded.topology)
    known = process_names(topology)
    if unknown := [name for name in processes if name not in known]:
        raise SegueError(f"no process {unknown[0]!r}; there are {', '.join(known)}")
    for name in processes or known:
        urls = topology.processes[name].urls if name in topology.processes else []
        hosts = [host for url in urls if url.startswith("http") and (host := urlsplit(url).hostname)]
        try:
            made = authority.issue(loaded.data_dir, name, hosts=hosts, days=days)
        except HostError as error:
            raise SegueError(str(error)) from None
        click.echo(f"{name}: good until {made.ends:%Y-%m-%d}")


@pki.command()
@click.option("--within", "within_days", type=click.IntRange(0), default=30, help="Days before the end.")
def renew(within_days: int) -> None:
    """Renew what ends soon; the running processes take it up with their next connection."""
    try:
        renewed = authority.renew(settings().data_dir, within_days=within_days)
    except HostError as error:
        raise SegueError(str(error)) from None
    click.echo("\n".join(f"{each.process}: good until {each.ends:%Y-%m-%d}" for each in renewed) or "nothing ends soon")


@pki.command()
@as_json
def show(json_: bool) -> None:
    """Show the certificates and when they end."""
    found = authority.issued(settings().data_dir)
    document = [{"process": c.process, "serial": c.serial, "ends": c.ends, "expired": c.days_left <= 0} for c in found]
    rows = [[c.process, c.serial[:12], f"{c.ends:%Y-%m-%d}", f"{c.days_left:.0f} days left"] for c in found]
    answer(json_, {"certificates": document}, *table(rows, ["PROCESS", "SERIAL", "ENDS", ""]))


COMMANDS = (pki,)
