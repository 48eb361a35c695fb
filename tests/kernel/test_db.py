"""A connection that the server has ended."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url, text

from app.bench.system import Servers
from app.kernel import db
from app.kernel.contract import ServiceUnavailable
from app.kernel.db import Database
from tests.support.waiting import eventually


@pytest.fixture
def database(servers: Servers) -> Iterator[Database]:
    database = Database(make_url(servers.admin_url), pool_size=1)
    yield database
    database.dispose()


def connected_as(database: Database) -> int:
    with database.begin() as session:
        return int(session.execute(text("select pg_backend_pid()")).scalar_one())


def end(database: Database, pid: int) -> None:
    with database.dedicated() as other:
        other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        left = text("select count(*) from pg_stat_activity where pid = :pid")
        eventually(lambda: not other.execute(left, {"pid": pid}).scalar())


def test_a_connection_that_was_lost_while_it_lay_idle_is_replaced(database: Database) -> None:
    pid = connected_as(database)
    end(database, pid)
    time.sleep(db.FRESH_S)
    assert connected_as(database) != pid


def test_a_connection_that_is_lost_while_it_is_looked_by_is_not_kept(database: Database) -> None:
    with database.look() as connection:
        connection.execute(text("select 1"))
    with database.look() as connection:
        pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
        end(database, pid)
    time.sleep(db.FRESH_S)
    assert connected_as(database) != pid


def test_after_a_look_there_are_transactions_again(database: Database) -> None:
    with database.look() as connection:
        connection.execute(text("select 1"))
    with database.begin() as session:
        session.execute(text("create temporary table kept (number integer)"))
        session.rollback()
    with database.look() as connection:
        assert connection.execute(text("select to_regclass('kept')")).scalar_one() is None


def test_one_call_fails_where_a_connection_is_lost_in_use(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "FRESH_S", 60.0)
    pid = connected_as(database)
    end(database, pid)
    with pytest.raises(ServiceUnavailable):
        connected_as(database)
    assert connected_as(database) != pid
