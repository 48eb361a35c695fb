"""`manage.py up | status | topology | config | openapi`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import urllib3

from app import __version__
from app.cli.shared import answer, as_json, modules, settings, table
from app.composition import as_process, identity_of
from app.kernel import context
from app.kernel.celery import broker_state, make_celery
from app.kernel.contract import DomainError
from app.kernel.transport import pool_for
from app.settings import MODULE_NAMES, Settings, shown
from app.topology import GATEWAY, Topology
from app.topology import load as load_topology


@click.command()
@click.option(
    "--topology",
    "topology_name",
    default="",
    help="monolith, three-tier, soa, split, or a file; without it the one in force last, at first the monolith.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8000)
@click.option("--host", default="127.0.0.1", help="Where the web process listens.")
@click.option("--workers", type=click.IntRange(1, 64), help="Web processes of the gateway.")
@click.option("--no-demo", is_flag=True, help="Start empty.")
def up(topology_name: str, port: int, host: str, workers: int | None, no_demo: bool) -> None:
    """Run everything in the foreground; Ctrl-C stops all of it."""
    from app.cli.up import run_everything

    run_everything(topology_name, host=host, port=port, workers=workers, has_demo=not no_demo)


@click.command()
@as_json
def status(json_: bool) -> None:
    """Show every part: up or down, where, version, since when, process id."""
    from app.host.supervisor import recorded_processes

    loaded = settings()
    topology = load_topology(loaded.topology)
    processes = {p["name"]: p for p in recorded_processes(loaded.data_dir)}
    parts = [_started_part(p, topology) for p in processes.values() if p["name"] not in topology.processes]
    parts += [_process_part(loaded, topology, name, processes.get(name)) for name in topology.processes]
    parts += _module_parts(loaded, topology, {p["name"]: p for p in parts})
    rows = [[p["name"], p["kind"], p["state"], p["where"], str(p["pid"] or "-"), str(p["since"] or "-")] for p in parts]
    search = _search_mode()
    answer(
        json_,
        {"parts": parts, "search": search},
        *table(rows, ["NAME", "KIND", "STATE", "WHERE", "PID", "SINCE"]),
        f"search: {search}",
    )


def _started_part(process: dict[str, Any], topology: Topology) -> dict[str, Any]:
    is_replica = process["name"].rpartition("-")[0] in topology.processes  # recommendations-2, …
    is_server = process["name"] in {"postgres", "valkey"}
    return {
        "name": process["name"],
        "kind": "server" if is_server else "process" if is_replica else "worker",
        "state": "up" if process["pid"] else "down",
        "where": "here",
        "pid": process["pid"],
        "since": _iso(process["since"]),
        "version": __version__,
    }


def _process_part(loaded: Settings, topology: Topology, name: str, process: dict[str, Any] | None) -> dict[str, Any]:
    url = (
        topology.processes[name].urls[0]
        if name != GATEWAY and topology.processes[name].urls
        else f"http://{loaded.bind}"
    )
    is_up, version = ask(url, loaded, name)
    return {
        "name": name,
        "kind": "process",
        "state": "up" if is_up else "down",
        "where": url,
        "pid": process["pid"] if process else None,
        "since": _iso(process["since"]) if process else None,
        "version": version,
    }


def ask(url: str, loaded: Settings, name: str, *, within_s: float = 2.0) -> tuple[bool, str | None]:
    """Return whether the process of this name is ready at an address, and its version."""
    try:
        pool = pool_for(url, loaded.socket_dir, identity_of(as_process(loaded, "cli")), name)
        reply = pool.request("GET", "/readyz?self", timeout=within_s, retries=False)
        return reply.status == 200, msgspec.json.decode(reply.data).get("version")
    except (urllib3.exceptions.HTTPError, OSError, msgspec.DecodeError):
        return False, None


def _module_parts(loaded: Settings, topology: Topology, processes: dict[str, Any]) -> list[dict[str, Any]]:
    parts = []
    for module in MODULE_NAMES:
        owner = processes[topology.owner(module)]
        parts.append({**owner, "name": module, "kind": "module", "where": owner["name"]})
    broker, workers = broker_state(make_celery(loaded))
    parts.append(_queue_part("broker", broker))
    parts.append(_queue_part("workers", workers))
    return parts


def _queue_part(name: str, state: str) -> dict[str, Any]:
    return {"name": name, "kind": "queue", "state": state, "where": "", "pid": None, "since": None, "version": None}


def _search_mode() -> str:
    try:
        with modules() as services, context.budget(3):
            return str(services.catalog.search_mode())
    except DomainError:
        return "unknown: catalog is away"


def _iso(since: float | None) -> str | None:
    return datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds") if since else None


@click.group()
def config() -> None:
    """The settings in force."""


@config.command("show")
@as_json
def show_config(json_: bool) -> None:
    """Show the settings; secrets and passwords are masked."""
    document = shown(settings())
    answer(json_, document, *(f"{key}: {value}" for key, value in document.items()))


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
def openapi(file: Path | None) -> None:
    """Print the OpenAPI document of the public API, or write it to a file."""
    from app.composition import MODULES, api_of
    from app.kernel.openapi import document

    text = msgspec.json.format(msgspec.json.encode(document([api_of(m) for m in MODULES], version=__version__)))
    if file:
        file.write_bytes(text)
    else:
        click.echo(text.decode())


COMMANDS = (up, status, config, openapi)
