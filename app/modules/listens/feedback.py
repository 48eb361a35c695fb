"""Love and hide."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Feedback, FeedbackSet, Kind
from app.kernel import feed
from app.modules.listens import aliases, plays

KINDS: tuple[Kind, ...] = ("recordings", "artists")

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
    with {played}
    select distinct on (key) key, title, artist
    from (
        select {key} as key, title, artist, last_at
        from {plays}
        where listener_id = :listener and {key} = any(:keys)
        union all
        select item_key, title, artist, '-infinity'
        from {playcounts}
        where listener_id = :listener and kind = :kind and item_key = any(:keys)
    ) named
    order by key, last_at desc
"""


def put(session: Session, listener_id: UUID, kind: Kind, key: UUID, value: int, now: datetime) -> None:
    """Store what was said of an item; saying it again changes nothing.

    What was said of others that are this item now is superseded.
    """
    if aliases.exist(session, listener_id):
        key = _as_shown(session, listener_id, kind, [key])[key]
        _unsay(session, listener_id, kind, set(aliases.sources(session, listener_id, kind, key)) - {key})
    given = {"listener": listener_id, "kind": kind, "key": key, "value": value, "at": now}
    changed = session.execute(SET if value else UNSET, given)
    if changed.rowcount:  # type: ignore[attr-defined]
        feed.append(session, [FeedbackSet(listener_id, kind, key, value)])


def _unsay(session: Session, listener_id: UUID, kind: Kind, keys: Collection[UUID]) -> None:
    gone = session.execute(
        text("delete from feedback where listener_id = :listener and kind = :kind and key = any(:keys) returning key"),
        {"listener": listener_id, "kind": kind, "keys": list(keys)},
    ).scalars()
    feed.append(session, [FeedbackSet(listener_id, kind, key, 0) for key in gone])


def _as_shown(session: Session, listener_id: UUID, kind: Kind, keys: Collection[UUID]) -> dict[UUID, UUID]:
    found = aliases.of_keys(session, listener_id, kind, keys)
    return {key: found[key].to_key if key in found else key for key in keys}


def shown(session: Session, listener_id: UUID, kind: Kind | None, value: int | None) -> list[Feedback]:
    """Return what was said as corrections show it, newest first: once of what is one item.

    What was said of the item itself counts, or else hiding before loving.
    """
    if not aliases.exist(session, listener_id):
        return read(session, listener_id, kind, value)
    said = read(session, listener_id, kind, None)
    keys: dict[Kind, dict[UUID, UUID]] = {
        of: _as_shown(session, listener_id, of, [each.key for each in said if each.kind == of]) for of in KINDS
    }
    chosen: dict[tuple[Kind, UUID], Feedback] = {}
    for each in sorted(said, key=lambda f: (f.key != keys[f.kind][f.key], f.value, f.key)):
        chosen.setdefault((each.kind, keys[each.kind][each.key]), each)
    names = _names(session, listener_id, chosen, aliases.tables(session, listener_id))
    found = [
        _named(Feedback(of, key, each.value, each.at, "", ""), names.get((of, key)))
        for (of, key), each in chosen.items()
        if value is None or each.value == value
    ]
    return sorted(found, key=lambda f: (-f.at.timestamp(), f.key))


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
    names = _names(session, listener_id, [(row.kind, row.key) for row in rows], aliases.PLAIN)
    return [_named(row, names.get((row.kind, row.key))) for row in rows]


def _names(
    session: Session, listener_id: UUID, items: Collection[tuple[Kind, UUID]], tables: Mapping[str, str]
) -> dict[tuple[str, UUID], Any]:
    """Return what a listener's plays call some items."""
    names: dict[tuple[str, UUID], Any] = {}
    columns: tuple[tuple[Kind, str], ...] = (("recordings", "recording_key"), ("artists", "artist_key"))
    for of, column in columns:
        keys = [key for kind, key in items if kind == of]
        if keys:
            played = plays.of(session, listener_id, None, None)
            given = {**played.values, "kind": of, "keys": keys}
            found = session.execute(text(NAMES.format(key=column, played=played.statement, **tables)), given)
            names |= {(of, row.key): row for row in found}
    return names


def _named(row: Any, name: Any) -> Feedback:
    artist = name.artist if name else ""
    title = (artist if row.kind == "artists" else name.title) if name else ""
    return Feedback(row.kind, row.key, row.value, row.at, title, artist)
