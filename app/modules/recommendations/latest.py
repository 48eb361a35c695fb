"""A listener's latest plays in their order, from the feed of listens: what was just played, and habits of the day."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import FoldedEvent, Listened, ListenedMany, ListenerForgotten, Unlistened

KEPT = 1000  # of each listener; the session model looks no further back either


class Play(NamedTuple):
    at: datetime
    recording_key: UUID
    artist_key: UUID


def apply(session: Session, events: Sequence[FoldedEvent]) -> None:
    """Take in a page of the feed of listens."""
    plays: dict[tuple[UUID, datetime, UUID], UUID | None] = {}
    forgotten: set[UUID] = set()
    for event in events:
        match event:
            case Listened():
                plays[event.listener_id, event.listened_at, event.recording_key] = event.artist_key
            case ListenedMany(listener_id=listener_id, tracks=tracks):
                for at, place in zip(event.times[-KEPT:], event.places[-KEPT:], strict=True):
                    key = listener_id, datetime.fromtimestamp(at, UTC), tracks[place].recording_key
                    plays[key] = tracks[place].artist_key
            case Unlistened():
                plays[event.listener_id, event.listened_at, event.recording_key] = None
            case ListenerForgotten():
                forgotten.add(event.listener_id)
                plays = {key: artist for key, artist in plays.items() if key[0] != event.listener_id}
    if forgotten:
        session.execute(
            text("delete from latest_play where listener_id = any(:listeners)"), {"listeners": list(forgotten)}
        )
    rows = [
        {"listener_id": listener, "listened_at": at, "recording_key": key, "artist_key": artist}
        for (listener, at, key), artist in plays.items()
    ]
    _delete(session, [row for row in rows if row["artist_key"] is None])
    _insert(session, [row for row in rows if row["artist_key"] is not None])


def _delete(session: Session, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(
            text(
                """
                delete from latest_play p
                using jsonb_to_recordset(cast(:rows as jsonb))
                          as r (listener_id uuid, listened_at timestamptz, recording_key uuid)
                where p.listener_id = r.listener_id and p.listened_at = r.listened_at
                  and p.recording_key = r.recording_key
                """
            ),
            {"rows": _json(rows)},
        )


def _insert(session: Session, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    session.execute(
        text(
            """
            insert into latest_play (listener_id, listened_at, recording_key, artist_key)
            select listener_id, listened_at, recording_key, artist_key
            from jsonb_to_recordset(cast(:rows as jsonb))
                     as r (listener_id uuid, listened_at timestamptz, recording_key uuid, artist_key uuid)
            on conflict do nothing
            """
        ),
        {"rows": _json(rows)},
    )
    session.execute(
        text(
            """
            delete from latest_play p
            using unnest(cast(:listeners as uuid[])) as touched (listener_id)
            cross join lateral (
                select listened_at from latest_play l
                where l.listener_id = touched.listener_id
                order by listened_at desc
                offset :kept limit 1
            ) oldest
            where p.listener_id = touched.listener_id and p.listened_at <= oldest.listened_at
            """
        ),
        {"listeners": list({row["listener_id"] for row in rows}), "kept": KEPT},
    )


def reset(session: Session) -> None:
    """Forget what the feed told."""
    session.execute(text("delete from latest_play"))


def plays(session: Session, listener_id: UUID) -> list[Play]:
    """Return a listener's latest plays, oldest first."""
    rows = session.execute(
        text(
            """
            select listened_at, recording_key, artist_key
            from latest_play
            where listener_id = :id
            order by listened_at, recording_key
            """
        ),
        {"id": listener_id},
    )
    return [Play(*row) for row in rows]


def has_traces(session: Session, listener_id: UUID) -> bool:
    """Say whether plays of a person are left."""
    found = session.execute(
        text("select exists (select from latest_play where listener_id = :id)"), {"id": listener_id}
    )
    return bool(found.scalar_one())


def _json(rows: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
