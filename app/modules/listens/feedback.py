"""Love and hide."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Feedback, FeedbackSet, Kind
from app.kernel import feed

SET = text(
    """
    insert into feedback (listener_id, kind, key, value, at)
    values (:listener, :kind, :key, :value, :at)
    on conflict (listener_id, kind, key) do update set value = excluded.value, at = excluded.at
    where feedback.value <> excluded.value
    """
)
UNSET = text("delete from feedback where listener_id = :listener and kind = :kind and key = :key")

NAMES = """
    select distinct on (key) key, title, artist
    from (
        select {key} as key, title, artist, listened_at
        from listen
        where listener_id = :listener and {key} = any(:keys)
        union all
        select item_key, title, artist, '-infinity'
        from playcount
        where listener_id = :listener and kind = :kind and item_key = any(:keys)
    ) named
    order by key, listened_at desc
"""


def put(session: Session, listener_id: UUID, kind: Kind, key: UUID, value: int, now: datetime) -> None:
    """Store what was said of an item; saying it again changes nothing."""
    given = {"listener": listener_id, "kind": kind, "key": key, "value": value, "at": now}
    changed = session.execute(SET if value else UNSET, given)
    if changed.rowcount:  # type: ignore[attr-defined]
        feed.append(session, [FeedbackSet(listener_id, kind, key, value)])


def read(session: Session, listener_id: UUID, kind: Kind | None, value: int | None) -> list[Feedback]:
    """Return what was said, newest first, with the names the listener's plays give."""
    rows = session.execute(
        text(
            """
            select kind, key, value, at
            from feedback
            where listener_id = :listener
              and (cast(:kind as text) is null or kind = :kind)
              and (cast(:value as integer) is null or value = :value)
            order by at desc, key
            """
        ),
        {"listener": listener_id, "kind": kind, "value": value},
    ).all()
    names: dict[tuple[str, UUID], Any] = {}
    for of, column in (("recordings", "recording_key"), ("artists", "artist_key")):
        keys = [row.key for row in rows if row.kind == of]
        if keys:
            given = {"listener": listener_id, "kind": of, "keys": keys}
            found = session.execute(text(NAMES.format(key=column)), given)
            names |= {(of, row.key): row for row in found}
    return [_named(row, names.get((row.kind, row.key))) for row in rows]


def _named(row: Any, name: Any) -> Feedback:
    artist = name.artist if name else ""
    title = (artist if row.kind == "artists" else name.title) if name else ""
    return Feedback(row.kind, row.key, row.value, row.at, title, artist)
