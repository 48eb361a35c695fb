"""Reading listens back: pages by key, so that they stay put while new listens arrive."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import InvalidRange, Listen, ListenPage
from app.kernel.db import literal
from app.modules.listens import aliases

SMALLEST = UUID(int=0)
GREATEST = UUID(int=(1 << 128) - 1)

# Also read by the tests, which ask PostgreSQL how it would run it.
PAGE = """
    select listened_at, recording_key, artist_key, release_key, artist, title, release, duration_ms, client,
           inserted_at, extra
    from listen
    where listener_id = :listener
      and (listened_at, recording_key) < (cast(:before_at as timestamptz), cast(:before_key as uuid))
      and (listened_at, recording_key) > (cast(:after_at as timestamptz), cast(:after_key as uuid))
      and duplicate_of is null
      {search}
    order by listened_at {order}, recording_key {order}
    limit :limit
    offset :offset
"""
COUNT = """
    select count(*)
    from listen
    where listener_id = :listener
      and (listened_at, recording_key) < (cast(:before_at as timestamptz), cast(:before_key as uuid))
      and (listened_at, recording_key) > (cast(:after_at as timestamptz), cast(:after_key as uuid))
      and duplicate_of is null
"""
SEARCH = """
      and (artist ilike :search or title ilike :search or release ilike :search
           or recording_key = any(:recordings) or artist_key = any(:artists))
"""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def page(
    session: Session,
    listener_id: UUID,
    before: str | None,
    after: str | None,
    limit: int,
    search: str,
    *,
    is_nearest_after: bool = False,
    offset: int = 0,
) -> ListenPage:
    """Return a page, newest first. Raises InvalidRange."""
    escaped = literal(search)
    named: dict[Any, Any] = aliases.named(session, listener_id, f"%{escaped}%") if search else {}
    order = "asc" if is_nearest_after else "desc"
    rows = session.execute(
        text(PAGE.format(search=SEARCH if search else "", order=order)),
        {
            **_span(listener_id, before, after),
            "search": f"%{escaped}%",
            **named,
            "limit": limit + 1,
            "offset": offset,
        },
    ).all()
    listens = [Listen(*row) for row in rows[:limit]]
    if is_nearest_after:
        return ListenPage(aliases.show(session, listener_id, listens[::-1]), None)
    following = f"{listens[-1].listened_at.timestamp():.6f}~{listens[-1].recording_key}" if len(rows) > limit else None
    return ListenPage(aliases.show(session, listener_id, listens), following)


def count(session: Session, listener_id: UUID, before: str | None, after: str | None) -> int:
    """Return how many listens lie between two positions. Raises InvalidRange."""
    return int(session.execute(text(COUNT), _span(listener_id, before, after)).scalar_one())


def _span(listener_id: UUID, before: str | None, after: str | None) -> dict[str, Any]:
    before_at, before_key = parse_position(before, SMALLEST) if before else (LATEST, GREATEST)
    after_at, after_key = parse_position(after, GREATEST) if after else (EARLIEST, SMALLEST)
    return {
        "listener": listener_id,
        "before_at": before_at,
        "before_key": before_key,
        "after_at": after_at,
        "after_key": after_key,
    }


def parse_position(said: str, key: UUID) -> tuple[datetime, UUID]:
    """Read a page's `next`, UNIX seconds, or ISO 8601 (UTC where it names no zone). Raises InvalidRange."""
    at, _, recording = said.partition("~")
    try:
        return parse_time(at), UUID(recording) if recording else key
    except (ValueError, OverflowError, OSError):
        raise InvalidRange(f"{said[:60]!r} is neither a time nor a page's `next`") from None


def parse_time(said: str) -> datetime:
    """Read UNIX seconds or ISO 8601. Raises ValueError, OverflowError or OSError."""
    if said.replace(".", "", 1).lstrip("-").isdigit() and said.isascii():
        return datetime.fromtimestamp(round(float(said), 6), UTC)
    found = datetime.fromisoformat(said)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
