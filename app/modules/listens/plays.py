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
MONTH = "m.listener_id, m.recording_key, m.release_key, m.artist_key, i.artist, i.title, i.release"
FROM_TOTALS = f"""
        select {ITEM}, i.plays, i.first_at, i.last_at
        from item_total i
        where {WHOSE.format(table="i")}
"""  # noqa: S608
# The join is left out by the planner where no names are asked for.
FROM_MONTHS = f"""
        select {MONTH}, {{sign}}m.plays, m.first_at, m.last_at
        from item_month m
        left join item_total i on i.item_id = m.item_id and {WHOSE.format(table="i")}
        where {WHOSE.format(table="m")} and {{which}}
"""  # noqa: S608
# Each span has its own part, with values that the planner knows: a join with spans would be a scan of everything.
FROM_LOG = f"""
        select l.listener_id, l.recording_key, coalesce(l.release_key, '{rollups.NO_RELEASE}'), l.artist_key,
               l.artist, l.title, l.release, 1, l.listened_at, l.listened_at
        from listen l
        where {WHOSE.format(table="l")} and l.duplicate_of is null
          and l.listened_at >= :{{name}}_start_{{number}} and l.listened_at < :{{name}}_finish_{{number}}
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
    parts, values = [], values_of(name, listener_id, spans)
    if first < after:
        which = f"m.month >= :{name}_first and m.month < :{name}_after"
        if behind:
            which += f" and m.month <> all(cast(:{name}_behind as date[]))"
        parts.append(FROM_MONTHS.format(sign="", which=which))
        values |= {f"{name}_first": first, f"{name}_after": after, f"{name}_behind": behind}
    parts += from_log(FROM_LOG, name, spans)
    return Plays(_named(name, parts), values)


def _of_all_time(listener_id: UUID | None, behind: list[date], name: str) -> Plays:
    spans = [month_span(month) for month in behind]
    parts, values = [FROM_TOTALS], values_of(name, listener_id, spans)
    if behind:
        values[f"{name}_behind"] = behind
        parts.append(FROM_MONTHS.format(sign="-", which=f"m.month = any(cast(:{name}_behind as date[]))"))
        parts += from_log(FROM_LOG, name, spans)
    return Plays(_named(name, parts), values)


def _named(name: str, parts: list[str]) -> str:
    columns = "listener_id, recording_key, release_key, artist_key, artist, title, release, plays, first_at, last_at"
    return f"{name} ({columns}) as ({' union all '.join(parts)})"


def from_log(part: str, name: str, spans: Spans) -> list[str]:
    """Return a part of a statement for each span that is read from the log."""
    return [part.format(name=name, number=number) for number in range(len(spans))]


def values_of(name: str, listener_id: UUID | None, spans: Spans) -> dict[str, Any]:
    values: dict[str, Any] = {"listener": listener_id}
    for number, (start, finish) in enumerate(spans):
        values |= {f"{name}_start_{number}": start, f"{name}_finish_{number}": finish}
    return values


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
