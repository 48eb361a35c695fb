"""A module's own database: its engine, its transactions, and nobody else's tables."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, exc, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from app.kernel import context
from app.kernel.contract import DeadlineExceeded, ServiceUnavailable
from app.settings import Settings, SettingsError

# A connection that lay idle no longer is taken to be there still: a server doesn't begin anew within it, and asking
# costs two round trips, of which a submission has four.
FRESH_S = 0.2


def server_url(settings: Settings, module: str) -> URL:
    """Return the address of the server that holds a module's schema, with the driver named.

    SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3.
    """
    raw = settings.module_database_urls.get(module) or settings.database_url
    if not raw:
        raise SettingsError("DATABASE_URL: not set, and no `manage.py up` is running here")
    url = make_url(raw)
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingsError("DATABASE_URL: a postgresql:// address")
    return url.set(drivername="postgresql+psycopg2")


def module_url(settings: Settings, module: str, role: str = "app") -> URL:
    """Return the address as a module's role: `app` (rows only) or `migrate` (owns the schema)."""
    return server_url(settings, module).set(
        username=f"{module}_{role}", password=settings.secret(f"db_{module}_{role}")
    )


def literal(said: str) -> str:
    """Return a text as a pattern of `like` that matches itself alone."""
    return said.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class Database:
    """Transactions of one module, as its `_app` role. Opened lazily: importing or building it connects nowhere."""

    def __init__(self, url: URL, *, pool_size: int = 4) -> None:
        self.url = url
        self.engine: Engine = create_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=3, pool_recycle=1800)
        _ask_the_idle(self.engine)
        self.outside = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a transaction: committed at the end of the block, rolled back when it raises.

        Raises ServiceUnavailable when the server can't be reached, DeadlineExceeded when a statement ran out of time.
        """
        remaining = context.current().remaining_s()
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                if remaining is not None:
                    limit_ms = max(1, int(remaining * 1000))
                    session.connection().exec_driver_sql(f"set local statement_timeout = {limit_ms}")
                yield session
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            if "statement timeout" in str(error):
                raise DeadlineExceeded from None
            raise ServiceUnavailable("the database can't be reached; try again in a moment") from error
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise ServiceUnavailable("the database went away; try again in a moment") from error
            raise

    @contextlib.contextmanager
    def look(self) -> Iterator[Connection]:
        """Open a connection of the pool for one short statement that reads: without a transaction around it.

        Raises ServiceUnavailable when the server can't be reached.
        """
        try:
            with self.engine.connect() as connection, _committing_itself(connection):
                yield connection
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, psycopg2.Error) as error:
            raise ServiceUnavailable("the database can't be reached; try again in a moment") from error
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise ServiceUnavailable("the database went away; try again in a moment") from error
            raise

    @contextlib.contextmanager
    def dedicated(self) -> Iterator[Connection]:
        """Open a connection outside the pool, each statement its own transaction: for session locks and LISTEN."""
        try:
            with self.outside.connect() as connection:
                yield connection
        except (exc.OperationalError, exc.InterfaceError) as error:
            raise ServiceUnavailable("the database can't be reached; try again in a moment") from error

    def ping(self) -> None:
        """Raise ServiceUnavailable unless the database answers."""
        with self.begin() as session:
            session.execute(text("select 1"))

    def dispose(self) -> None:
        self.engine.dispose()


@contextlib.contextmanager
def _committing_itself(connection: Connection) -> Iterator[None]:
    """Run a block whose statements have no transaction around them.

    The driver is told itself, which costs no round trip. SQLAlchemy would put an isolation level back with a statement
    when the connection goes back to the pool; where that fails the pool counts the connection as taken for ever.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.autocommit = True
    try:
        yield
    finally:
        if driver.closed:
            connection.invalidate()
        else:
            driver.autocommit = False


def _ask_the_idle(engine: Engine) -> None:
    """Ask connections that lay idle whether they are there still before they are used; the pool replaces those gone."""

    @event.listens_for(engine, "checkin")
    def put_back(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def take(connection: Any, record: Any, _proxy: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since <= FRESH_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg2.Error:
            raise exc.InvalidatePoolError from None
