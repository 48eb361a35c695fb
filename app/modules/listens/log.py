"""Writing listens: insert, recognise the same play sent twice, delete; each with its events in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.listens import Listened, ListenNotFound, Unlistened
from app.kernel import feed

# One play reported by two clients: their clocks and what they call the start differ by some seconds.
SAME_PLAY_S = 30

INSERT = text(
    """
    insert into listen (listener_id, listened_at, recording_key, artist_key, release_key,
                        artist, title, release, duration_ms, client, extra, duplicate_of)
    select r.listener_id, r.listened_at, r.recording_key, r.artist_key, r.release_key,
           r.artist, r.title, r.release, r.duration_ms, r.client, r.extra, same.listened_at
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
             listener_id uuid, listened_at timestamptz, recording_key uuid, artist_key uuid, release_key uuid,
             artist text, title text, release text, duration_ms integer, client text, extra jsonb)
    left join lateral (
        select e.listened_at
        from listen e
        where e.listener_id = r.listener_id
          and e.listened_at > r.listened_at - make_interval(secs => :seconds)
          and e.listened_at < r.listened_at + make_interval(secs => :seconds)
          and e.recording_key = r.recording_key
          and e.client <> r.client
          and e.duplicate_of is null
        limit 1
    ) same on true
    on conflict do nothing
    returning listener_id, listened_at, recording_key, artist_key, release_key, artist, title, release, duplicate_of
    """
)


def insert(session: Session, rows: Sequence[dict[str, Any]]) -> int:
    """Store rows and tell followers; return how many are plays not known yet, by this client or another."""
    if not rows:
        return 0
    stored = session.execute(INSERT, {"rows": msgspec.json.encode(list(rows)).decode(), "seconds": SAME_PLAY_S}).all()
    new = [listened(row) for row in stored if row.duplicate_of is None]
    feed.append(session, new)
    return len(new)


def listened(row: Row[Any]) -> Listened:
    return Listened(
        row.listener_id,
        row.listened_at,
        row.recording_key,
        row.artist_key,
        row.release_key,
        row.artist,
        row.title,
        row.release,
    )


def lock_listener(session: Session, listener_id: UUID) -> None:
    """Let one transaction at a time write a listener's listens: of two clients telling one play, one is the later."""
    session.execute(text("select pg_advisory_xact_lock(hashtextextended(:id, 0))"), {"id": str(listener_id)})


def delete(session: Session, listener_id: UUID, listened_at: datetime, recording_key: UUID) -> None:
    """Delete a listen; a repeat of it that was hidden comes back in its place. Raises ListenNotFound."""
    lock_listener(session, listener_id)
    key = {"listener": listener_id, "at": listened_at, "recording": recording_key}
    gone = session.execute(
        text(
            """
            delete from listen
            where listener_id = :listener and listened_at = :at and recording_key = :recording
            returning artist_key, duplicate_of
            """
        ),
        key,
    ).one_or_none()
    if gone is None:
        raise ListenNotFound
    if gone.duplicate_of is not None:
        return
    feed.append(session, [Unlistened(listener_id, listened_at, recording_key, gone.artist_key)])
    _revive(session, key)


def _revive(session: Session, key: dict[str, Any]) -> None:
    revived = session.execute(
        text(
            """
            update listen set duplicate_of = null
            where (listener_id, listened_at, recording_key) = (
                select listener_id, listened_at, recording_key
                from listen
                where listener_id = :listener
                  and listened_at between cast(:at as timestamptz) - interval '1 day'
                                      and cast(:at as timestamptz) + interval '1 day'
                  and recording_key = :recording and duplicate_of = :at
                order by listened_at
                limit 1
            )
            returning listener_id, listened_at, recording_key, artist_key, release_key, artist, title, release
            """
        ),
        key,
    ).one_or_none()
    if revived is None:
        return
    session.execute(
        text(
            """
            update listen set duplicate_of = :new
            where listener_id = :listener
              and listened_at between cast(:at as timestamptz) - interval '1 day'
                                  and cast(:at as timestamptz) + interval '1 day'
              and recording_key = :recording and duplicate_of = :at
            """
        ),
        {**key, "new": revived.listened_at},
    )
    feed.append(session, [listened(revived)])


def forget(session: Session, listener_id: UUID) -> None:
    """Erase everything of a person, their part of the log included."""
    for table in ("listen", "playcount", "feedback"):
        session.execute(text(f"delete from {table} where listener_id = :id"), {"id": listener_id})  # noqa: S608
    session.execute(text("delete from event where payload->>'listener_id' = :id"), {"id": str(listener_id)})
