"""The mapping that corrections amount to, kept in step with them and told to those who follow.

A view is everyone's or a listener's own. Of a listener's own only what differs from everyone's is kept. Corrections
that have no artist or recording in common, directly or by others, do not touch each other: only the group is worked
out anew.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import Act, Alias, Corrected, CorrectionUndone, Key
from app.contracts.listens import Kind
from app.kernel import feed
from app.modules.catalog.resolving import Facts, RecordingFacts, Resolved, Stored, resolve, ways_of, with_targets

EVERYONE = UUID(int=0)
LOCK = 0x616C6961  # apart from other advisory locks of the same database
PER_EVENT = 500

Of = tuple[Kind, UUID]


class Row(Struct, frozen=True):
    """A correction as it is kept."""

    correction_id: UUID
    scope: UUID
    stored: Stored
    keys: list[UUID]


def lock(session: Session, *, is_shared: bool = False) -> None:
    """Wait until nobody else changes corrections; learning names waits only for that (`is_shared`)."""
    session.execute(text(f"select pg_advisory_xact_lock{'_shared' if is_shared else ''}({LOCK})"))


def keys_of(stored: Stored) -> list[UUID]:
    """Return every artist and recording that an act has to do with."""
    facts = with_targets(stored)
    by = {fact.artist_key for fact in facts.recordings.values()}
    return sorted({*facts.artists, *facts.recordings, *by})


def group(session: Session, scopes: Collection[UUID], keys: Iterable[UUID]) -> tuple[list[Row], set[UUID]]:
    """Return the corrections that hang together with some keys, oldest first, and all their keys."""
    found: dict[UUID, tuple[int, Row]] = {}
    reached, new = set(keys), set(keys)
    while new:
        rows = session.execute(
            text(
                """
                select correction_id, scope, act::text as act, facts::text as facts, keys, number
                from correction
                where keys && cast(:keys as uuid[]) and scope = any(cast(:scopes as uuid[]))
                """
            ),
            {"keys": list(new), "scopes": list(scopes)},
        ).all()
        new = set()
        for row in rows:
            if row.correction_id not in found:
                stored = Stored(msgspec.json.decode(row.act, type=Act), msgspec.json.decode(row.facts, type=Facts))
                found[row.correction_id] = row.number, Row(row.correction_id, row.scope, stored, row.keys)
                new |= set(row.keys) - reached
        reached |= new
    return [row for _, row in sorted(found.values(), key=lambda pair: pair[0])], reached


def layers_of(rows: Sequence[Row], scope: UUID) -> list[list[Stored]]:
    """Return the acts of a view by strength: a listener's own first."""
    scopes = [scope] if scope == EVERYONE else [scope, EVERYONE]
    return [[row.stored for row in rows if row.scope == each] for each in scopes]


def refresh(
    session: Session, scope: UUID, keys: Iterable[UUID], event: type[Corrected | CorrectionUndone], cause: UUID
) -> None:
    """Work out anew what a correction that came or went may have changed, and tell of it."""
    rows, reached = group(session, {scope, EVERYONE}, keys)
    _refresh_view(session, scope, rows, reached, event, cause)
    if scope == EVERYONE:
        for listener_id in _listeners_with(session, reached):
            theirs, wider = group(session, {listener_id, EVERYONE}, reached)
            _refresh_view(session, listener_id, theirs, wider, event, cause)


def _listeners_with(session: Session, keys: Collection[UUID]) -> list[UUID]:
    found = session.execute(
        text(
            """
            select distinct scope
            from correction
            where keys && cast(:keys as uuid[]) and scope <> :everyone
            order by scope
            """
        ),
        {"keys": list(keys), "everyone": EVERYONE},
    )
    return list(found.scalars())


def _refresh_view(
    session: Session,
    scope: UUID,
    rows: Sequence[Row],
    keys: Collection[UUID],
    event: type[Corrected | CorrectionUndone],
    cause: UUID,
) -> None:
    layers = layers_of(rows, scope)
    new = resolve(layers, _known(session, layers))
    before = _stored(session, scope, keys)
    if scope != EVERYONE:
        new = _own(new, _stored(session, EVERYONE, keys))
    changed = {of: lines for of, lines in new.aliases.items() if before.aliases.get(of) != lines}
    gone = [of for of in before.aliases if of not in new.aliases]
    _write(session, scope, changed, new.owners, gone)
    _tell(session, scope, list(changed.values()), gone, event, cause)


def _own(view: Resolved, everyones: Resolved) -> Resolved:
    """Return what of a listener's view differs from everyone's; a key that is itself again says so."""
    found = Resolved()
    for of, lines in view.aliases.items():
        if everyones.aliases.get(of) != lines:
            found.aliases[of], found.owners[of] = lines, view.owners[of]
    for of, lines in everyones.aliases.items():
        if of not in view.aliases:
            kind, key = of
            found.aliases[of], found.owners[of] = [Alias(kind, key, key, lines[0].name)], everyones.owners[of]
    return found


def learned(session: Session, recordings: Mapping[UUID, RecordingFacts]) -> None:
    """Take in names that were heard just now: recordings of artists that are others now are others too."""
    lock(session, is_shared=True)
    views = (
        session.execute(
            text(
                """
            select distinct scope
            from alias
            where kind = 'artists' and from_key = any(:artists)
            order by scope
            """
            ),
            {"artists": list({fact.artist_key for fact in recordings.values()})},
        )
        .scalars()
        .all()
    )
    for scope in views:
        known = _unmapped(session, scope, recordings)
        if not known:
            continue
        rows, _ = group(session, {scope, EVERYONE}, {fact.artist_key for fact in known.values()})
        found = resolve(layers_of(rows, scope), known)
        new = Resolved({of: lines for of, lines in found.aliases.items() if of[1] in known}, found.owners)
        if scope != EVERYONE:
            new = _own(new, _stored(session, EVERYONE, known, with_owned=False))
        _write(session, scope, new.aliases, new.owners, [])
        _tell(session, scope, list(new.aliases.values()), [], Corrected, None)


def _known(session: Session, layers: Sequence[Sequence[Stored]]) -> dict[UUID, RecordingFacts]:
    """Return the recordings of the artists that are others now."""
    artists, _ = ways_of(layers)
    rows = session.execute(
        text("select recording_key, title, artist, artist_key from recording where artist_key = any(:keys)"),
        {"keys": list(artists.next)},
    )
    return {row.recording_key: RecordingFacts(row.title, row.artist, row.artist_key) for row in rows}


def _unmapped(session: Session, scope: UUID, recordings: Mapping[UUID, RecordingFacts]) -> dict[UUID, RecordingFacts]:
    """Return the recordings that a view has nothing of, by artists that it says something of."""
    rows = session.execute(
        text(
            """
            select heard.key
            from unnest(cast(:keys as uuid[]), cast(:artists as uuid[])) as heard (key, artist_key)
            where exists (
                      select from alias
                      where scope = :scope and kind = 'artists' and from_key = heard.artist_key
                  )
              and not exists (
                      select from alias where scope = :scope and kind = 'recordings' and from_key = heard.key
                  )
            """
        ),
        {"scope": scope, "keys": list(recordings), "artists": [fact.artist_key for fact in recordings.values()]},
    )
    return {key: recordings[key] for key in rows.scalars()}


def _stored(session: Session, scope: UUID, keys: Iterable[UUID], *, with_owned: bool = True) -> Resolved:
    """Return the mapping of a view as it is kept: of some keys, and of the recordings of those that are artists."""
    owned = "or owner_key = any(:keys)" if with_owned else ""
    rows = session.execute(
        text(
            f"""
            select kind, from_key, to_key, name, place, artist_key, artist, owner_key
            from alias
            where scope = :scope and (from_key = any(:keys) {owned})
            order by kind, from_key, place
            """  # noqa: S608
        ),
        {"scope": scope, "keys": list(keys)},
    )
    found = Resolved()
    for row in rows:
        of: Of = (row.kind, row.from_key)
        found.aliases.setdefault(of, []).append(Alias(*row[:7]))
        found.owners[of] = row.owner_key
    return found


def _write(
    session: Session,
    scope: UUID,
    changed: Mapping[Of, Sequence[Alias]],
    owners: Mapping[Of, UUID],
    gone: Sequence[Of],
) -> None:
    stale = [*changed, *gone]
    if not stale:
        return
    session.execute(
        text(
            """
            delete from alias
            using unnest(cast(:kinds as text[]), cast(:keys as uuid[])) as stale (kind, key)
            where alias.scope = :scope and alias.kind = stale.kind and alias.from_key = stale.key
            """
        ),
        {"scope": scope, "kinds": [kind for kind, _ in stale], "keys": [key for _, key in stale]},
    )
    rows = [
        {**msgspec.structs.asdict(alias), "scope": scope, "owner_key": owners[of]}
        for of, lines in changed.items()
        for alias in lines
    ]
    session.execute(
        text("insert into alias select * from jsonb_populate_recordset(null::alias, cast(:rows as jsonb))"),
        {"rows": msgspec.json.encode(rows).decode()},
    )


def _tell(
    session: Session,
    scope: UUID,
    changed: Sequence[Sequence[Alias]],
    gone: Sequence[Of],
    event: type[Corrected | CorrectionUndone],
    cause: UUID | None,
) -> None:
    """Tell followers, in events of bounded size; the lines of one key stay together."""
    listener_id = None if scope == EVERYONE else scope
    events = []
    for start in range(0, max(len(changed), len(gone)), PER_EVENT):
        part = slice(start, start + PER_EVENT)
        lines = [alias for each in changed[part] for alias in each]
        events.append(event(listener_id, cause, lines, [Key(kind, key) for kind, key in gone[part]]))
    feed.append(session, events)


def shown(session: Session, viewer: UUID | None, kind: Kind, keys: Collection[UUID]) -> dict[UUID, list[Alias]]:
    """Return what keys are shown as to somebody, where corrections say something of them."""
    rows = session.execute(
        text(
            """
            select scope, kind, from_key, to_key, name, place, artist_key, artist
            from alias
            where scope = any(:scopes) and kind = :kind and from_key = any(:keys)
            order by scope, from_key, place
            """
        ),
        {"scopes": [EVERYONE, *([viewer] if viewer else [])], "kind": kind, "keys": list(keys)},
    )
    found: dict[UUID, dict[UUID, list[Alias]]] = {}
    for row in rows:
        found.setdefault(row.scope, {}).setdefault(row.from_key, []).append(Alias(*row[1:]))
    return {**found.get(EVERYONE, {}), **(found.get(viewer, {}) if viewer else {})}


def sources(session: Session, viewer: UUID | None, kind: Kind, key: UUID) -> list[UUID]:
    """Return the other keys that are shown as this one to somebody."""
    rows = session.execute(
        text(
            """
            select a.from_key
            from alias a
            where a.kind = :kind and a.to_key = :key and a.from_key <> :key
              and (a.scope = :viewer
                   or (a.scope = :everyone and not exists (
                       select from alias mine
                       where mine.scope = :viewer and mine.kind = a.kind and mine.from_key = a.from_key)))
            order by a.from_key
            """
        ),
        {"kind": kind, "key": key, "viewer": viewer, "everyone": EVERYONE},
    )
    return list(rows.scalars())


def credited_to(session: Session, viewer: UUID | None, artists: Collection[UUID]) -> list[UUID]:
    """Return the recordings that are said to be by some artists, though their listens say others."""
    rows = session.execute(
        text(
            """
            select from_key
            from alias
            where kind = 'recordings' and artist_key = any(:artists) and scope in (:viewer, :everyone)
            """
        ),
        {"artists": list(artists), "viewer": viewer or EVERYONE, "everyone": EVERYONE},
    )
    return list(rows.scalars())
