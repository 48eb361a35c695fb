"""Profiles as their listener sees them: through the corrections that the catalog tells of.

The rows stay as the feed of listens tells them, so an undo has nothing to reckon back. A listener's own alias of a key
is instead of everyone's; where there is none at all, reading costs what it did before.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import Alias, CatalogEvent, CorrectionsForgotten, Described
from app.contracts.listens import Kind
from app.modules.recommendations import stamps

EVERYONE = UUID(int=0)


def apply(session: Session, events: Sequence[CatalogEvent]) -> None:
    """Take in a page of the feed of the catalog."""
    forgotten: set[UUID] = set()
    last: dict[tuple[UUID, Kind, UUID], list[Alias]] = {}
    for event in events:
        if isinstance(event, CorrectionsForgotten):
            forgotten.add(event.listener_id)
            last = {of: lines for of, lines in last.items() if of[0] != event.listener_id}
            continue
        if isinstance(event, Described):
            continue
        scope = event.listener_id or EVERYONE
        last.update({(scope, each.kind, each.key): [] for each in event.gone})
        last.update({(scope, each.kind, each.from_key): [] for each in event.aliases})
        for alias in event.aliases:
            last[scope, alias.kind, alias.from_key].append(alias)
    stamps.touch(session, {scope for scope, _, _ in last})
    if forgotten:
        stamps.forget(session, forgotten)
        session.execute(text("delete from alias where scope = any(:scopes)"), {"scopes": list(forgotten)})
    stale = [{"scope": scope, "kind": kind, "key": key} for scope, kind, key in last]
    session.execute(
        text(
            """
            delete from alias a
            using jsonb_to_recordset(cast(:stale as jsonb)) as stale (scope uuid, kind text, key uuid)
            where a.scope = stale.scope and a.kind = stale.kind and a.from_key = stale.key
            """
        ),
        {"stale": msgspec.json.encode(stale).decode()},
    )
    rows = [{**structs.asdict(alias), "scope": of[0]} for of, lines in last.items() for alias in lines]
    session.execute(
        text("insert into alias select * from jsonb_populate_recordset(null::alias, cast(:rows as jsonb))"),
        {"rows": msgspec.json.encode(rows).decode()},
    )


def reset(session: Session) -> None:
    """Forget what the feed told."""
    session.execute(text("delete from alias"))
    stamps.touch(session, [EVERYONE])


def exist(session: Session, viewer: UUID) -> bool:
    """Whether any correction concerns somebody (EVERYONE: those that hold for all); one look into an index."""
    found = session.execute(
        text("select exists (select from alias where scope = any(:scopes))"), {"scopes": [EVERYONE, viewer]}
    )
    return bool(found.scalar_one())


def seen(kind: Kind) -> str:
    """Return the aliases of a kind that hold for `:viewer`, as a table expression."""
    return f"""(
        select * from alias o where o.kind = '{kind}' and o.scope = :viewer
        union all
        select * from alias o
        where o.kind = '{kind}' and o.scope = '{EVERYONE}'
          and not exists (
              select from alias m where m.scope = :viewer and m.kind = o.kind and m.from_key = o.from_key)
    )"""  # noqa: S608


def of_keys(session: Session, viewer: UUID, kind: Kind, keys: Collection[UUID]) -> dict[UUID, Any]:
    """Return the main aliases of some keys."""
    rows = session.execute(
        text(f"select * from {seen(kind)} a where a.place = 0 and a.from_key = any(:keys)"),  # noqa: S608
        {"viewer": viewer, "keys": list(keys)},
    )
    return {row.from_key: row for row in rows}


def sources(session: Session, viewer: UUID, kind: Kind, keys: Collection[UUID]) -> list[UUID]:
    """Return the other keys that are shown as one of these."""
    rows = session.execute(
        text(
            f"""
            select distinct a.from_key
            from {seen(kind)} a
            where a.to_key = any(:keys) and a.from_key <> a.to_key
            order by a.from_key
            """  # noqa: S608
        ),
        {"viewer": viewer, "keys": list(keys)},
    )
    return list(rows.scalars())


def has_traces(session: Session, listener_id: UUID) -> bool:
    """Say whether a person's own view of names is left."""
    found = session.execute(text("select exists (select 1 from alias where scope = :id)"), {"id": listener_id})
    return bool(found.scalar_one())
