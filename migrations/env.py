"""One environment for every module: schema, role and version table follow the module."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text

module = context.config.attributes["module"]
engine = create_engine(context.config.attributes["url"], poolclass=NullPool)

with engine.connect() as connection:
    connection.execute(text("select pg_advisory_lock(hashtext('migrate ' || :module))"), {"module": module})
    connection.execute(text("set lock_timeout = '5s'"))
    connection.commit()
    context.configure(
        connection=connection,
        version_table_schema=module,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
