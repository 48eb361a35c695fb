"""Playlists as JSPF, in the layout of ListenBrainz and Segue."""

import json
from collections.abc import Iterator
from typing import Any

from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Mix, MixEntry, Skipped
from app.modules.listens.formats.reading import Reading, milliseconds, optional

MAX_BYTES = 16 << 20  # some 30,000 tracks
EXTENSION = "https://musicbrainz.org/doc/jspf#playlist"


def read(reading: Reading, member: Member) -> Iterator[Mix | Skipped]:
    """Yield the playlist of a file."""
    if member.size > MAX_BYTES:
        yield Skipped(member.name, "the playlist is too large", "playlist")
        return
    text = reading.text(b"".join(reading.pieces(member)))
    try:
        playlist = _object(_object(json.loads(text)).get("playlist"))
    except (ValueError, RecursionError):
        yield Skipped(member.name, "it is not valid JSON", "playlist")
        return
    tracks = playlist.get("track")
    if not isinstance(tracks, list):
        yield Skipped(member.name, "it is no playlist as JSPF", "playlist")
        return
    extension = _object(_object(playlist.get("extension")).get(EXTENSION))
    entries = [entry for track in tracks if (entry := _entry(_object(track)))]
    title, annotation = optional(playlist.get("title")), optional(playlist.get("annotation"))
    yield Mix(member.name, title or member.name, annotation or "", extension.get("public") is True, entries)


def _entry(track: dict[str, Any]) -> MixEntry | None:
    artist, title = optional(track.get("creator")), optional(track.get("title"))
    if not artist or not title:
        return None
    return MixEntry(artist, title, optional(track.get("album")), milliseconds(track.get("duration")))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
