"""pg_dump and pg_restore for one schema: programs that fit the server, passwords never among the arguments."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import URL

from app.host.places import HostError
from app.host.postgres_binaries import program_folders, version_of


def dump_schema(url: URL, schema: str, target: Path, *, snapshot: str, server_major: int) -> None:
    """Write a schema with its rows, as a transaction's exported snapshot shows them, to a file."""
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--schema={schema}", f"--snapshot={snapshot}"]
    program = _programs("pg_dump", server_major)[0]
    _run([program, "--no-password", *options, f"--file={target}", str(url.database)], url)


def restore_schema(url: URL, schema: str, source: Path, *, server_major: int) -> None:
    """Make the tables of a dumped schema, and fill them, as the role of `url`; the schema itself is there, empty."""
    program, contents = _reader(source, server_major)
    # the schema belongs to the bootstrap, and its role may not make another
    wanted = [line for line in contents if f" SCHEMA - {schema} " not in line]
    listed = source.with_suffix(".list")
    listed.write_text("\n".join(wanted))
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", f"--use-list={listed}"]
    _run([program, *options, f"--dbname={url.database}", str(source)], url)


def _reader(source: Path, server_major: int) -> tuple[str, list[str]]:
    """Return a program that can read a dump, and what it lists: an older one does not know a newer form."""
    for program in _programs("pg_restore", server_major):
        listed = subprocess.run([program, "--list", str(source)], capture_output=True, text=True, check=False)
        if not listed.returncode:
            return program, listed.stdout.splitlines()
    raise HostError(f"{source.name} can't be read: {_last(listed.stderr)}")


def _run(command: Sequence[str], url: URL) -> None:
    environment = {**os.environ, **connection_variables(url)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if said.returncode:
        raise HostError(f"{Path(command[0]).name}: {_last(said.stderr)}")


def connection_variables(url: URL) -> dict[str, str]:
    """Return an address as libpq's variables."""
    host = url.query.get("host") or url.host or ""
    variables = {
        "PGHOST": host if isinstance(host, str) else host[0],
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username or "",
        "PGPASSWORD": str(url.password or ""),
        "PGSSLMODE": str(url.query.get("sslmode", "")),
    }
    return {name: value for name, value in variables.items() if value}


def _programs(name: str, at_least: int) -> list[str]:
    """Find programs of the server's major version or newer ones, the nearest first. Raises HostError."""
    found = set()
    for folder in program_folders():
        major = version_of(folder / name)
        if major >= at_least:
            found.add((major, str(folder / name)))
    if not found:
        raise HostError(f"no {name} of version {at_least} or newer: install PostgreSQL's client programs")
    return [program for _, program in sorted(found)]


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
