"""The plays of a span of time, as SQL: whole months from the roll-ups, the rest from the log."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.modules.listens import rollups

Spans = list[tuple[datetime, datetime]]

WHOSE = "(cast(:listener as uuid) is null or {table}.listener_id = :listener)"
ITEM = "i.listener_id, i.recording_key, i.release_key, i.artist_key, i.artist, i.title, i.release"
FROM_TOTALS = f"""
        select {ITEM}, i.plays, i.first_at, i.last_at
        from item_total i
        where {WHOSE.format(table="i")}
"""  # noqa: S608
FROM_MONTHS = f"""
        select {ITEM}, {{sign}}m.plays, m.first_at, m.last_at
        from (
            select item_id, sum(plays) as plays, min(first_at) as first_at, max(last_at) as last_at
            from item_month
            where {WHOSE.format(table="item_month")} and {{which}}
            group by item_id
        ) m
        join item_total i using (item_id)
"""  # noqa: S608
FROM_LOG = f"""
        select l.listener_id, l.recording_key, coalesce(l.release_key, '{rollups.NO_RELEASE}'), l.artist_key,
               l.artist, l.title, l.release, 1, l.listened_at, l.listened_at
        from unnest(cast(:{{name}}_starts as timestamptz[]), cast(:{{name}}_finishes as timestamptz[]))
                 s (start, finish)
        join listen l on l.listened_at >= s.start and l.listened_at < s.finish
        where {WHOSE.format(table="l")} and l.duplicate_of is null
"""  # noqa: S608


@dataclass(frozen=True)
class Plays:
    """A common table expression of plays by item, and the values it needs."""

    statement: str
    values: dict[str, Any]


def of(
    session: Session, listener_id: UUID | None, start: datetime | None, end: datetime | None, *, name: str = "plays"
) -> Plays:
    """Return the plays of a listener, or (None) of everybody, in [start, end); None is an open side."""
    behind = rollups.not_yet(session, listener_id) if listener_id else []
    if start is None and end is None:
        return _of_all_time(listener_id, behind, name)
    first, after = whole_months(start, end)
    spans = [*edges(start, end, first, after), *(month_span(m) for m in behind if first <= m < after)]
    parts, values = [], _values(name, listener_id, spans)
    if first < after:
        which = f"month >= :{name}_first and month < :{name}_after"
        if behind:
            which += f" and month <> all(cast(:{name}_behind as date[]))"
        parts.append(FROM_MONTHS.format(sign="", which=which))
        values |= {f"{name}_first": first, f"{name}_after": after, f"{name}_behind": behind}
    if spans:
        parts.append(FROM_LOG.format(name=name))
    return Plays(_named(name, parts), values)


def _of_all_time(listener_id: UUID | None, behind: list[date], name: str) -> Plays:
    values = _values(name, listener_id, [month_span(month) for month in behind])
    parts = [FROM_TOTALS]
    if behind:
        values[f"{name}_behind"] = behind
        parts.append(FROM_MONTHS.format(sign="-", which=f"month = any(cast(:{name}_behind as date[]))"))
        parts.append(FROM_LOG.format(name=name))
    return Plays(_named(name, parts), values)


def _named(name: str, parts: list[str]) -> str:
    columns = "listener_id, recording_key, release_key, artist_key, artist, title, release, plays, first_at, last_at"
    return f"{name} ({columns}) as ({' union all '.join(parts)})"


def _values(name: str, listener_id: UUID | None, spans: Spans) -> dict[str, Any]:
    return {
        "listener": listener_id,
        f"{name}_starts": [span[0] for span in spans],
        f"{name}_finishes": [span[1] for span in spans],
    }


def whole_months(start: datetime | None, end: datetime | None) -> tuple[date, date]:
    """Return the first month of UTC that lies wholly in a span, and the first behind those that do."""
    first = date.min
    if start is not None:
        at = start.astimezone(UTC)
        first = at.date().replace(day=1)
        if at > _midnight(first):
            first = following(first)
    return first, date.max if end is None else max(first, end.astimezone(UTC).date().replace(day=1))


def edges(start: datetime | None, end: datetime | None, first: date, after: date) -> Spans:
    """Return what of a span is before its whole months and after them."""
    if start is not None and end is not None and first >= after:
        return [(start, end)]
    sides = []
    if start is not None and start < _midnight(first):
        sides.append((start, _midnight(first)))
    if end is not None and _midnight(after) < end:
        sides.append((_midnight(after), end))
    return sides


def month_span(month: date) -> tuple[datetime, datetime]:
    return _midnight(month), _midnight(following(month))


def following(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
