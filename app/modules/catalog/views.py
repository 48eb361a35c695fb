"""Names as somebody sees them: through everyone's corrections and their own."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.catalog import Alias, Artist, ArtistNotFound, ArtistPage, Recording, Shown
from app.contracts.listens import Kind
from app.modules.catalog import facts
from app.modules.catalog.aliases import credited_to, shown, sources

RELEASES = 50


class Raw(NamedTuple):
    """A recording as listens say it."""

    recording_key: UUID
    title: str
    artist: str
    artist_key: UUID
    release: str | None = None


def artist_page(session: Session, viewer: UUID | None, key: UUID, limit: int) -> ArtistPage:
    """Return the page of an artist, or of the one that it is shown as. Raises ArtistNotFound."""
    alias = _main(shown(session, viewer, "artists", [key]), key)
    key = alias.to_key if alias else key
    name = session.execute(text("select name from artist where artist_key = :key"), {"key": key}).scalar()
    alias = _main(shown(session, viewer, "artists", [key]), key) or alias
    if alias is None and name is None:
        raise ArtistNotFound
    keys = [key, *sources(session, viewer, "artists", key)]
    credited = credited_to(session, viewer, keys)
    given = {"keys": keys, "credited": credited, "limit": limit, "releases": RELEASES}
    rows = session.execute(
        text(
            """
            select recording_key, title, artist, artist_key, release
            from recording
            where artist_key = any(:keys) or recording_key = any(:credited)
            order by plays desc, title, recording_key
            limit :limit
            """
        ),
        given,
    ).all()
    releases = session.execute(
        text(
            """
            select release
            from recording
            where artist_key = any(:keys) and release is not null
            group by release
            order by sum(plays) desc, release
            limit :releases
            """
        ),
        given,
    ).scalars()
    artist = Artist(key, alias.name if alias else str(name), _tags(session, [key])[key])
    own = shown(session, viewer, "recordings", [row.recording_key for row in rows])
    theirs = [row for row in rows if _raw_artist(row, _main(own, row.recording_key))[0] in keys]
    return ArtistPage(artist, recordings(session, viewer, theirs), list(releases))


def artists(session: Session, viewer: UUID | None, rows: Sequence[Row[Any]]) -> list[Artist]:
    """Return artists as they are shown, each once."""
    mapping = shown(session, viewer, "artists", [row.artist_key for row in rows])
    names: dict[UUID, str] = {}
    for row in rows:
        alias = _main(mapping, row.artist_key)
        names.setdefault(alias.to_key if alias else row.artist_key, alias.name if alias else row.name)
    tags = _tags(session, names)
    return [Artist(key, name, tags[key]) for key, name in names.items()]


def recordings(session: Session, viewer: UUID | None, rows: Sequence[Any]) -> list[Recording]:
    """Return recordings as they are shown, each once."""
    found: dict[UUID, tuple[Shown, str | None]] = {}
    for row, now in zip(rows, _seen(session, viewer, rows), strict=True):
        found.setdefault(now.key, (now, row.release))
    tags = _tags(session, found)
    return [Recording(n.key, n.name, n.artist, n.artist_key, release, tags[n.key]) for n, release in found.values()]


def _seen(session: Session, viewer: UUID | None, rows: Sequence[Any]) -> list[Shown]:
    """Return what recordings are shown as, in their order."""
    own = shown(session, viewer, "recordings", [row.recording_key for row in rows])
    by = [_raw_artist(row, _main(own, row.recording_key)) for row in rows]
    artists = shown(session, viewer, "artists", {key for key, _ in by})
    found = []
    for row, (artist_key, artist) in zip(rows, by, strict=True):
        alias, credit = _main(own, row.recording_key), _main(artists, artist_key)
        key, title = (alias.to_key, alias.name) if alias else (row.recording_key, row.title)
        by_key, by_name = (credit.to_key, credit.name) if credit else (artist_key, artist)
        found.append(Shown(row.recording_key, key, title, by_name, by_key))
    return found


def resolve(
    session: Session, viewer: UUID | None, kind: Kind, keys: Sequence[UUID], *, with_unchanged: bool
) -> list[Shown]:
    """Return what keys are shown as, where corrections concern them or their artist or `with_unchanged`."""
    if kind == "artists":
        mapping = shown(session, viewer, "artists", keys)
        names = facts.artists(session, keys) if with_unchanged else {}
        found = {key: Shown(key, key, name, name, key) for key, name in names.items()}
        for key in keys:
            if alias := _main(mapping, key):
                found[key] = Shown(key, alias.to_key, alias.name, alias.name, alias.to_key)
        return [found[key] for key in keys if key in found]
    known = facts.recordings(session, keys)
    rows = [Raw(key, fact.title, fact.artist, fact.artist_key) for key in keys if (fact := known.get(key))]
    return [
        now
        for row, now in zip(rows, _seen(session, viewer, rows), strict=True)
        if with_unchanged or now != Shown(row.recording_key, row.recording_key, row.title, row.artist, row.artist_key)
    ]


def tagged_artists(session: Session, rows: Sequence[Row[Any]]) -> list[Artist]:
    tags = _tags(session, [row.artist_key for row in rows])
    return [Artist(row.artist_key, row.name, tags[row.artist_key]) for row in rows]


def tagged_recordings(session: Session, rows: Sequence[Row[Any]]) -> list[Recording]:
    tags = _tags(session, [row.recording_key for row in rows])
    return [Recording(r.recording_key, r.title, r.artist, r.artist_key, r.release, tags[r.recording_key]) for r in rows]


def _main(mapping: dict[UUID, list[Alias]], key: UUID) -> Alias | None:
    return mapping[key][0] if key in mapping else None


def _raw_artist(row: Any, alias: Alias | None) -> tuple[UUID, str]:
    if alias and alias.artist_key:
        return alias.artist_key, alias.artist or row.artist
    return row.artist_key, row.artist


def _tags(session: Session, keys: Iterable[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    asked = list(keys)
    if asked:
        for row in session.execute(
            text("select key, tag from tag where key = any(:keys) order by tag"), {"keys": asked}
        ):
            found[row.key].append(row.tag)
    return found
