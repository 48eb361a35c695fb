"""Copies a module's schema into another database while it is written to.

Triggers note the keys of changed rows; the tables are copied in one snapshot; then the noted rows are copied again
until few are left. `finish` closes the old schema for the module's role, brings over the rest and compares. Everything
before that can be repeated or forgotten: rows are brought over by key, so doing it twice changes nothing.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extras import Json

from app.kernel import migrations
from app.kernel.contract import DomainError
from app.kernel.db import module_url, server_url
from app.settings import Settings

NOTES = "move_change"
BATCH = 5000
# Feeds are ordered by transaction ids: a server that has given fewer is brought up to them, within reason.
MOST_IDS = 5_000_000
SPARE_IDS = 50_000


class TransferFailed(DomainError):
    """The copy is not the same as the original."""

    code, status = "transfer_failed", 500


@dataclass(frozen=True)
class Table:
    """Columns that hold values, and those of the primary key with their types."""

    name: str
    columns: list[str]
    key: list[tuple[str, str]]


def same_place(one: Settings, other: Settings, module: str) -> bool:
    first, second = server_url(one, module), server_url(other, module)
    return (first.database, first.host, first.port, first.query) == (
        second.database,
        second.host,
        second.port,
        second.query,
    )


def refuse_occupied(settings: Settings, module: str) -> None:
    """Raise TransferFailed where a schema of this name holds tables already: they may be somebody's."""
    url = server_url(settings, module)
    try:
        connection = psycopg2.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    except psycopg2.OperationalError as error:
        if "does not exist" in str(error):
            return  # the database is made
        raise TransferFailed(f"the other database can't be reached: {str(error).splitlines()[0]}") from None
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_tables where schemaname = %s)", (module,))
        if cursor.fetchone() == (True,):
            raise TransferFailed(f"there is a schema {module!r} with tables already: move to an empty database")


@contextlib.contextmanager
def _connected(settings: Settings, module: str) -> Iterator[Any]:
    url = module_url(settings, module, "migrate").set(drivername="postgresql")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    try:
        with connection.cursor() as cursor:
            cursor.execute("set lock_timeout = '3s'")
        connection.commit()
        yield connection
    finally:
        connection.close()


class Transfer:
    """One copy of a module's data from where `before` has it to where `after` has it."""

    def __init__(self, before: Settings, after: Settings, module: str) -> None:
        self.before = before
        self.after = after
        self.module = module
        self.tables: list[Table] = []

    def begin(self) -> None:
        """Prepare the other side, note changes from now on, and copy everything there is."""
        migrations.bootstrap(self.after, [self.module])
        migrations.upgrade(self.after, self.module)
        with _connected(self.before, self.module) as source, _connected(self.after, self.module) as target:
            self.tables = _tables(source, self.module)
            _note_changes(source, self.module, self.tables)
            with target.cursor() as cursor:
                for table in self.tables:
                    cursor.execute(sql.SQL("alter table {} disable trigger user").format(sql.Identifier(table.name)))
                names = sql.SQL(", ").join(sql.Identifier(table.name) for table in self.tables)
                cursor.execute(sql.SQL("truncate {} cascade").format(names))
            target.commit()
            source.set_session(isolation_level="REPEATABLE READ")
            for table in self.tables:
                _copy(source, target, table)
            source.rollback()
            target.commit()
        self._catch_up_ids()

    def catch_up(self) -> int:
        """Bring over what has changed since; return how many notes that were."""
        with _connected(self.before, self.module) as source, _connected(self.after, self.module) as target:
            source.set_session(isolation_level="REPEATABLE READ")
            return self._catch_up(source, target)

    def finish(self) -> dict[str, int]:
        """Close the old side, bring over the rest, and return the rows of each table, which are the same on both.

        Raises TransferFailed when they are not.
        """
        with _connected(self.before, self.module) as source, _connected(self.after, self.module) as target:
            _rights(source, self.module, "revoke")
            source.set_session(isolation_level="REPEATABLE READ")
            while self._catch_up(source, target):
                pass
            with target.cursor() as cursor:
                for table in self.tables:
                    cursor.execute(sql.SQL("alter table {} enable trigger user").format(sql.Identifier(table.name)))
            _copy_sequences(source, target, self.tables)
            target.commit()
            counts, copied = _counts(source, self.tables), _counts(target, self.tables)
            if counts != copied:
                different = [name for name in counts if counts[name] != copied[name]]
                raise TransferFailed(f"the copy differs in {', '.join(different)}")
            return counts

    def _catch_up(self, source: Any, target: Any) -> int:
        with source.cursor() as cursor:
            cursor.execute(
                f"delete from {NOTES} where change_id in"  # noqa: S608
                f" (select change_id from {NOTES} order by change_id limit {BATCH}) returning relation, key"
            )
            noted = cursor.fetchall()
        keys: dict[str, dict[str, Any]] = {}
        for relation, key in noted:
            keys.setdefault(relation, {})[str(sorted(key.items()))] = key
        changed = [(table, list(keys[table.name].values())) for table in self.tables if table.name in keys]
        for table, these in reversed(changed):  # first, since what came in their place may be unique like them
            _delete_gone(source, target, table, these)
        for table, these in changed:
            _copy_rows(source, target, table, these)
        target.commit()  # first here, then there: what is brought over twice is the same
        source.commit()
        return len(noted)

    def _catch_up_ids(self) -> None:
        """Let the other server give transaction ids until those in the log are in its past."""
        with _connected(self.before, self.module) as source, _connected(self.after, self.module) as target:
            target.autocommit = True
            with source.cursor() as old, target.cursor() as new:
                old.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
                new.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
                missing = old.fetchone()[0] - new.fetchone()[0]
                if 0 < missing < MOST_IDS and any(table.name == "event" for table in self.tables):
                    new.execute("set synchronous_commit = off")
                    new.execute(
                        "do $$ begin for i in 1..%s loop perform pg_current_xact_id(); commit; end loop; end $$",
                        (missing + SPARE_IDS,),
                    )


def unlock(settings: Settings, module: str) -> None:
    """Open a schema again that a move had closed, and stop noting changes."""
    with _connected(settings, module) as connection:
        _rights(connection, module, "grant")
        with connection.cursor() as cursor:
            cursor.execute("drop function if exists move_note() cascade")
            cursor.execute(f"drop table if exists {NOTES}")
        connection.commit()


def forget_copy(settings: Settings, module: str) -> None:
    """Remove a module's schema from where it is not used."""
    with _connected(settings, module) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(module)))
        connection.commit()


def _tables(connection: Any, module: str) -> list[Table]:
    """Return the tables, those that others refer to first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select c.relname, array_agg(a.attname::text order by a.attnum)
            from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
            where c.relnamespace = %s::regnamespace and c.relkind = 'r'
              and c.relname not in ('alembic_version', %s)
            group by c.relname
            """,
            (module, NOTES),
        )
        columns = dict(cursor.fetchall())
        cursor.execute(
            """
            select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
            from pg_constraint p
            join pg_class c on c.oid = p.conrelid
            join pg_attribute a on a.attrelid = c.oid and a.attnum = any(p.conkey)
            where p.contype = 'p' and c.relnamespace = %s::regnamespace
            """,
            (module,),
        )
        keys: dict[str, list[tuple[str, str]]] = {}
        for relation, column, kind in cursor.fetchall():
            keys.setdefault(relation, []).append((column, kind))
        cursor.execute(
            """
            select conrelid::regclass::text, confrelid::regclass::text from pg_constraint
            where contype = 'f' and connamespace = %s::regnamespace and conrelid <> confrelid
            """,
            (module,),
        )
        refers: dict[str, set[str]] = {}
        for relation, to in cursor.fetchall():
            refers.setdefault(relation, set()).add(to)
    connection.commit()
    if keyless := sorted(set(columns) - set(keys)):
        raise TransferFailed(f"{', '.join(keyless)}: a table without a primary key can't be followed")
    ordered: list[str] = []
    while left := [name for name in sorted(columns) if name not in ordered]:
        ready = [name for name in left if refers.get(name, set()) <= set(ordered)]
        ordered += ready or left
    return [Table(name, columns[name], keys[name]) for name in ordered]


def _note_changes(connection: Any, module: str, tables: list[Table]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("drop function if exists move_note() cascade")
        cursor.execute(f"drop table if exists {NOTES}")
        cursor.execute(
            f"create table {NOTES} (change_id bigint generated always as identity primary key,"
            " relation text not null, key jsonb not null)"
        )
        cursor.execute(
            sql.SQL(
                f"""
                create function move_note() returns trigger language plpgsql security definer
                set search_path = {{schema}}, pg_temp as $$
                begin
                    if tg_op <> 'INSERT' then
                        insert into {NOTES} (relation, key)
                        select tg_table_name, jsonb_object_agg(k, to_jsonb(old) -> k) from unnest(tg_argv) k;
                    end if;
                    if tg_op <> 'DELETE' then
                        insert into {NOTES} (relation, key)
                        select tg_table_name, jsonb_object_agg(k, to_jsonb(new) -> k) from unnest(tg_argv) k;
                    end if;
                    return null;
                end
                $$
                """  # noqa: S608
            ).format(schema=sql.Identifier(module))
        )
        connection.commit()
        for table in tables:  # each in a transaction of its own: writers wait for one lock at a time
            arguments = sql.SQL(", ").join(sql.Literal(column) for column, _ in table.key)
            cursor.execute(
                sql.SQL(
                    "create trigger move_note after insert or update or delete on {} for each row"
                    " execute function move_note({})"
                ).format(sql.Identifier(table.name), arguments)
            )
            connection.commit()


def _names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in columns)


def _copy(source: Any, target: Any, table: Table) -> None:
    names, name = _names(table.columns), sql.Identifier(table.name)
    with tempfile.SpooledTemporaryFile(max_size=64_000_000) as rows, source.cursor() as old, target.cursor() as new:
        old.copy_expert(sql.SQL("copy {} ({}) to stdout").format(name, names).as_string(old), rows)
        rows.seek(0)
        new.copy_expert(sql.SQL("copy {} ({}) from stdin").format(name, names).as_string(new), rows)


def _keys(table: Table, keys: list[dict[str, Any]]) -> sql.Composed:
    """Return a table expression with the keys as rows."""
    typed = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL(kind)) for c, kind in table.key)
    return sql.SQL("jsonb_to_recordset({}) as changed ({})").format(sql.Literal(Json(keys)), typed)


def _copy_rows(source: Any, target: Any, table: Table, keys: list[dict[str, Any]]) -> None:
    names, name, key = _names(table.columns), sql.Identifier(table.name), _names([c for c, _ in table.key])
    others = [c for c in table.columns if c not in {k for k, _ in table.key}]
    action: sql.Composable = sql.SQL("do nothing")
    if others:
        pairs = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c)) for c in others)
        action = sql.SQL("do update set {}").format(pairs)
    with tempfile.SpooledTemporaryFile(max_size=64_000_000) as rows, source.cursor() as old, target.cursor() as new:
        wanted = sql.SQL("copy (select {} from {} join {} using ({})) to stdout").format(
            _names_of(table, name), name, _keys(table, keys), key
        )
        old.copy_expert(wanted.as_string(old), rows)
        rows.seek(0)
        # a table like others: the modules' roles may not make temporary ones
        new.execute(sql.SQL("create table move_arrived as select {} from {} with no data").format(names, name))
        new.copy_expert(sql.SQL("copy move_arrived ({}) from stdin").format(names).as_string(new), rows)
        new.execute(
            sql.SQL(
                "insert into {} ({}) overriding system value select {} from move_arrived on conflict ({}) {}"
            ).format(name, names, names, key, action)
        )
        new.execute("drop table move_arrived")


def _names_of(table: Table, name: sql.Identifier) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{}.{}").format(name, sql.Identifier(c)) for c in table.columns)


def _delete_gone(source: Any, target: Any, table: Table, keys: list[dict[str, Any]]) -> None:
    name, key = sql.Identifier(table.name), _names([c for c, _ in table.key])
    with source.cursor() as old, target.cursor() as new:
        old.execute(
            sql.SQL("select to_jsonb(changed) from {} where not exists (select from {} kept where ({}) = ({}))").format(
                _keys(table, keys),
                name,
                sql.SQL(", ").join(sql.SQL("kept.{}").format(sql.Identifier(c)) for c, _ in table.key),
                sql.SQL(", ").join(sql.SQL("changed.{}").format(sql.Identifier(c)) for c, _ in table.key),
            )
        )
        gone = [row[0] for row in old.fetchall()]
        if gone:
            new.execute(
                sql.SQL("delete from {} where ({}) in (select {} from {})").format(name, key, key, _keys(table, gone))
            )


def _copy_sequences(source: Any, target: Any, tables: list[Table]) -> None:
    with source.cursor() as old, target.cursor() as new:
        for table in tables:
            for column in table.columns:
                old.execute("select pg_get_serial_sequence(%s, %s)", (table.name, column))
                sequence = old.fetchone()[0]
                if sequence:
                    old.execute(f"select last_value, is_called from {sequence}")  # noqa: S608
                    new.execute("select setval(%s, %s, %s)", (sequence, *old.fetchone()))
    source.commit()


def _counts(connection: Any, tables: list[Table]) -> dict[str, int]:
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table.name)))
            found[table.name] = int(cursor.fetchone()[0])
    connection.commit()
    return found


def _rights(connection: Any, module: str, verb: str) -> None:
    """Take the right to change rows from the module's role, or give it back."""
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("{} insert, update, delete on all tables in schema {} {} {}").format(
                sql.SQL(verb),
                sql.Identifier(module),
                sql.SQL("to" if verb == "grant" else "from"),
                sql.Identifier(f"{module}_app"),
            )
        )
    connection.commit()
