"""Playlists as files: JSPF in ListenBrainz' flavour, XSPF, M3U8."""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID
from xml.etree import ElementTree  # only written here, never read

import msgspec

from app.contracts.playlists import Entry, Export, Format, Playlist

JSPF_PLAYLIST = "https://musicbrainz.org/doc/jspf#playlist"
XSPF = "http://xspf.org/ns/0/"
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def export(
    playlist: Playlist,
    entries: list[Entry],
    format: Format,
    public_url: str,
    creator: str,
    paths: Mapping[UUID, str] | None = None,
) -> Export:
    """Write a playlist in a format. `creator` is the owner's name; `paths` says where files of recordings lie."""
    writers: dict[str, Callable[..., str]] = {"jspf": _jspf, "xspf": _xspf, "m3u8": _m3u8_with(paths or {})}
    media = {"jspf": "application/json", "xspf": "application/xspf+xml", "m3u8": "audio/x-mpegurl"}
    text = writers[format](playlist, entries, f"{public_url}/playlist/{playlist.playlist_id}", creator)
    return Export(f"{filename(playlist.name)}.{format}", media[format], text)


def filename(name: str) -> str:
    """Return a name for a file that is safe in any system and header."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80]
    return plain or "playlist"


def _jspf(playlist: Playlist, entries: list[Entry], identifier: str, creator: str) -> str:
    document = {
        "playlist": {
            "title": playlist.name,
            "creator": creator,
            # ListenBrainz and its clients show it as HTML
            "annotation": html.escape(playlist.description, quote=False),
            "date": playlist.created_at.isoformat(),
            "identifier": identifier,
            "extension": {
                JSPF_PLAYLIST: {
                    "public": playlist.is_public,
                    "creator": creator,
                    "last_modified_at": playlist.updated_at.isoformat(),
                    "additional_metadata": {"kind": playlist.kind},
                }
            },
            "track": [_jspf_track(entry) for entry in entries],
        }
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _jspf_track(entry: Entry) -> dict[str, Any]:
    track: dict[str, Any] = {"title": entry.title, "creator": entry.artist}
    if entry.release:
        track["album"] = entry.release
    if entry.duration_ms:
        track["duration"] = entry.duration_ms
    return track


def _xspf(playlist: Playlist, entries: list[Entry], identifier: str, creator: str) -> str:
    root = ElementTree.Element("playlist", {"version": "1", "xmlns": XSPF})
    _child(root, "title", playlist.name)
    _child(root, "creator", creator)
    if playlist.description:
        _child(root, "annotation", playlist.description)
    _child(root, "identifier", identifier)
    _child(root, "date", playlist.created_at.isoformat())
    tracks = ElementTree.SubElement(root, "trackList")
    for entry in entries:
        track = ElementTree.SubElement(tracks, "track")
        _child(track, "title", entry.title)
        _child(track, "creator", entry.artist)
        if entry.release:
            _child(track, "album", entry.release)
        if entry.duration_ms:
            _child(track, "duration", str(entry.duration_ms))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _child(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = UNPRINTABLE.sub("", text)


def _m3u8_with(paths: Mapping[UUID, str]) -> Callable[..., str]:
    def write(playlist: Playlist, entries: list[Entry], _identifier: str, _creator: str) -> str:
        lines = ["#EXTM3U", f"#PLAYLIST:{_one_line(playlist.name)}"]
        for entry in entries:
            seconds = round(entry.duration_ms / 1000) if entry.duration_ms else -1
            lines.append(f"#EXTINF:{seconds},{_one_line(entry.artist)} - {_one_line(entry.title)}")
            lines.append(_path(entry, _one_line(paths.get(entry.recording_key, ""))))
        return "\n".join(lines) + "\n"

    return write


def _path(entry: Entry, known: str) -> str:
    """Return where the file lies in the library, else a guess; an absolute path (from a disk's root) stays one."""
    if known and ".." not in known.split("/"):
        return known if known.startswith("/") else f"./{known}"
    parts = (entry.artist, entry.release or "Unknown", entry.title)
    # "./": an artist may begin with "#", and the line would be a comment
    return "./" + "/".join(_path_part(part) for part in parts) + ".mp3"


def _one_line(text: str) -> str:
    return " ".join(UNPRINTABLE.sub("", text).split())


def _path_part(text: str) -> str:
    """Return a guess at a folder's or file's name in a library; no part may lead elsewhere."""
    return re.sub(r'[\\/:*?"<>|]', "_", _one_line(text)).strip(".") or "_"
