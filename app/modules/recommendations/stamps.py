"""When what answers are made from last changed, by listener; the zero UUID stands for everyone.

Whoever writes to profiles, names or corrections stamps in the same transaction. So a kept answer is as fresh as one
made anew: it is given only while the stamps are those it was made under.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.kernel.db import Database

EVERYONE = UUID(int=0)

Stamps = tuple[datetime, ...]

READ = text("select changed_at from stamp where listener_id in (:listener, :everyone) order by listener_id")


def touch(session: Session, listeners: Collection[UUID]) -> None:
    """Say that answers to these listeners change with this transaction."""
    if listeners:
        session.execute(
            text(
                """
                insert into stamp (listener_id, changed_at)
                select id, clock_timestamp() from unnest(cast(:ids as uuid[])) as touched (id) order by id
                on conflict (listener_id) do update set changed_at = excluded.changed_at
                """
            ),
            {"ids": list(listeners)},
        )


def forget(session: Session, listeners: Collection[UUID]) -> None:
    session.execute(text("delete from stamp where listener_id = any(:ids)"), {"ids": list(listeners)})


def read(database: Database, listener_id: UUID) -> Stamps:
    """Return when answers to a listener last changed; one statement."""
    with database.look() as connection:
        return tuple(connection.execute(READ, {"listener": listener_id, "everyone": EVERYONE}).scalars())


def has_traces(session: Session, listener_id: UUID) -> bool:
    found = session.execute(text("select exists (select from stamp where listener_id = :id)"), {"id": listener_id})
    return bool(found.scalar_one())
