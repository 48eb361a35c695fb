"""A module's schema is copied into another database while somebody writes to it: nothing is lost, nothing is double."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import psycopg2
import pytest
from msgspec import structs
from sqlalchemy import exc, text

from app.bench.system import Servers, environment_for
from app.kernel import feed, migrations
from app.kernel.contract import ServiceUnavailable
from app.kernel.db import Database, module_url
from app.kernel.transfer import Transfer, TransferFailed, forget_copy, refuse_occupied, same_place, unlock
from app.settings import Settings, load
from tests.support.waiting import eventually

MODULE = "playlists"
INSERT = """
    insert into playlist (playlist_id, owner_id, name, created_at, updated_at)
    values (gen_random_uuid(), gen_random_uuid(), :name, now(), now())
"""

LISTENER, KEY = f"uuid '{UUID(int=1)}'", f"uuid '{UUID(int=2)}'"
TOTAL = f"""
    insert into item_total
        (listener_id, recording_key, release_key, artist_key, artist, title, plays, first_at, last_at)
    values ({LISTENER}, {KEY}, {KEY}, {KEY}, 'A', 'B', 1, now(), now())
"""
QUARTER = f"""
    insert into quarter_hour (listener_id, at, plays) values ({LISTENER}, '2026-01-01', 1)
    on conflict (listener_id, at) do update set plays = quarter_hour.plays + 1
"""


@pytest.fixture(scope="module")
def before(servers: Servers, folder: Path) -> Settings:
    settings = load(environment_for(servers, folder / "transfer", "transfer_a", "monolith"))
    for module in (MODULE, "listens"):
        migrations.bootstrap(settings, [module])
        migrations.upgrade(settings, module)
    return settings


def elsewhere(settings: Settings, name: str, module: str = MODULE) -> Settings:
    return structs.replace(settings, module_database_urls={module: settings.database_url.replace("transfer_a", name)})


def rows(settings: Settings, module: str = MODULE) -> dict[str, list[str]]:
    url = module_url(settings, module, "migrate").set(drivername="postgresql")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    with connection.cursor() as cursor:
        cursor.execute(
            "select tablename from pg_tables where schemaname = %s and tablename <> 'move_change'", (module,)
        )
        found = {}
        for (name,) in sorted(cursor.fetchall()):
            cursor.execute(f'select t::text from "{name}" t order by 1')
            found[name] = [row for (row,) in cursor.fetchall()]
    connection.close()
    return found


class Writer:
    """Adds, changes and deletes playlists until it is refused."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(module_url(settings, MODULE), pool_size=1)
        self.written = 0
        self.refused = ""
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> "Writer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(30)
        self.database.dispose()

    def run(self) -> None:
        while not self.refused and self.written < 100_000:
            try:
                with self.database.begin() as session:
                    session.execute(text(INSERT), {"name": f"list {self.written}"})
                    session.execute(text("update playlist set name = name || '!' where name = :n"), {"n": "list 3"})
                    session.execute(
                        text("delete from playlist where name = :name"), {"name": f"list {self.written - 10}"}
                    )
                self.written += 1
            except (exc.ProgrammingError, ServiceUnavailable) as error:
                self.refused = str(error)


@pytest.fixture
def after(before: Settings) -> Iterator[Settings]:
    settings = elsewhere(before, "transfer_b")
    yield settings
    forget_copy(settings, MODULE)
    unlock(before, MODULE)


def test_the_copy_is_the_same_though_somebody_wrote_all_the_time(before: Settings, after: Settings) -> None:
    assert not same_place(before, after, MODULE)
    refuse_occupied(after, MODULE)
    with Writer(before) as writer:
        move = Transfer(before, after, MODULE)
        eventually(lambda: writer.written >= 20, within_s=60)
        move.begin()
        for _ in range(5):
            move.catch_up()
        counts = move.finish()
    assert "permission denied" in writer.refused
    assert writer.written > 20
    assert counts["playlist"] > 10
    copied, original = rows(after), rows(before)
    assert copied == original
    # it can be written to on the other side, and not any more on this one
    database = Database(module_url(after, MODULE), pool_size=1)
    with database.begin() as session:
        session.execute(text(INSERT), {"name": "on the other side"})
    database.dispose()


def test_a_move_that_is_given_up_leaves_no_trace(before: Settings, after: Settings) -> None:
    move = Transfer(before, after, MODULE)
    move.begin()
    move.finish()
    unlock(before, MODULE)
    original = rows(before)
    assert original["playlist"]
    database = Database(module_url(before, MODULE), pool_size=1)
    with database.begin() as session:
        session.execute(text(INSERT), {"name": "still here"})
    database.dispose()
    # and it can be begun again over the half that is there
    again = Transfer(before, after, MODULE)
    again.begin()
    again.finish()
    assert rows(after) == rows(before)


def test_a_schema_that_is_there_already_is_not_written_over(before: Settings) -> None:
    with pytest.raises(TransferFailed, match="there is a schema"):
        refuse_occupied(before, MODULE)


def test_every_table_of_every_key_is_followed_and_what_is_unique_may_be_made_anew(before: Settings) -> None:
    """Roll-ups: a key that includes further columns, and a row deleted and counted again under another number."""
    after = elsewhere(before, "transfer_keys", "listens")
    database = Database(module_url(before, "listens"), pool_size=1)
    total, quarter = text(TOTAL), text(QUARTER)
    with database.begin() as session:
        session.execute(total)
        session.execute(quarter)
    move = Transfer(before, after, "listens")
    move.begin()
    with database.begin() as session:
        session.execute(text("delete from item_total"))
        session.execute(total)
        session.execute(quarter)
    move.finish()
    assert rows(after, "listens") == rows(before, "listens")
    unlock(before, "listens")
    forget_copy(after, "listens")
    with database.begin() as session:
        session.execute(text("delete from item_total"))
        session.execute(text("delete from quarter_hour"))
    database.dispose()


def test_a_log_goes_on_where_it_was(before: Settings) -> None:
    """Events keep transaction, position and order, so that cursors of followers hold."""
    after = elsewhere(before, "transfer_log", "listens")
    database = Database(module_url(before, "listens"), pool_size=1)

    class Said(msgspec.Struct, frozen=True):
        word: int

    for word in range(20):
        with database.begin() as session:
            feed.append(session, [Said(word)])
    _, cursor = feed.read(database, "", 10)
    move = Transfer(before, after, "listens")
    move.begin()
    move.finish()
    moved = Database(module_url(after, "listens"), pool_size=1)
    with moved.begin() as session:
        feed.append(session, [Said(20)])
    rest, _ = feed.read(moved, cursor, 100)
    assert [msgspec.json.decode(event)["word"] for event in rest] == list(range(10, 21))
    database.dispose()
    moved.dispose()
    forget_copy(after, "listens")
