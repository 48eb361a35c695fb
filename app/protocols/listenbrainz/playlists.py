"""Playlists as JSPF: read, made and changed; those made for a listener apart."""

import html
import re
from typing import Any
from uuid import UUID

from flask import Response, request

from app.contracts.catalog import Recording
from app.contracts.playlists import Entry, NewEntry, Playlist, PlaylistNotFound, PlaylistWithEntries
from app.contracts.services import Services
from app.kernel import context
from app.protocols.callers import Callers
from app.protocols.listenbrainz.answers import OK, Refused, answer, count_and_offset, identifier, json_body, me
from app.protocols.listenbrainz.reading import keys_of, mbids_of

EXTENSION = "https://musicbrainz.org/doc/jspf#playlist"
TRACK_EXTENSION = "https://musicbrainz.org/doc/jspf#track"
RECORDING = re.compile(r"https?://musicbrainz\.org/recording/([0-9a-fA-F-]{36})/?")
PATCHES = {"weekly": "weekly-exploration"}
MAX_ADDED = 100
INVALID_ID = "Provided playlist ID is invalid."


def jspf(found: PlaylistWithEntries, creator: str, public_url: str, mbids: dict[UUID, UUID]) -> dict[str, Any]:
    """Return a playlist as ListenBrainz writes it; `mbids` say what stands for each recording."""
    playlist = found.playlist
    extension: dict[str, Any] = {
        "public": playlist.is_public,
        "creator": creator,
        "last_modified_at": playlist.updated_at.isoformat(),
    }
    if playlist.kind != "manual":
        patch = PATCHES.get(playlist.kind, playlist.kind)
        extension["created_for"] = creator
        extension["additional_metadata"] = {"algorithm_metadata": {"source_patch": patch}}
    return {
        "playlist": {
            "title": playlist.name,
            "creator": creator,
            "annotation": html.escape(playlist.description, quote=False),
            "date": playlist.created_at.isoformat(),
            "identifier": f"{public_url}/playlist/{playlist.playlist_id}",
            "extension": {EXTENSION: extension},
            "track": [_track(entry, creator, playlist, mbids) for entry in found.entries],
        }
    }


def _track(entry: Entry, creator: str, playlist: Playlist, mbids: dict[UUID, UUID]) -> dict[str, Any]:
    track: dict[str, Any] = {
        "identifier": [f"https://musicbrainz.org/recording/{mbids[entry.recording_key]}"],
        "title": entry.title,
        "creator": entry.artist,
        "extension": {
            TRACK_EXTENSION: {
                "added_by": creator,
                "added_at": playlist.updated_at.isoformat(),
                "artist_identifiers": [f"https://musicbrainz.org/artist/{entry.artist_key}"],
            }
        },
    }
    if entry.release:
        track["album"] = entry.release
    if entry.duration_ms:
        track["duration"] = entry.duration_ms
    return track


def playlists_of(services: Services, callers: Callers, name: str, which: str, public_url: str) -> Response:
    """`which` is playlists (made by hand), createdfor or recommendations (made for them), collaborator, or search."""
    count, offset = count_and_offset()
    viewer = context.actor()
    with callers.reading(name) as listener:
        found = services.playlists.list_playlists(listener.listener_id)
    sees_all = viewer.is_admin or viewer.listener_id == listener.listener_id
    seen = [each for each in found if (sees_all or each.is_public) and _is_asked(each, which)]
    page = [
        jspf(PlaylistWithEntries(each, []), listener.name, public_url, {}) for each in seen[offset : offset + count]
    ]
    return answer({"playlists": page, "playlist_count": len(seen), "count": count, "offset": offset})


def _is_asked(playlist: Playlist, which: str) -> bool:
    if which == "collaborator":
        return False  # a playlist has one owner here
    if which == "search":
        words = request.args.get("query", "").casefold()
        if len(words) < 3:
            raise Refused("Query string must be at least 3 characters long.")
        return words in f"{playlist.name} {playlist.description}".casefold()
    return (playlist.kind == "manual") == (which == "playlists")


def read(services: Services, said: str, public_url: str) -> Response:
    found, creator = _find(services, said)
    mbids = mbids_of(services, [entry.recording_key for entry in found.entries])
    return answer(jspf(found, creator, public_url, mbids))


def read_xspf(services: Services, said: str) -> Response:
    found, _ = _find(services, said)
    with context.acting_as(context.SYSTEM):
        file = services.playlists.export_playlist(found.playlist.playlist_id, "xspf")
    return Response(file.text, content_type=file.media_type)


def _find(services: Services, said: str) -> tuple[PlaylistWithEntries, str]:
    """Return a playlist that the caller may see, and its owner's name. Raises Refused."""
    playlist_id = identifier(said, INVALID_ID)
    viewer = context.actor()
    with context.acting_as(context.SYSTEM):
        try:
            found = services.playlists.get_playlist(playlist_id)
        except PlaylistNotFound:
            raise Refused("Cannot find playlist: " + said, 404) from None
        is_theirs = viewer.is_admin or viewer.listener_id == found.playlist.owner_id
        if not (found.playlist.is_public or is_theirs):
            raise Refused("Cannot find playlist: " + said, 404)
        if viewer.listener_id == found.playlist.owner_id:
            return found, viewer.name
        owners = services.accounts.visible_of([found.playlist.owner_id])
    return found, owners[0].name if owners else "a listener"


def _own(services: Services, said: str) -> PlaylistWithEntries:
    """Return a playlist of one's own. Raises Refused: 403 for a public one of somebody else."""
    me()
    found, _ = _find(services, said)
    if found.playlist.owner_id != context.actor().listener_id:
        raise Refused("You are not allowed to edit this playlist.", 403)
    return found


def create(services: Services) -> Response:
    owner, given = me(), _given()
    title, is_public = given.get("title"), _public(given)
    if not isinstance(title, str) or not title.strip():
        raise Refused("JSPF playlist must contain a title element with the title of the playlist.")
    if is_public is None:
        raise Refused("JSPF playlist.extension.https://musicbrainz.org/doc/jspf#playlist.public field must be given.")
    entries = entries_of(services, given.get("track") or [])
    made = services.playlists.create_playlist(owner, title, _annotation(given) or "", is_public, entries)
    return answer({**OK, "playlist_mbid": made.playlist_id})


def edit(services: Services, said: str) -> Response:
    found, given = _own(services, said), _given()
    title = given.get("title")
    if title is not None and (not isinstance(title, str) or not title.strip()):
        raise Refused("JSPF playlist title must be a text.")
    services.playlists.edit_playlist(found.playlist.playlist_id, title, _annotation(given), _public(given))
    return answer(OK)


def add_items(services: Services, said: str, offset: int | None) -> Response:
    found, given = _own(services, said), _given()
    tracks = given.get("track") or []
    if isinstance(tracks, list) and len(tracks) > MAX_ADDED:
        raise Refused(f"You may only add max {MAX_ADDED} recordings per call")
    entries = entries_of(services, tracks)
    place = None if offset is None else min(offset, len(found.entries))
    services.playlists.add_entries(found.playlist.playlist_id, entries, place)
    return answer(OK)


def move_items(services: Services, said: str) -> Response:
    found, document = _own(services, said), json_body()
    source, target, count = (_number(document, name) for name in ("from", "to", "count"))
    services.playlists.move_entry(found.playlist.playlist_id, source, target, count=count)
    return answer(OK)


def delete_items(services: Services, said: str) -> Response:
    found, document = _own(services, said), json_body()
    index, count = (_number(document, name) for name in ("index", "count"))
    services.playlists.remove_entry(found.playlist.playlist_id, index, count=count)
    return answer(OK)


def delete(services: Services, said: str) -> Response:
    services.playlists.delete_playlist(_own(services, said).playlist.playlist_id)
    return answer(OK)


def copy(services: Services, said: str) -> Response:
    owner = me()
    found, _ = _find(services, said)
    entries = [NewEntry(e.artist, e.title, e.release, e.duration_ms) for e in found.entries]
    name = f"Copy of {found.playlist.name}"[:200]
    made = services.playlists.create_playlist(owner, name, found.playlist.description, entries=entries)
    return answer({**OK, "playlist_mbid": made.playlist_id})


def _given() -> dict[str, Any]:
    playlist = json_body().get("playlist")
    if not isinstance(playlist, dict):
        raise Refused("JSPF playlist must contain a playlist element.")
    return playlist


def _public(given: dict[str, Any]) -> bool | None:
    extension = given.get("extension")
    said = extension.get(EXTENSION) if isinstance(extension, dict) else None
    public = said.get("public") if isinstance(said, dict) else None
    if public is not None and not isinstance(public, bool):
        raise Refused("JSPF playlist public field must contain a boolean.")
    return public


def _annotation(given: dict[str, Any]) -> str | None:
    said = given.get("annotation")
    return html.unescape(re.sub(r"<[^>]*>", "", said)) if isinstance(said, str) else None


def _number(document: dict[str, Any], name: str) -> int:
    said = document.get(name)
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said <= 1_000_000:
        raise Refused(f"{name} must be a whole number from 0 on.")
    return said


def entries_of(services: Services, tracks: Any) -> list[NewEntry]:
    """Return the entries that tracks stand for: named by themselves, or by the recording they identify."""
    if not isinstance(tracks, list) or not all(isinstance(track, dict) for track in tracks):
        raise Refused("JSPF playlist track must be a list of objects.")
    mbids = [_recording_of(number, track) for number, track in enumerate(tracks)]
    keys = keys_of(services, [m for m, track in zip(mbids, tracks, strict=True) if not _names(track)])
    known = {each.recording_key: each for each in services.catalog.get_recordings(list(keys.values()))} if keys else {}
    return [
        _entry(number, track, known.get(keys.get(mbid, mbid)))
        for number, (mbid, track) in enumerate(zip(mbids, tracks, strict=True))
    ]


def _recording_of(number: int, track: dict[str, Any]) -> UUID:
    said = track.get("identifier")
    for each in [said] if isinstance(said, str) else said if isinstance(said, list) else []:
        found = RECORDING.fullmatch(each) if isinstance(each, str) else None
        if found:
            return identifier(found[1], f"JSPF playlist track {number} must contain a valid recording MBID.")
    raise Refused(f"JSPF playlist track {number} must contain an identifier field having recording MBID.")


def _names(track: dict[str, Any]) -> tuple[str, str] | None:
    artist, title = track.get("creator"), track.get("title")
    if isinstance(artist, str) and isinstance(title, str) and artist.strip() and title.strip():
        return artist, title
    return None


def _entry(number: int, track: dict[str, Any], known: Recording | None) -> NewEntry:
    album, duration = track.get("album"), track.get("duration")
    release = album if isinstance(album, str) else None
    length = duration if isinstance(duration, int) and not isinstance(duration, bool) and duration > 0 else None
    if names := _names(track):
        return NewEntry(*names, release, length)
    if known is None:
        raise Refused(
            f"JSPF playlist track {number}: this recording is not known here; send its title and creator as well."
        )
    return NewEntry(known.artist, known.title, release or known.release, length)
