from pathlib import Path

import pytest
from sqlalchemy import text

from app.bench.system import Servers, environment_for, migrate
from app.host.postgres import SERVER_OPTIONS
from app.kernel import migrations
from app.kernel.db import Database, module_url
from app.settings import MODULE_NAMES, Settings, load

EVENT = ("event", "payload", "'{}'")


@pytest.fixture(scope="module")
def settings(servers: Servers, folder: Path) -> Settings:
    """A migrated database of its own."""
    settings = load(environment_for(servers, folder / "migrations", "segue_migrations", "monolith"))
    migrate(settings)
    return settings


def test_upgrading_again_changes_nothing(settings: Settings) -> None:
    before = {module: migrations.current(settings, module) for module in MODULE_NAMES}
    migrate(settings)
    assert {module: migrations.current(settings, module) for module in MODULE_NAMES} == before
    assert before == {module: migrations.head(settings, module) for module in MODULE_NAMES}


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_a_filled_schema_goes_down_and_up_again(settings: Settings, module: str) -> None:
    database = Database(module_url(settings, module, "migrate"))
    with database.begin() as session:
        has_cursors = session.execute(text("select to_regclass('feed_cursor')")).scalar() is not None
        table, columns, values = ("feed_cursor", "name, cursor", "'a', '1:2:3'") if has_cursors else EVENT
        session.execute(text(f"insert into {table} ({columns}) values ({values})"))
    migrations.downgrade(settings, module, "base")
    assert migrations.current(settings, module) is None
    with database.begin() as session:
        left = session.execute(text("select tablename from pg_tables where schemaname = :m"), {"m": module})
        assert set(left.scalars()) <= {"alembic_version"}
    migrations.upgrade(settings, module)
    assert migrations.current(settings, module) == migrations.head(settings, module)
    database.dispose()


def test_connections_of_all_processes_stay_under_the_servers_limit(settings: Settings) -> None:
    most = int(SERVER_OPTIONS["max_connections"])
    web_workers, others = 2, 2  # gunicorn's of the monolith; the worker's child and a command line
    pools = len(MODULE_NAMES) * settings.pool_size * (web_workers + others)
    leaders = 20  # a lock each, in one process at a time
    assert pools + leaders <= most
