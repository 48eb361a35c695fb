"""`manage.py users …`: listeners and their tokens."""

import secrets
import sys
import time

import click

from app.cli.shared import SegueError, answer, as_json, modules, settings, table
from app.composition import process_names
from app.contracts.accounts import ALL_SCOPES, Scope
from app.host.secrets import rotate_service_key
from app.topology import load as load_topology

PATIENCE_S = 20.0


@click.group()
def users() -> None:
    """Create, list and delete listeners; give tokens."""


@users.command()
@click.argument("name")
@click.option("--admin", "is_admin", is_flag=True, help="Give the admin role.")
@click.option("--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input.")
def create(name: str, is_admin: bool, from_stdin: bool) -> None:
    """Create a listener; without --password-stdin asks for a password, or makes one where nobody can answer."""
    shown = ""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = shown = secrets.token_urlsafe(12)
    with modules() as services:
        services.accounts.create_listener(name, password, is_admin)
    click.echo(f"created {name}" + (f" with the password {shown}" if shown else ""))


@users.command("list")
@as_json
def list_(json_: bool) -> None:
    """List listeners."""
    found: list[object] = []
    rows: list[list[str]] = []
    with modules() as services:
        after = ""
        while page := services.accounts.list_listeners(after, 1000):
            after = page[-1].name
            found += [
                {
                    "id": x.listener_id,
                    "name": x.name,
                    "admin": x.is_admin,
                    "disabled": x.is_disabled,
                    "created": x.created_at,
                }
                for x in page
            ]
            rows += [[x.name, "admin" if x.is_admin else "listener", x.created_at.date().isoformat()] for x in page]
    answer(json_, {"users": found}, *table(rows, ["NAME", "ROLE", "SINCE"]))


@users.command()
@click.argument("name")
def delete(name: str) -> None:
    """Delete a listener and everything of theirs, in every module; says when it is complete."""
    with modules() as services:
        listener_id = services.accounts.find_listener(name).listener_id
        receipt = services.accounts.create_erasure_receipt(listener_id)
        services.accounts.delete_listener(listener_id)
        found = services.accounts.get_erasure(receipt)
        until = time.monotonic() + PATIENCE_S
        while not found.is_complete and time.monotonic() < until:
            time.sleep(0.2)
            found = services.accounts.get_erasure(receipt)
    if found.is_complete:
        click.echo(f"deleted {name}: nothing is left in any module")
    else:
        click.echo(f"deleted {name}; it goes on by itself in: {', '.join(found.waiting)}")


@users.command()
@click.argument("name")
@click.option("--scopes", default=",".join(ALL_SCOPES), help="Of read, write and scrobble, with commas.")
@click.option("--name", "label", default="command line", help="What the token is called in the account's list.")
@as_json
def token(name: str, scopes: str, label: str, json_: bool) -> None:
    """Give a listener a new API token; it is shown this once."""
    wanted = [s.strip() for s in scopes.split(",") if s.strip()]
    if unknown := [s for s in wanted if s not in ALL_SCOPES]:
        raise SegueError(f"unknown scopes: {', '.join(unknown)}")
    chosen: list[Scope] = [s for s in ALL_SCOPES if s in wanted]
    with modules() as services:
        listener = services.accounts.find_listener(name)
        issued = services.accounts.create_token(listener.listener_id, label, chosen)
    answer(json_, {"token": issued.token}, issued.token)


@users.command()
@click.argument("name")
@click.argument("role", type=click.Choice(("admin", "listener")))
def role(name: str, role: str) -> None:
    """Make somebody an administrator, or a listener like others."""
    with modules() as services:
        listener = services.accounts.find_listener(name)
        services.accounts.set_admin(listener.listener_id, role == "admin")
    click.echo(f"{listener.name}: {role}")


@users.command()
@click.argument("name")
@click.argument("state", type=click.Choice(("barred", "admitted")))
def bar(name: str, state: str) -> None:
    """Bar somebody from signing in, or admit them again; their sessions end."""
    with modules() as services:
        listener = services.accounts.find_listener(name)
        services.accounts.set_disabled(listener.listener_id, state == "barred")
    click.echo(f"{listener.name}: {state}")


@click.command()
@click.option("-n", "limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
def audit(limit: int, json_: bool) -> None:
    """Print what administrators did, newest first."""
    with modules() as services:
        found = services.accounts.list_audit(None, limit)
    rows = [
        [
            e.at.isoformat(timespec="seconds"),
            e.actor,
            e.act,
            e.subject,
            ", ".join(f"{k}={v}" for k, v in e.details.items()),
        ]
        for e in found
    ]
    answer(json_, {"entries": found}, *table(rows, ["WHEN", "WHO", "ACT", "ON", "DETAILS"]))


@users.command()
@click.argument("name")
def reset(name: str) -> None:
    """Print a code that sets a new password, valid for 30 minutes, once."""
    with modules() as services:
        click.echo(services.accounts.create_reset(services.accounts.find_listener(name).listener_id))


@click.group()
def keys() -> None:
    """The keys that sign access tokens, and those of the processes."""


@keys.command()
@click.argument("process", required=False)
def rotate(process: str | None) -> None:
    """Change the key that signs access tokens, or that of a PROCESS towards the others; nobody is restarted."""
    if process:
        loaded = settings()
        known = process_names(load_topology(loaded.topology))
        if process not in known:
            raise SegueError(f"no process {process!r}; there are {', '.join(known)}")
        rotate_service_key(loaded.data_dir, process)
        click.echo(f"{process} signs with a new key; the old one is refused from now on")
        return
    with modules() as services:
        click.echo(", ".join(k.kid for k in services.accounts.rotate_keys().keys))


COMMANDS = (users, keys, audit)
