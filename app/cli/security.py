"""`manage.py security drill MODULE`: what somebody could do who has a module's key and database roles."""

from collections.abc import Iterator

import click
import msgspec
from msgspec import Struct
from sqlalchemy import NullPool, create_engine, exc, text

from app.cli.shared import SegueError, answer, as_json, settings, table
from app.composition import MODULES, Callers, Container, as_process, contract_of
from app.kernel.db import module_url
from app.kernel.rpc import ACTOR, VERSION, WIRE_VERSION
from app.kernel.tokens import load_signer
from app.settings import MODULE_NAMES, Settings
from app.topology import Topology
from app.topology import load as load_topology

PATIENCE_S = 30.0  # a busy machine is no wall


class Trial(Struct, frozen=True):
    """One door: what was tried, whether it opened, and whether it should."""

    door: str
    is_open: bool
    is_meant: bool


@click.group()
def security() -> None:
    """Trials of the walls between the parts."""


@security.command()
@click.argument("module", type=click.Choice(MODULE_NAMES))
@as_json
def drill(module: str, json_: bool) -> None:
    """Try every method and every schema with MODULE's key and roles; nothing is changed by it.

    Exits 1 when something is open that should not be, or closed that should be open.
    """
    loaded = settings()
    topology = load_topology(loaded.topology)
    trials = [*_methods(loaded, topology, module), *_schemas(loaded, module)]
    wrong = [trial for trial in trials if trial.is_open is not trial.is_meant]
    opened = [trial.door for trial in trials if trial.is_open]
    rows = [[trial.door, "open" if trial.is_open else "shut"] for trial in wrong]
    document = {"module": module, "tried": len(trials), "open": opened, "wrong": [trial.door for trial in wrong]}
    answer(
        json_,
        document,
        f"{module}: {len(trials)} doors tried, {len(opened)} open, {len(wrong)} not as meant",
        *(f"  open: {door}" for door in opened),
        *(table(rows, ["NOT AS MEANT", "IS"]) if wrong else ()),
        *(() if topology.is_split() else ("  (one process: there are no calls between processes to try)",)),
    )
    if wrong:
        raise SegueError(f"{len(wrong)} doors are not as they are meant to be")


def _methods(loaded: Settings, topology: Topology, module: str) -> Iterator[Trial]:
    """Call every method of the others with a body that can't be decoded: whoever may call is told so, nobody acts."""
    if not topology.is_split():
        return
    process = topology.owner(module)
    signer = load_signer(as_process(loaded, process))
    container = Container(as_process(loaded, process), topology, ())
    for other in MODULES:
        if topology.owner(other) == process:
            continue
        [pool, *_] = container.pools(other)
        meant = Callers(topology, other).of(process)
        for name in sorted(contract_of(other).methods):
            headers = {"Authorization": f"Bearer {signer.token(other)}", VERSION: WIRE_VERSION}
            reply = pool.request(
                "POST", f"/rpc/{other}/{name}", body=b"-", headers=headers, timeout=PATIENCE_S, retries=False
            )
            code = msgspec.json.decode(reply.data).get("code")
            yield Trial(f"{other}.{name}", code == "invalid_request", name in meant)
        headers = {"Authorization": f"Bearer {signer.token(module)}", ACTOR: "anonymous"}
        reply = pool.request("POST", f"/rpc/{other}/x", body=b"{}", headers=headers, timeout=PATIENCE_S, retries=False)
        yield Trial(f"{other}: a token for another module", reply.status != 401, False)


SCHEMA_TRIALS = {
    "read": "select 1 from {schema}.alembic_version",
    "write": "delete from {schema}.alembic_version where false",
    "define": "create table {schema}.intruder (number integer)",
}


def _schemas(loaded: Settings, module: str) -> Iterator[Trial]:
    """Read, write and define in every schema as each of the module's roles, and take it back."""
    for role in ("app", "migrate"):
        engine = create_engine(module_url(loaded, module, role), poolclass=NullPool)
        for schema in (*MODULE_NAMES, "public"):
            for what, statement in SCHEMA_TRIALS.items():
                if schema == "public" and what != "define":
                    continue
                is_meant = schema == module and (role == "migrate" or what != "define")
                with engine.connect() as connection:
                    try:
                        connection.execute(text(statement.format(schema=schema)))
                        is_open = True
                    except exc.ProgrammingError:
                        is_open = False
                    connection.rollback()
                yield Trial(f"schema {schema}: {what} as {module}_{role}", is_open, is_meant)


COMMANDS = (security,)
