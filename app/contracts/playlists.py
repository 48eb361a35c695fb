"""Playlists, made by hand or generated, and the library that they are played from."""

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


Weekly = Literal["mix", "jams", "exploration"]


class Playlist(Struct, frozen=True):
    """`kind` is "manual" or what made it ("weekly", "weekly_jams", "weekly_exploration"), `week` its ISO week then."""

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


class Library(Struct, frozen=True):
    """A listener's own Subsonic server. Its credentials are kept sealed and never told.

    `server` is what it calls itself; `read` counts the songs that the running sync has read so far. `known` of the
    listener's `played` recordings are in it, as of the last sync.
    """

    address: str
    user_name: str
    server: str
    state: Literal["waiting", "syncing", "ready", "failing"]
    songs: int
    read: int | None
    known: int
    played: int
    synced_at: datetime | None
    next_sync_at: datetime
    error: str
    pushes_weekly: bool
    weekly_error: str


class LibraryMatch(Struct, frozen=True):
    """A recording as the library has it; `path` is where its file lies there, as far as the server tells."""

    recording_key: UUID
    song_id: str
    title: str
    artist: str
    album: str | None
    duration_s: int | None
    path: str | None


class PushReport(Struct, frozen=True):
    """What a playlist became on the server: `matched` of `total` entries, and those that are not in the library.

    `remote_id` is the server's; None where nothing matched and so nothing was made.
    """

    playlist_id: UUID
    remote_id: str | None
    matched: int
    total: int
    unmatched: list[Entry]
    pushed_at: datetime


class StreamSource(Struct, frozen=True):
    """Where the bytes of a recording come from. The address holds a proof of the listener's password there."""

    url: str

    def __repr__(self) -> str:
        return "StreamSource(…)"


class LibraryNotConnected(DomainError):
    """No library is connected. Connect one on the page of your account."""

    code, status = "playlists.library_not_connected", 404


class LibraryRefused(DomainError):
    """That is no Subsonic server, or it does not know this name and password."""

    code, status = "playlists.library_refused", 422


class LibraryFailed(DomainError):
    """The library's server gave no answer that is of use."""

    code, status = "playlists.library_failed", 502


class NotInLibrary(DomainError):
    """This recording is not in your library."""

    code, status = "playlists.not_in_library", 404


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
    def generate_weekly(self, listener_id: UUID, which: Weekly = "mix") -> Playlist:
        """One of this week's playlists from recommendations; made once a week, returned as it is afterwards.

        mix: new, or known where nothing is new. jams: known and loved. exploration: new. Each week's stay.
        """

    @query(access=Access.SERVICE)
    def has_traces(self, listener_id: UUID) -> bool:
        """Whether anything of a person is left here."""

    @query(access=Access.OWNER)
    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        """The person's playlists with their entries, as JSON values."""

    @command(access=Access.OWNER, timeout=15)
    def connect_library(
        self, listener_id: UUID, address: str, user_name: str, password: str, pushes_weekly: bool = True
    ) -> Library:
        """Connect a Subsonic server, in place of another, and read it soon; without a name the password is an API key.

        Each week's mix is pushed to it by itself unless that is not wanted. The server is tried first. Raises
        LibraryRefused, which says what is wrong.
        """

    @query(access=Access.OWNER)
    def get_library(self, listener_id: UUID) -> Library | None:
        """The connected library, if there is one."""

    @command(access=Access.OWNER, idempotent=True)
    def disconnect_library(self, listener_id: UUID) -> None:
        """Forget the library and its songs here; what was pushed to it stays there."""

    @command(access=Access.OWNER, idempotent=True)
    def sync_library(self, listener_id: UUID) -> Library:
        """Have the library read again now, in the background. Raises LibraryNotConnected."""

    @query(access=Access.OWNER)
    def match_recordings(self, listener_id: UUID, recording_keys: list[UUID]) -> list[LibraryMatch]:
        """Those of the recordings (keys, or MBIDs) that are in the library; none without one. At most 2000."""

    @command(access=Access.OWNER, idempotent=True, timeout=15)
    def push_playlist(self, listener_id: UUID, playlist_id: UUID) -> PushReport:
        """Copy a playlist to the library's server; again, it replaces what it made there.

        Raises PlaylistNotFound, LibraryNotConnected, LibraryFailed.
        """

    @query(access=Access.OWNER)
    def get_push(self, listener_id: UUID, playlist_id: UUID) -> PushReport | None:
        """How the last push of a playlist went, if there was one."""

    @command(access=Access.OWNER, idempotent=True)
    def set_auto_push(self, listener_id: UUID, weekly: bool) -> Library:
        """Say whether each week's mix is made and pushed by itself. Raises LibraryNotConnected."""

    @query(access=Access.SERVICE)
    def stream_source(self, listener_id: UUID, song_id: str) -> StreamSource:
        """Where the bytes of a song are; for the route that passes them on.

        Raises LibraryNotConnected, NotInLibrary.
        """
