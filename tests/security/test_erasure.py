"""A deleted person is gone from every module: all tables are searched for their id and name (line 40)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.composition import MODULES, Container
from app.contracts.catalog import Rename
from app.contracts.identity import artist_key
from app.contracts.listens import NewListen
from app.kernel.context import acting_as
from app.kernel.db import Database
from tests.support.people import Person, new_person
from tests.support.waiting import eventually

# By their bare id: the erasure itself, for those who follow; and the audit, which keeps no name.
ERASURES = {"listener_erased", "listener_forgotten"}


def traces(database: Database, person: Person) -> list[str]:
    """Return the tables of a module in which a person's id or name is found."""
    found = []
    with database.begin() as session:
        tables = session.execute(
            text("select table_name from information_schema.tables where table_schema = current_schema()")
        ).scalars()
        for table in tables.all():
            rows = session.execute(
                text(
                    f"""
                    select cast(t as text)
                    from "{table}" t
                    where strpos(lower(cast(t as text)), :id) > 0 or strpos(cast(t as text), :name) > 0
                    """
                ),
                {"id": str(person.listener_id), "name": person.name},
            ).scalars()
            found += [table for row in rows if not is_allowed(table, row, person)]
    return found


def is_allowed(table: str, row: str, person: Person) -> bool:
    if person.name in row:
        return False
    return table == "audit" or (table == "event" and any(kind in row for kind in ERASURES))


@pytest.mark.parametrize("is_self", [True, False])
def test_no_table_of_any_module_holds_a_deleted_person(
    services: Container, database: Callable[..., Database], is_self: bool
) -> None:
    person, admin = new_person(services), new_person(services, is_admin=True)
    with acting_as(person.actor):
        start = datetime(2024, 5, 1, tzinfo=UTC)
        listens = [NewListen(start + timedelta(minutes=5 * n), "Ada", f"Song {n}") for n in range(5)]
        services.listens.submit(person.listener_id, listens)
        services.playlists.create_playlist(person.listener_id, "mine")
        services.recommendations.recommend(person.listener_id)
        eventually(lambda: services.catalog.get_artists([artist_key("Ada")]), within_s=10)
        services.catalog.add_correction("me", Rename("artists", artist_key("Ada"), f"Ada of {person.name}"))
    # what followers derive is there too, before it is asked to go
    for module in ("recommendations", "listens", "catalog"):
        eventually(lambda module=module: {"alias"} <= set(traces(database(module), person)), within_s=10)
    with acting_as(person.actor if is_self else admin.actor):
        services.accounts.delete_listener(person.listener_id)

    def remaining() -> dict[str, list[str]]:
        return {module: found for module in MODULES if (found := traces(database(module), person))}

    eventually(lambda: not remaining(), within_s=15)
    assert remaining() == {}
