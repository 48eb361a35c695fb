"""Public routes of `playlists`."""

from typing import Annotated
from uuid import UUID

from flask import Response, current_app
from msgspec import Meta, Struct

from app.contracts.playlists import (
    Format,
    Library,
    LibraryNotConnected,
    NewEntry,
    NotInLibrary,
    Playlist,
    PlaylistWithEntries,
    PushReport,
    Weekly,
)
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import InvalidRequest
from app.kernel.outgoing import Outgoing
from app.kernel.routes import Api
from app.modules.playlists.streaming import Streams, respond

api = Api("playlists", prefixes=("playlists",))

Position = Annotated[int, Meta(ge=0, le=2000)]


class PublicEntry(Struct, frozen=True, forbid_unknown_fields=True):
    artist: Annotated[str, Meta(min_length=1, max_length=1000)]
    title: Annotated[str, Meta(min_length=1, max_length=1000)]
    release: Annotated[str, Meta(max_length=1000)] | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=2_073_600_000)] | None = None


class NewPlaylist(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=4000)] = ""
    is_public: bool = False
    entries: Annotated[list[PublicEntry], Meta(max_length=2000)] = []


class Changes(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    description: Annotated[str, Meta(max_length=4000)] | None = None
    is_public: bool | None = None


class Addition(Struct, frozen=True, forbid_unknown_fields=True):
    entries: Annotated[list[PublicEntry], Meta(min_length=1, max_length=2000)]
    position: Position | None = None


class Move(Struct, frozen=True, forbid_unknown_fields=True):
    source: Position
    target: Position
    revision: int | None = None


class RevisionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    revision: int | None = None


class ExportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    format: Format = "jspf"


class Connection(Struct, frozen=True, forbid_unknown_fields=True):
    address: Annotated[str, Meta(min_length=1, max_length=1000)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]
    user_name: Annotated[str, Meta(max_length=200)] = ""
    pushes_weekly: bool = True

    def __repr__(self) -> str:
        return "Connection(…)"


class LibraryWishes(Struct, frozen=True, forbid_unknown_fields=True):
    pushes_weekly: bool


class PlaylistList(Struct, frozen=True):
    playlists: list[Playlist]


def me() -> UUID:
    """Return whose playlists these are. Raises InvalidRequest where Segue itself asks."""
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise InvalidRequest("only a person has playlists")
    return listener_id


def _new(entries: list[PublicEntry]) -> list[NewEntry]:
    return [NewEntry(e.artist, e.title, e.release, e.duration_ms) for e in entries]


@api.route("GET", "/playlists", returns=PlaylistList)
def list_playlists(services: Services) -> PlaylistList:
    """One's own playlists, last changed first."""
    return PlaylistList(services.playlists.list_playlists(me()))


@api.route("POST", "/playlists", body=NewPlaylist, returns=Playlist, status=201)
def create(services: Services, *, body: NewPlaylist) -> Playlist:
    """Make a playlist."""
    return services.playlists.create_playlist(me(), body.name, body.description, body.is_public, _new(body.entries))


class WeeklyQuery(Struct, frozen=True, forbid_unknown_fields=True):
    which: Weekly = "mix"


@api.route("POST", "/playlists/weekly", query=WeeklyQuery, returns=Playlist)
def weekly(services: Services, *, query: WeeklyQuery) -> Playlist:
    """One of this week's playlists from recommendations, made once a week: a mix, jams or exploration."""
    return services.playlists.generate_weekly(me(), query.which)


@api.route("GET", "/playlists/<uuid:playlist_id>", returns=PlaylistWithEntries)
def get(services: Services, *, playlist_id: UUID) -> PlaylistWithEntries:
    """A playlist of one's own, or a public one."""
    return services.playlists.get_playlist(playlist_id)


@api.route("PATCH", "/playlists/<uuid:playlist_id>", body=Changes, returns=Playlist)
def edit(services: Services, *, playlist_id: UUID, body: Changes) -> Playlist:
    """Change name, description or visibility."""
    return services.playlists.edit_playlist(playlist_id, body.name, body.description, body.is_public)


@api.route("DELETE", "/playlists/<uuid:playlist_id>")
def delete(services: Services, *, playlist_id: UUID) -> None:
    """Delete a playlist."""
    services.playlists.delete_playlist(playlist_id)


@api.route("POST", "/playlists/<uuid:playlist_id>/entries", body=Addition, returns=Playlist)
def add(services: Services, *, playlist_id: UUID, body: Addition) -> Playlist:
    """Add recordings, at the end or before a position."""
    return services.playlists.add_entries(playlist_id, _new(body.entries), body.position)


@api.route("POST", "/playlists/<uuid:playlist_id>/moves", body=Move, returns=Playlist)
def move(services: Services, *, playlist_id: UUID, body: Move) -> Playlist:
    """Move an entry to another position."""
    return services.playlists.move_entry(playlist_id, body.source, body.target, body.revision)


@api.route("DELETE", "/playlists/<uuid:playlist_id>/entries/<int:position>", query=RevisionQuery, returns=Playlist)
def remove(services: Services, *, playlist_id: UUID, position: int, query: RevisionQuery) -> Playlist:
    """Take an entry out."""
    return services.playlists.remove_entry(playlist_id, position, query.revision)


@api.route("GET", "/playlists/<uuid:playlist_id>/export", query=ExportQuery, returns=str)
def export(services: Services, *, playlist_id: UUID, query: ExportQuery) -> Response:
    """A playlist as a file: JSPF, XSPF or M3U8."""
    found = services.playlists.export_playlist(playlist_id, query.format)
    response = Response(found.text, content_type=f"{found.media_type}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{found.filename}"'
    return response


@api.route("GET", "/playlists/library", returns=Library)
def library(services: Services) -> Library:
    """The connected library, without its credentials."""
    found = services.playlists.get_library(me())
    if found is None:
        raise LibraryNotConnected
    return found


@api.route("PUT", "/playlists/library", body=Connection, returns=Library)
def connect(services: Services, *, body: Connection) -> Library:
    """Connect a Subsonic server; without a user name the password is an API key."""
    return services.playlists.connect_library(me(), body.address, body.user_name, body.password, body.pushes_weekly)


@api.route("PATCH", "/playlists/library", body=LibraryWishes, returns=Library)
def wish(services: Services, *, body: LibraryWishes) -> Library:
    """Say whether each week's playlist is pushed to it by itself."""
    return services.playlists.set_auto_push(me(), body.pushes_weekly)


@api.route("DELETE", "/playlists/library")
def disconnect(services: Services) -> None:
    """Forget the library; what was pushed to it stays there."""
    services.playlists.disconnect_library(me())


@api.route("POST", "/playlists/library/sync", returns=Library, status=202)
def sync(services: Services) -> Library:
    """Read the library again now, in the background."""
    return services.playlists.sync_library(me())


@api.route("POST", "/playlists/<uuid:playlist_id>/push", returns=PushReport)
def push(services: Services, *, playlist_id: UUID) -> PushReport:
    """Copy a playlist to the library's server; again, it replaces what it made there."""
    return services.playlists.push_playlist(me(), playlist_id)


@api.route("GET", "/playlists/library/stream/<uuid:recording_key>", returns=bytes)
def stream(services: Services, *, recording_key: UUID) -> Response:
    """The sound of a recording that is in the library; ranges are understood where its server understands them."""
    listener_id = me()
    if services.playlists.get_library(listener_id) is None:
        raise LibraryNotConnected
    matches = services.playlists.match_recordings(listener_id, [recording_key])
    if not matches:
        raise NotInLibrary
    with context.acting_as(context.SYSTEM):
        source = services.playlists.stream_source(listener_id, matches[0].song_id)
    streams: Streams = current_app.extensions.setdefault("segue_streams", Streams())
    outgoing = Outgoing(current_app.config["SEGUE_SETTINGS"].allow_private_hosts)
    return respond(outgoing, source.url, streams.enter(listener_id))
