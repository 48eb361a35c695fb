"""Reading listens back: pages by key, so that they stay put while new listens arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import InvalidRange, Listen, ListenPage
from app.kernel.db import literal
from app.modules.listens import aliases, plays, rollups

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
      {wanted}
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
# Of an item that is played often the next page is near: it is looked for among the nearest listens first. Of a rare one
# it may be anywhere, and the key is in the index.
AMONG_NEAREST = """
    select *
    from ({nearest}) nearest
    where true {wanted}
    order by listened_at {order}, recording_key {order}
    limit :most
"""
FIND = """
    with {plays}
    select distinct recording_key, release_key
    from plays
    where true {wanted}
    limit :most
"""
FOUND = "and recording_key = any(:found) and coalesce(release_key, :no_release) = any(:found_releases)"
SEARCH = """
      and (artist ilike {pattern} or title ilike {pattern} or release ilike {pattern}
           or recording_key = any(:recordings) or artist_key = any(:artists))
"""
OF_ARTIST = """
      and (artist_key = any(:of_artists) and recording_key <> all(cast(:moved as uuid[]))
           or recording_key = any(cast(:given as uuid[])))
"""
NEAREST = 2000
MOST_FOUND = 3000  # beyond it a page is filled by looking from row to row

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Wanted:
    """Which listens: with a text in artist, title or release; of an artist; from a client."""

    search: str = ""
    artist_key: UUID | None = None
    client: str | None = None


def page(
    session: Session,
    listener_id: UUID,
    before: str | None,
    after: str | None,
    limit: int,
    wanted: Wanted,
    *,
    is_nearest_after: bool = False,
    offset: int = 0,
) -> ListenPage:
    """Return a page, newest first. Raises InvalidRange."""
    span = _span(listener_id, before, after)
    order = "asc" if is_nearest_after else "desc"
    names, values = _by_names(session, listener_id, wanted)
    by_client = "" if wanted.client is None else " and client = :client"
    rows: Sequence[Any] = []
    if names and not offset:
        near = {**span, **values, "client": wanted.client, "most": limit + 1}
        rows = _among_nearest(session, order, names + by_client, near)
    if len(rows) <= limit:
        found = _items(session, listener_id, names, values) if names else None
        conditions, values = (FOUND, found) if found is not None else (names, values)
        rows = session.execute(
            text(PAGE.format(wanted=conditions + by_client, order=order)),
            {**span, **values, "client": wanted.client, "limit": limit + 1, "offset": offset},
        ).all()
    listens = [Listen(*row) for row in rows[:limit]]
    if is_nearest_after:
        return ListenPage(aliases.show(session, listener_id, listens[::-1]), None)
    following = f"{listens[-1].listened_at.timestamp():.6f}~{listens[-1].recording_key}" if len(rows) > limit else None
    return ListenPage(aliases.show(session, listener_id, listens), following)


def _by_names(session: Session, listener_id: UUID, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """Return what the names of a page's rows must fulfil, as SQL, and its values."""
    conditions, values = [], dict[str, Any]()
    if wanted.search:
        pattern = f"%{literal(wanted.search)}%"
        # as bytes, which is five times as quick: letters of ASCII are found the same way in any alphabet's order
        conditions.append(SEARCH.format(pattern=':search collate "C"' if pattern.isascii() else ":search"))
        values |= {"search": pattern, **{str(k): v for k, v in aliases.named(session, listener_id, pattern).items()}}
    if wanted.artist_key:
        conditions.append(OF_ARTIST)
        sources = aliases.sources(session, listener_id, "artists", wanted.artist_key)
        values |= {"of_artists": sources, **aliases.credited(session, listener_id, sources)}
    return " ".join(conditions), values


def _among_nearest(session: Session, order: str, conditions: str, values: dict[str, Any]) -> Sequence[Any]:
    """Return up to `most` rows that fulfil conditions of the listens nearest to a page's beginning."""
    nearest = PAGE.format(wanted="", order=order)
    return session.execute(
        text(AMONG_NEAREST.format(nearest=nearest, wanted=conditions, order=order)),
        {**values, "limit": NEAREST, "offset": 0},
    ).all()


def _items(session: Session, listener_id: UUID, conditions: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """Return the keys of what a listener played that fulfils conditions; None where that is too much to name."""
    played = plays.of(session, listener_id, None, None)
    rows = session.execute(
        text(FIND.format(plays=played.statement, wanted=conditions)),
        {**played.values, **values, "most": MOST_FOUND + 1},
    ).all()
    if len(rows) > MOST_FOUND:
        return None
    releases = {row.release_key for row in rows}
    return {
        "found": list({row.recording_key for row in rows}),
        "found_releases": list(releases),
        "no_release": rollups.NO_RELEASE,
    }


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
