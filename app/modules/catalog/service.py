"""The rules of names."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.catalog import Artist, ArtistNotFound, ArtistPage, Identifier, Recording, SearchResult, Tagging
from app.kernel.contract import InvalidRequest
from app.kernel.db import Database
from app.modules.catalog import names, search

MAX_KEYS = 1000
MAX_FOUND = 100


class CatalogService:
    """Implements `app.contracts.catalog.Catalog`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get_recordings(self, keys: list[UUID]) -> list[Recording]:
        _check(keys)
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select recording_key, title, artist, artist_key, release
                    from recording join unnest(cast(:keys as uuid[])) with ordinality as asked (key, place)
                         on recording_key = asked.key
                    order by asked.place
                    """
                ),
                {"keys": keys},
            ).all()
            return _recordings(session, rows)

    def get_artists(self, keys: list[UUID]) -> list[Artist]:
        _check(keys)
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select artist_key, name
                    from artist join unnest(cast(:keys as uuid[])) with ordinality as asked (key, place)
                         on artist_key = asked.key
                    order by asked.place
                    """
                ),
                {"keys": keys},
            ).all()
            return _artists(session, rows)

    def get_identifiers(self, keys: list[UUID]) -> list[Identifier]:
        _check(keys)
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select distinct on (recording_key) recording_key, mbid
                    from identifier
                    where recording_key = any(:keys)
                    order by recording_key, mbid
                    """
                ),
                {"keys": keys},
            )
            return [Identifier(*row) for row in rows]

    def find_identifiers(self, mbids: list[UUID]) -> list[Identifier]:
        _check(mbids)
        with self.database.begin() as session:
            rows = session.execute(
                text("select recording_key, mbid from identifier where mbid = any(:mbids)"), {"mbids": mbids}
            )
            return [Identifier(*row) for row in rows]

    def get_artist_page(self, key: UUID, limit: int = 50) -> ArtistPage:
        with self.database.begin() as session:
            found = session.execute(text("select artist_key, name from artist where artist_key = :key"), {"key": key})
            artists = _artists(session, found.all())
            if not artists:
                raise ArtistNotFound
            rows = session.execute(
                text(
                    """
                    select recording_key, title, artist, artist_key, release
                    from recording
                    where artist_key = :key
                    order by plays desc, title, recording_key
                    limit :limit
                    """
                ),
                {"key": key, "limit": max(1, min(limit, MAX_KEYS))},
            ).all()
            releases = session.execute(
                text(
                    """
                    select release
                    from recording
                    where artist_key = :key and release is not null
                    group by release
                    order by sum(plays) desc, release
                    limit 50
                    """
                ),
                {"key": key},
            ).scalars()
            return ArtistPage(artists[0], _recordings(session, rows), list(releases))

    def search(self, text: str, limit: int = 20) -> SearchResult:
        count = max(1, min(limit, MAX_FOUND))
        with self.database.begin() as session:
            how = search.mode(session)
            artists = _artists(session, search.find(session, "artist", text, count, how))
            recordings = _recordings(session, search.find(session, "recording", text, count, how))
        return SearchResult(artists, recordings)

    def search_mode(self) -> Literal["trigram", "prefix"]:
        with self.database.begin() as session:
            return search.mode(session)

    def add_tags(self, taggings: list[Tagging]) -> int:
        with self.database.begin() as session:
            return names.tag(session, taggings)


def _check(keys: Sequence[UUID]) -> None:
    if len(keys) > MAX_KEYS:
        raise InvalidRequest(f"ask for at most {MAX_KEYS} keys at once")


def _artists(session: Session, rows: Sequence[Row[Any]]) -> list[Artist]:
    tags = _tags(session, [row.artist_key for row in rows])
    return [Artist(row.artist_key, row.name, tags[row.artist_key]) for row in rows]


def _recordings(session: Session, rows: Sequence[Row[Any]]) -> list[Recording]:
    tags = _tags(session, [row.recording_key for row in rows])
    return [Recording(r.recording_key, r.title, r.artist, r.artist_key, r.release, tags[r.recording_key]) for r in rows]


def _tags(session: Session, keys: list[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    if keys:
        for row in session.execute(
            text("select key, tag from tag where key = any(:keys) order by tag"), {"keys": keys}
        ):
            found[row.key].append(row.tag)
    return found
