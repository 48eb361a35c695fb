"""`manage.py db …`: schemas and migrations."""

import importlib

import click

from app.cli.shared import SegueError, settings
from app.kernel import migrations
from app.settings import MODULE_NAMES


@click.group()
def db() -> None:
    """Create, migrate and check the modules' schemas."""


@db.command()
@click.option("--print", "is_printed", is_flag=True, help="Print the SQL for an administrator instead of running it.")
def bootstrap(is_printed: bool) -> None:
    """Create roles and schemas on the server of DATABASE_URL."""
    if is_printed:
        for module in MODULE_NAMES:
            click.echo(migrations.bootstrap_sql(settings(), module, "segue"))
        return
    migrations.bootstrap(settings(), list(MODULE_NAMES))


@db.command()
def upgrade() -> None:
    """Bring every module's schema to its newest revision."""
    for module in MODULE_NAMES:
        migrations.upgrade(settings(), module)
        click.echo(f"{module}: {migrations.current(settings(), module)}", err=True)


@db.command()
@click.argument("module", type=click.Choice(MODULE_NAMES), required=False)
@click.option("--to", "revision", default="base", help="A revision, -1 for the one before, base for an empty schema.")
def downgrade(module: str | None, revision: str) -> None:
    """Take a module's schema (or all) back to a revision."""
    for name in [module] if module else reversed(MODULE_NAMES):
        migrations.downgrade(settings(), str(name), revision)
        click.echo(f"{name}: {migrations.current(settings(), str(name)) or 'empty'}", err=True)


@db.command()
def current() -> None:
    """Show the revision of every module's schema."""
    for module in MODULE_NAMES:
        revision, newest = migrations.current(settings(), module), migrations.head(settings(), module)
        click.echo(f"{module}: {revision or 'empty'}{'' if revision == newest else f' (newest: {newest})'}")


@db.command()
def check() -> None:
    """Fail unless the models of every module match its migrated schema."""
    found = []
    for module in MODULE_NAMES:
        metadata = importlib.import_module(f"app.modules.{module}.models").metadata
        found += [f"{module}: {difference}" for difference in migrations.differences(settings(), module, metadata)]
    if found:
        raise SegueError("models and migrations differ: " + "; ".join(found))
    click.echo("models and migrations agree", err=True)


COMMANDS = (db,)
