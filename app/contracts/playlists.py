"""Playlists, made by hand or generated."""

from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from msgspec import Struct

from app.kernel.contract import Access, DomainError, command, query

Format = Literal["jspf", "xspf", "m3u8"]


class Entry(Struct, frozen=True):
    """A place in a playlist; the names are as they were when it was added."""

    recording_key: UUID
    title: str
    artist: str
    artist_key: UUID
    release: str | None = None
    duration_ms: int | None = None


class NewEntry(Struct, frozen=True):
    artist: str
    title: str
    release: str | None = None
    duration_ms: int | None = None


class Playlist(Struct, frozen=True):
    """`kind` is "manual" or the name of what generated it ("weekly"); `week` is its ISO week then."""

    playlist_id: UUID
    owner_id: UUID
    name: str
    description: str
    is_public: bool
    kind: str
    week: str | None
    entry_count: int
    created_at: datetime
    updated_at: datetime
    revision: int


class PlaylistWithEntries(Struct, frozen=True):
    playlist: Playlist
    entries: list[Entry]


class Export(Struct, frozen=True):
    filename: str
    media_type: str
    text: str


class PlaylistNotFound(DomainError):
    """There is no such playlist, or it is not yours to see."""

    code, status = "playlists.playlist_not_found", 404


class InvalidPlaylist(DomainError):
    """A playlist needs a name of 1 to 200 characters and holds at most 2000 entries."""

    code, status = "playlists.invalid_playlist", 422


class EditConflict(DomainError):
    """The playlist was changed meanwhile; load it again."""

    code, status = "playlists.edit_conflict", 409


class Playlists(Protocol):
    @command(access=Access.OWNER)
    def create_playlist(
        self,
        listener_id: UUID,
        name: str,
        description: str = "",
        is_public: bool = False,
        entries: list[NewEntry] | None = None,
    ) -> Playlist:
        """Make a playlist. Raises InvalidPlaylist."""

    @query(access=Access.OWNER)
    def list_playlists(self, listener_id: UUID) -> list[Playlist]:
        """The listener's playlists, last changed first."""

    @query(access=Access.LISTENER)
    def get_playlist(self, playlist_id: UUID) -> PlaylistWithEntries:
        """A playlist of one's own or a public one. Raises PlaylistNotFound."""

    @command(access=Access.LISTENER)
    def edit_playlist(
        self,
        playlist_id: UUID,
        name: str | None = None,
        description: str | None = None,
        is_public: bool | None = None,
    ) -> Playlist:
        """Change what is given. Raises PlaylistNotFound, InvalidPlaylist."""

    @command(access=Access.LISTENER)
    def add_entries(self, playlist_id: UUID, entries: list[NewEntry], position: int | None = None) -> Playlist:
        """Insert entries before a position from 0, at the end without one. Raises PlaylistNotFound, InvalidPlaylist."""

    @command(access=Access.LISTENER)
    def move_entry(
        self, playlist_id: UUID, source: int, target: int, revision: int | None = None, count: int = 1
    ) -> Playlist:
        """Move `count` entries from `source` on so that the first stands at `target`.

        Raises InvalidPlaylist, EditConflict.
        """

    @command(access=Access.LISTENER)
    def remove_entry(self, playlist_id: UUID, position: int, revision: int | None = None, count: int = 1) -> Playlist:
        """Take `count` entries from a position on out. Raises InvalidPlaylist, EditConflict."""

    @command(access=Access.LISTENER, idempotent=True)
    def delete_playlist(self, playlist_id: UUID) -> None:
        """Delete a playlist of one's own. Raises PlaylistNotFound."""

    @query(access=Access.LISTENER)
    def export_playlist(self, playlist_id: UUID, format: Format) -> Export:
        """A playlist as JSPF, XSPF or M3U8. Raises PlaylistNotFound."""

    @command(access=Access.OWNER, idempotent=True, timeout=15)
    def generate_weekly(self, listener_id: UUID) -> Playlist:
        """This week's playlist from recommendations; made once a week, returned as it is afterwards."""

    @query(access=Access.OWNER)
    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        """The person's playlists with their entries, as JSON values."""
