"""What a key is called: names of artists, releases and recordings, tags, search."""

from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from app.kernel.contract import Access, DomainError, command, query


class Artist(Struct, frozen=True):
    artist_key: UUID
    name: str
    tags: list[str] = []


class Recording(Struct, frozen=True):
    recording_key: UUID
    title: str
    artist: str
    artist_key: UUID
    release: str | None = None
    tags: list[str] = []


class ArtistPage(Struct, frozen=True):
    artist: Artist
    recordings: list[Recording]
    releases: list[str]


class SearchResult(Struct, frozen=True):
    artists: list[Artist]
    recordings: list[Recording]


class Tagging(Struct, frozen=True):
    """Tags of an artist, or of a recording where `title` is given."""

    artist: str
    title: str | None
    tags: list[str]


class Identifier(Struct, frozen=True):
    """A MusicBrainz identifier of a recording."""

    recording_key: UUID
    mbid: UUID


class ArtistNotFound(DomainError):
    """No artist of this key is known here."""

    code, status = "catalog.artist_not_found", 404


class Catalog(Protocol):
    @query(access=Access.PUBLIC)
    def get_recordings(self, keys: list[UUID]) -> list[Recording]:
        """The known recordings in the order asked; unknown keys are left out. At most 1000 keys."""

    @query(access=Access.PUBLIC)
    def get_artists(self, keys: list[UUID]) -> list[Artist]:
        """The known artists in the order asked; unknown keys are left out. At most 1000 keys."""

    @query(access=Access.PUBLIC)
    def get_identifiers(self, keys: list[UUID]) -> list[Identifier]:
        """The MusicBrainz identifiers that players told of recordings, one each at most. At most 1000 keys."""

    @query(access=Access.PUBLIC)
    def find_identifiers(self, mbids: list[UUID]) -> list[Identifier]:
        """Which recordings MusicBrainz identifiers stand for, as far as known here. At most 1000."""

    @query(access=Access.LISTENER)
    def get_artist_page(self, key: UUID, limit: int = 50) -> ArtistPage:
        """An artist with known recordings and releases. Raises ArtistNotFound."""

    @query(access=Access.LISTENER)
    def search(self, text: str, limit: int = 20) -> SearchResult:
        """Artists and recordings whose names are near `text`, nearest first."""

    @query(access=Access.SERVICE)
    def search_mode(self) -> Literal["trigram", "prefix"]:
        """How search works here: tolerant of typos where PostgreSQL has pg_trgm."""

    @command(access=Access.SERVICE, idempotent=True, timeout=30)
    def add_tags(self, taggings: list[Tagging]) -> int:
        """Name items and tag them; how many tags were new."""
