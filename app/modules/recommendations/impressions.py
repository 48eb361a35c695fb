"""What was shown to whom and when: one row per listener, item, shelf and day."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.accounts import ListenerErased
from app.contracts.listens import Kind
from app.contracts.recommendations import Shown
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.modules.recommendations import stamps

KEPT = timedelta(days=90)
LOOKED_AT = timedelta(days=30)

# An item that was played, loved or hidden since it was first shown is not ignored; `days` counts those before today.
IGNORED = text(
    """
    select i.key, count(distinct i.day) as days, max(i.day) as last
    from impression i
    left join profile_item p on p.listener_id = i.listener_id and p.kind = i.kind and p.key = i.key
    where i.listener_id = :listener and i.kind = :kind and i.day < :today and i.day >= :since
    group by i.key, p.last_at
    having p.last_at is null or p.last_at < min(i.shown_at)
    """
)


def record(session: Session, listener_id: UUID, shown: Sequence[Shown], now: datetime) -> None:
    """Note that items were shown; an item that a shelf shows again on the same day keeps its row."""
    session.execute(
        text(
            """
            insert into impression (listener_id, kind, key, shelf, day, model, arm, shown_at)
            select distinct on (kind, key, shelf) :listener, kind, key, shelf, cast(:day as date), model, arm, :now
            from jsonb_to_recordset(cast(:rows as jsonb)) as r (kind text, key uuid, shelf text, model text, arm text)
            order by kind, key, shelf
            on conflict (listener_id, kind, key, shelf, day) do nothing
            """
        ),
        {
            "listener": listener_id,
            "rows": msgspec.json.encode(list(shown)).decode(),
            "day": now.date(),
            "now": now,
        },
    )


def ignored(session: Session, listener_id: UUID, kind: Kind, now: datetime) -> dict[UUID, int]:
    """Return on how many of the last days before today each item was shown without being played since."""
    rows = session.execute(
        IGNORED,
        {"listener": listener_id, "kind": kind, "today": now.date(), "since": now.date() - LOOKED_AT},
    )
    return {row.key: row.days for row in rows}


def forget(session: Session, listeners: Collection[UUID]) -> None:
    """Forget what some people were shown."""
    session.execute(text("delete from impression where listener_id = any(:listeners)"), {"listeners": list(listeners)})


def forget_erased(session: Session, events: Sequence[ListenerErased]) -> None:
    """Forget people that accounts erased: one who never played anything was shown something too."""
    erased = [event.listener_id for event in events]
    forget(session, erased)
    stamps.forget(session, erased)


def reset(_session: Session) -> None:
    """Keep all: an erasure applied again erases nothing."""


class Sweeping:
    """Forgets what was shown long ago, once a day."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._swept: date | None = None

    def tick(self) -> None:
        today = self.clock().date()
        if self._swept != today:
            with self.database.begin() as session:
                forget_old(session, self.clock())
            self._swept = today


def forget_old(session: Session, now: datetime) -> None:
    """Forget what was shown longer ago than is kept."""
    session.execute(text("delete from impression where day < :before"), {"before": (now - KEPT).date()})


def has_traces(session: Session, listener_id: UUID) -> bool:
    """Say whether it is kept what a person was shown."""
    found = session.execute(text("select exists (select from impression where listener_id = :id)"), {"id": listener_id})
    return bool(found.scalar_one())


def export(session: Session, listener_id: UUID) -> list[dict[str, object]]:
    rows = session.execute(
        text(
            """
            select kind, key, shelf, day, model, arm, shown_at, clicked_at, played_at, opinion
            from impression
            where listener_id = :id
            order by day, shelf, kind, key
            """
        ),
        {"id": listener_id},
    ).mappings()
    exported: list[dict[str, object]] = msgspec.to_builtins([dict(row) for row in rows])
    return exported
