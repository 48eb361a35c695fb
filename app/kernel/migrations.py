"""Schemas, roles and grants of the modules, and an Alembic history for each.

Two roles per module: `<m>_migrate` owns the schema, `<m>_app` has rows only. Nobody else has rights there, so the
server itself refuses to read another module's data, DDL, and a foreign key across schemas.
"""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, NullPool, create_engine, text
from sqlalchemy.engine import URL

from app.kernel.db import module_url, server_url
from app.settings import Settings

# Indexes on expressions, or that only some servers can have: a comparison can't read them back.
EXPRESSION_INDEXES = ("_prefix", "_trigram", "_order")
ROOT = Path(__file__).resolve().parents[2] / "migrations"
# The kernel's own tables in a module's schema, which models do not name.
KERNEL_TABLES = frozenset({"event", "event_generation", "feed_cursor", "alembic_version"})


def bootstrap_sql(settings: Settings, module: str, database: str) -> str:
    """Return the SQL that an administrator of the server runs for a module, idempotent, passwords included."""
    template = (ROOT / "bootstrap.sql").read_text()
    return (
        template.replace(":module", module)
        .replace(":database", database)
        .replace(":app_password", settings.secret(f"db_{module}_app").replace("'", "''"))
        .replace(":migrate_password", settings.secret(f"db_{module}_migrate").replace("'", "''"))
    )


def bootstrap(settings: Settings, modules: list[str]) -> None:
    """Create databases, schemas and roles as the role of DATABASE_URL; what is there already is brought in line."""
    for module in modules:
        url = server_url(settings, module)
        _create_database(url)
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(bootstrap_sql(settings, module, str(url.database)).replace("%", "%%"))


def _create_database(url: URL) -> None:
    engine = create_engine(url.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        is_there = connection.execute(
            text("select 1 from pg_database where datname = :name"), {"name": url.database}
        ).scalar()
        if not is_there:
            name = str(url.database).replace('"', "")
            connection.exec_driver_sql(f"create database \"{name}\" encoding 'UTF8' template template0")


def config(settings: Settings, module: str) -> Config:
    cfg = Config()
    cfg.set_main_option("script_location", str(ROOT))
    cfg.set_main_option("version_locations", str(ROOT / module))
    cfg.set_main_option("path_separator", "newline")
    cfg.attributes["url"] = module_url(settings, module, "migrate")
    cfg.attributes["module"] = module
    return cfg


def upgrade(settings: Settings, module: str, revision: str = "head") -> None:
    """Bring a module's schema to a revision; one process at a time, the others wait."""
    command.upgrade(config(settings, module), revision)


def downgrade(settings: Settings, module: str, revision: str) -> None:
    command.downgrade(config(settings, module), revision)


def current(settings: Settings, module: str) -> str | None:
    """Return the revision that a module's schema is at, None for an empty one."""
    engine = create_engine(module_url(settings, module, "migrate"), poolclass=NullPool)
    with engine.connect() as connection:
        return MigrationContext.configure(connection, opts={"version_table_schema": module}).get_current_revision()


def head(settings: Settings, module: str) -> str | None:
    return ScriptDirectory.from_config(config(settings, module)).get_current_head()


def differences(settings: Settings, module: str, metadata: MetaData) -> list[Any]:
    """Return what models and migrated schema disagree about; empty when they are in step."""
    engine = create_engine(module_url(settings, module, "migrate"), poolclass=NullPool)
    with engine.connect() as connection:
        migration = MigrationContext.configure(
            connection,
            opts={
                "version_table_schema": module,
                "include_name": lambda name, kind, _: (
                    not (
                        (kind == "table" and name in KERNEL_TABLES)
                        or (kind == "index" and str(name).endswith(EXPRESSION_INDEXES))
                    )
                ),
                "compare_type": True,
            },
        )
        return list(compare_metadata(migration, metadata))
