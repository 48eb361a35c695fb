"""The log is the feed: events in commit order, followed effectively once.

A module that others follow appends events to its table `event` in the transaction of the change. Sequence
numbers are given before commit, so their order alone can lose a row that commits late. Each event therefore
carries its transaction's id, and a reader sees only events of transactions below the oldest one still running
(`pg_snapshot_xmin`): what is read is final, and nothing can appear before it any more. The order is
(transaction id, position).

A follower stores its cursor in the transaction of the effect. After a restore into another server stored
transaction ids may lie in its future: `ensure_generation` renumbers the log under a new generation, which is part of
the cursor; a follower with a cursor of another generation starts anew from zero.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.kernel import context
from app.kernel.contract import DomainError
from app.kernel.db import Database

KNOWN_FOR_S = 2.0

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)


class FeedReset(DomainError):
    """The cursor is of another generation of this feed: forget what was derived and start from the beginning."""

    code, status = "feed.reset", 409


class Page(Protocol[E_co]):
    """What a feed answers; `app.contracts.events.FeedPage` is one."""

    @property
    def events(self) -> Sequence[E_co]: ...
    @property
    def cursor(self) -> str: ...


def append(session: Session, events: Sequence[msgspec.Struct]) -> None:
    """Add events to this module's log, in the caller's transaction; one statement for all of them."""
    if events:
        session.execute(
            text("insert into event (payload) select value from jsonb_array_elements(cast(:events as jsonb))"),
            {"events": msgspec.json.encode(list(events)).decode()},
        )


LOOK = """
    select generation,
           cast(:xid as xid8) < pg_snapshot_xmax(pg_current_snapshot()),
           exists (
               select from event
               where (xid, position) > (cast(:xid as xid8), :position)
                 and xid < pg_snapshot_xmin(pg_current_snapshot())
           )
    from event_generation
"""
READ = """
    select xid::text, position, ({told})::text
    from event
    where (xid, position) > (cast(:xid as xid8), :position)
      and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by event.xid, event.position
    limit :limit
"""
# Rows that hold several events each: as many as hold `limit` of them, one at the least. The payloads of those that are
# not handed out are not read.
READ_WEIGHED = """
    select event.xid::text, event.position, ({told})::text
    from (
        select xid, position, sum(weight) over (order by xid, position) - weight as before
        from (
            select xid, position, weight
            from event
            where (xid, position) > (cast(:xid as xid8), :position)
              and xid < pg_snapshot_xmin(pg_current_snapshot())
            order by event.xid, event.position
            limit :limit
        ) next
    ) weighed
    join event using (position)
    where before < :limit
    order by event.xid, event.position
"""


def read(
    database: Database, after: str, limit: int, *, is_weighed: bool = False, told: str = "payload"
) -> tuple[list[bytes], str]:
    """Return up to `limit` events (JSON each) after a cursor, and the cursor behind the last.

    Mostly there is nothing: that is found out by one statement, without a transaction.

    A log whose rows hold several events each has a column `weight` with their number, and is read `is_weighed`.
    `told` is an SQL expression of what to tell of a row instead of its whole payload.

    Raises FeedReset for a cursor of another generation or form, or of a time that this server has not come to: it was
    set back to an older state, and what is new would be taken for what was followed already.
    """
    asked, xid, position = _parse(after)
    place = {"xid": xid, "position": position}
    with database.look() as connection:
        generation, is_past, has_more = connection.execute(text(LOOK), place).one()
    if after and (asked != generation or not is_past):
        raise FeedReset
    rows: Sequence[Any] = []
    if has_more:
        statement = text((READ_WEIGHED if is_weighed else READ).format(told=told))
        with database.begin() as session:
            rows = session.execute(statement, {**place, "limit": limit}).all()
    if rows:
        xid, position = rows[-1][0], rows[-1][1]
    return [row[2].encode() for row in rows], f"{generation}:{xid}:{position}"


def _parse(cursor: str) -> tuple[int, str, int]:
    """Return generation, transaction id and position."""
    if not cursor:
        return 0, "0", 0
    parts = cursor.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
        raise FeedReset
    return int(parts[0]), parts[1], int(parts[2])


def ensure_generation(session: Session) -> None:
    """Begin a new generation where the log holds transaction ids that this server has not given yet."""
    is_ahead = session.execute(
        text("select exists (select from event where xid >= pg_snapshot_xmax(pg_current_snapshot()))")
    ).scalar_one()
    if is_ahead:
        begin_generation(session)


def begin_generation(session: Session) -> None:
    """Renumber the log, in its order, as of a time long ago; every follower starts anew from zero."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('feed generation'))"))
    session.execute(text("update event set position = -position"))
    session.execute(
        text(
            """
            update event set position = ranked.position, xid = cast('1' as xid8)
            from (
                select position as old, row_number() over (order by xid, position desc) as position from event
            ) ranked
            where event.position = ranked.old
            """
        )
    )
    session.execute(text("update event_generation set generation = generation + 1"))
    session.execute(
        text("select setval(pg_get_serial_sequence('event', 'position'), (select max(position) from event))")
    )


class _Known:
    """A cursor that was read a moment ago: nobody asks for it again five times a second while nothing happens.

    Whoever else may have moved it, what is done with it compares it first.
    """

    def __init__(self) -> None:
        self._cursor: str | None = None
        self._read_at = 0.0

    def cursor(self) -> str | None:
        return self._cursor if time.monotonic() - self._read_at < KNOWN_FOR_S else None

    def note(self, cursor: str) -> None:
        self._cursor, self._read_at = cursor, time.monotonic()

    def forget(self) -> None:
        self._cursor = None


@dataclass(frozen=True)
class Follower(Generic[E]):
    """Keeps a read model of another module's feed.

    `pull(after, limit)` reads the feed through the contract; `apply(session, events)` writes their effect;
    `reset(session)` empties the read model, before a replay from zero.
    """

    name: str
    database: Database
    pull: Callable[[str, int], Page[E]]
    apply: Callable[[Session, Sequence[E]], None]
    reset: Callable[[Session], None]
    limit: int = 1000
    _known: "_Known" = field(default_factory=lambda: _Known())

    def step(self) -> int:
        """Apply the next page, if there is one; return how many events it had.

        The page is pulled outside the transaction; the cursor is compared and moved inside it, so that of two
        followers that pulled the same page only one applies it.
        """
        if (cursor := self._known.cursor()) is None:
            with self.database.begin() as session:
                cursor = _cursor(session, self.name)
            self._known.note(cursor)
        try:
            with context.acting_as(context.SYSTEM):
                page = self.pull(cursor, self.limit)
        except FeedReset:
            self.replay()
            return 1
        if page.cursor == cursor:
            return 0
        self._known.forget()
        with self.database.begin() as session:
            moved = session.execute(
                text("update feed_cursor set cursor = :new where name = :name and cursor = :old"),
                {"new": page.cursor, "old": cursor, "name": self.name},
            )
            if not moved.rowcount:  # type: ignore[attr-defined]
                return 0  # another process applied this page meanwhile
            if page.events:
                self.apply(session, page.events)
        self._known.note(page.cursor)
        return len(page.events)

    def replay(self) -> None:
        """Forget the read model and the cursor together; the next steps build it again from zero."""
        self._known.forget()
        with self.database.begin() as session:
            self.reset(session)
            session.execute(text("update feed_cursor set cursor = '' where name = :name"), {"name": self.name})

    def catch_up(self) -> int:
        """Apply all that there is now; return how many events it was."""
        total = 0
        while count := self.step():
            total += count
        return total


def _cursor(session: Session, name: str) -> str:
    cursor = session.execute(text("select cursor from feed_cursor where name = :name"), {"name": name}).scalar()
    if cursor is None:
        session.execute(
            text("insert into feed_cursor (name, cursor) values (:name, '') on conflict do nothing"), {"name": name}
        )
        return ""
    return str(cursor)
