"""The plays of a span of time by quarter of an hour, as SQL: what is not a whole quarter of it is read from the log."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.modules.listens import rollups
from app.modules.listens.plays import WHOSE, Plays, from_log, month_span, values_of

FROM_QUARTERS = f"""
        select q.at, q.plays
        from quarter_hour q
        where {WHOSE.format(table="q")} and q.at >= :q_start and q.at < :q_end {{but}}
"""  # noqa: S608
FROM_LOG = f"""
        select l.listened_at, 1
        from listen l
        where {WHOSE.format(table="l")} and l.duplicate_of is null
          and l.listened_at >= :{{name}}_start_{{number}} and l.listened_at < :{{name}}_finish_{{number}}
"""  # noqa: S608
BUT = "and date_trunc('month', q.at at time zone 'UTC')::date <> all(cast(:q_behind as date[]))"
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def of(session: Session, listener_id: UUID | None, start: datetime | None, end: datetime | None) -> Plays:
    """Return plays as `quarters (at, plays)`: of a listener, or (None) of everybody, in [start, end)."""
    start, end = start or EARLIEST, end or LATEST
    behind = rollups.not_yet(session, listener_id) if listener_id else []
    first, after = _quarter(start, up=True), _quarter(end)
    spans = [(start, end)] if first >= after else [(start, first), (after, end)]
    for month in behind:
        opens, closes = (min(max(at, first), after) for at in month_span(month))
        spans.append((opens, closes))
    spans = [(opens, closes) for opens, closes in spans if opens < closes]
    parts = [FROM_QUARTERS.format(but=BUT if behind else "")] if first < after else []
    parts += from_log(FROM_LOG, "q", spans)
    values = values_of("q", listener_id, spans) | {"q_start": first, "q_end": after, "q_behind": behind}
    return Plays(f"quarters (at, plays) as ({' union all '.join(parts)})", values)


def first_listen(
    session: Session, listener_id: UUID | None, start: datetime | None = None, end: datetime | None = None
) -> datetime | None:
    """Return when the first listen of a span was: one look into an index of the log."""
    return _edge(session, listener_id, start, end, "asc")


def last_listen(
    session: Session, listener_id: UUID | None, start: datetime | None = None, end: datetime | None = None
) -> datetime | None:
    return _edge(session, listener_id, start, end, "desc")


def _edge(
    session: Session, listener_id: UUID | None, start: datetime | None, end: datetime | None, order: str
) -> datetime | None:
    whole = "select at from quarter_hour" if listener_id is None else "select listened_at as at from listen"
    hidden = "" if listener_id is None else "and duplicate_of is null"
    column = "at" if listener_id is None else "listened_at"
    found: datetime | None = session.execute(
        text(
            f"""
            {whole}
            where (cast(:listener as uuid) is null or listener_id = :listener)
              and {column} >= :start and {column} < :end {hidden}
            order by {column} {order}
            limit 1
            """
        ),
        {"listener": listener_id, "start": start or EARLIEST, "end": end or LATEST},
    ).scalar()
    return found


def _quarter(at: datetime, *, up: bool = False) -> datetime:
    """Return the quarter of an hour that a time is in, or the next one unless it begins there."""
    seconds = int(at.timestamp())
    has_more = seconds % rollups.QUARTER_S > 0 or at.microsecond > 0
    return datetime.fromtimestamp(
        seconds - seconds % rollups.QUARTER_S + (rollups.QUARTER_S if up and has_more else 0), UTC
    )
