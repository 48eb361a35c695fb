"""What is playing now: one row per listener, which ends by itself and never becomes a listen."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import PlayingNow

UNKNOWN_DURATION = timedelta(minutes=10)

# The same again changes nothing while it still plays: a client that repeats itself does not prolong it.
SET = text(
    """
    insert into playing_now (listener_id, recording_key, artist_key, artist, title, release, duration_ms, client, extra,
                             started_at, until)
    values (:listener_id, :recording_key, :artist_key, :artist, :title, :release, :duration_ms, :client,
            cast(:extra as jsonb), :started_at, :until)
    on conflict (listener_id) do update
    set recording_key = excluded.recording_key, artist_key = excluded.artist_key, artist = excluded.artist,
        title = excluded.title, release = excluded.release, duration_ms = excluded.duration_ms,
        client = excluded.client, extra = excluded.extra, started_at = excluded.started_at, until = excluded.until
    where playing_now.recording_key <> excluded.recording_key or playing_now.until <= excluded.started_at
    """
)


def put(session: Session, row: dict[str, Any], now: datetime) -> None:
    """Store what plays, of a row as a listen has it."""
    length = timedelta(milliseconds=row["duration_ms"]) if row["duration_ms"] else UNKNOWN_DURATION
    session.execute(SET, {**row, "started_at": now, "until": now + length})


def clear(session: Session, listener_id: UUID) -> None:
    session.execute(text("delete from playing_now where listener_id = :listener"), {"listener": listener_id})


def read(session: Session, listener_id: UUID, now: datetime) -> PlayingNow | None:
    row = session.execute(
        text(
            """
            select artist, title, artist_key, recording_key, release, duration_ms, client, extra, started_at, until
            from playing_now
            where listener_id = :listener and until > :now
            """
        ),
        {"listener": listener_id, "now": now},
    ).one_or_none()
    return None if row is None else PlayingNow(*row)


def get_mark(session: Session, listener_id: UUID, source: str) -> datetime | None:
    """Return up to when an importer outside of Segue came."""
    found: datetime | None = session.execute(
        text("select at from import_mark where listener_id = :listener and source = :source"),
        {"listener": listener_id, "source": source},
    ).scalar()
    return found


def set_mark(session: Session, listener_id: UUID, source: str, at: datetime) -> None:
    session.execute(
        text(
            """
            insert into import_mark (listener_id, source, at) values (:listener, :source, :at)
            on conflict (listener_id, source) do update set at = greatest(import_mark.at, excluded.at)
            """
        ),
        {"listener": listener_id, "source": source, "at": at},
    )
