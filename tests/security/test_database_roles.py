"""Each module's roles reach its own schema and nothing else (SECURITY 26)."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.kernel.db import Database
from app.settings import MODULE_NAMES

NEIGHBOUR = dict(zip(MODULE_NAMES, [*MODULE_NAMES[1:], MODULE_NAMES[0]], strict=True))


def refused(database: Database, statement: str) -> str:
    with pytest.raises(ProgrammingError) as caught, database.begin() as session:
        session.execute(text(statement))
    return str(caught.value.orig)


@pytest.mark.parametrize("module", MODULE_NAMES)
@pytest.mark.parametrize("role", ["app", "migrate"])
def test_a_role_cannot_read_another_schema(database: Callable[..., Database], module: str, role: str) -> None:
    other = NEIGHBOUR[module]
    assert "permission denied" in refused(database(module, role), f"select * from {other}.alembic_version")


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_a_process_cannot_change_tables(database: Callable[..., Database], module: str) -> None:
    assert "permission denied" in refused(database(module), "create table intruder (number integer)")
    assert "must be owner" in refused(database(module), "alter table alembic_version add column number integer")


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_nobody_writes_into_the_public_schema(database: Callable[..., Database], module: str) -> None:
    assert "permission denied" in refused(database(module, "migrate"), "create table public.intruder (number integer)")


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_a_key_across_schemas_is_refused(database: Callable[..., Database], module: str) -> None:
    other = NEIGHBOUR[module]
    statement = f"create table tie (number varchar references {other}.alembic_version)"
    assert "permission denied" in refused(database(module, "migrate"), statement)


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_a_statement_cannot_run_for_ever(database: Callable[..., Database], module: str) -> None:
    with database(module).begin() as session:
        assert session.execute(text("show statement_timeout")).scalar_one() == "1min"
