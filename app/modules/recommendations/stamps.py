"""When what answers are made from last changed, by listener; the zero UUID stands for everyone.

Whoever writes to profiles, names or corrections stamps in the same transaction. So a kept answer is as fresh as one
made anew: it is given only while the stamps are those it was made under.
"""

from collections import OrderedDict
from collections.abc import Collection, Hashable
from datetime import datetime
from threading import Lock
from time import monotonic
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.recommendations import Recommendations
from app.kernel.db import Database

EVERYONE = UUID(int=0)
KEPT = 2000  # answers
KEPT_S = 60.0  # so that nothing of an erased person stays, and what others play shows in time

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


class Answers:
    """Answers of this process by what was asked, each with the stamps that it was made under."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Stamps, float, Recommendations]] = OrderedDict()
        self._lock = Lock()

    def get(self, asked: Hashable, stamps: Stamps) -> Recommendations | None:
        with self._lock:
            found = self._kept.get(asked)
            if found is None or found[0] != stamps or monotonic() - found[1] > KEPT_S:
                return None
            return found[2]

    def keep(self, asked: Hashable, stamps: Stamps, answer: Recommendations) -> None:
        now = monotonic()
        with self._lock:
            self._kept.pop(asked, None)
            self._kept[asked] = (stamps, now, answer)
            while self._kept and (len(self._kept) > KEPT or now - next(iter(self._kept.values()))[1] > KEPT_S):
                self._kept.popitem(last=False)
