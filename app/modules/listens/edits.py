"""Mending one's own log: listens taken out together, and one that was another recording or at another time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import InvalidListen, ListenId, ListenNotFound, NewListen
from app.modules.listens import aliases, log
from app.modules.listens.validation import Rejected, row_of, whole_second

READ = text(
    """
    select listened_at, artist, title, release, duration_ms, client, extra
    from listen
    where listener_id = :listener and listened_at = :at and recording_key = :recording
    """
)


def delete(session: Session, listener_id: UUID, which: Sequence[ListenId]) -> list[NewListen]:
    """Delete listens and return them as they were sent; those that are not there are passed over."""
    deleted = []
    for listened_at, key in _found(session, listener_id, which):
        row = session.execute(READ, {"listener": listener_id, "at": listened_at, "recording": key}).one_or_none()
        if row is not None:
            deleted.append(_sent(row))
            log.delete(session, listener_id, listened_at, key)
    return deleted


def edit(session: Session, listener_id: UUID, which: ListenId, listen: NewListen, now: datetime) -> NewListen:
    """Put another listen in a listen's place and return what it was. Raises ListenNotFound, InvalidListen."""
    deleted = delete(session, listener_id, [which])
    if not deleted:
        raise ListenNotFound
    [before] = deleted
    extra = {**(before.extra or {}), **(listen.extra or {})}
    if (listen.artist, listen.title) != (before.artist, before.title):
        extra = {name: value for name, value in extra.items() if not name.endswith("_mbid")}  # of another recording
    try:
        row = row_of(listener_id, listen, before.client or "", now)
    except Rejected as error:
        raise InvalidListen(str(error)) from None
    row["extra"] = {**extra, **(row["extra"] or {})} or None
    log.insert(session, [row], is_locked=True)
    return before


def _found(session: Session, listener_id: UUID, which: Sequence[ListenId]) -> list[tuple[datetime, UUID]]:
    found = []
    for each in which:
        try:
            at = whole_second(each.listened_at)
        except OverflowError:  # beyond the first or last year in UTC
            continue
        found.append((at, aliases.stored_key(session, listener_id, at, each.recording_key)))
    return list(dict.fromkeys(found))


def _sent(row: Any) -> NewListen:
    extra = dict(row.extra or {})
    return NewListen(
        row.listened_at,
        row.artist,
        row.title,
        row.release,
        extra.pop("release_artist", None),
        row.duration_ms,
        UUID(extra["recording_mbid"]) if extra.get("recording_mbid") else None,
        {name: value for name, value in extra.items() if name != "recording_mbid"} or None,
        row.client or None,
    )
