"""Koito: {"version": "1", "listens": […]}, where everything has aliases, one of them primary."""

from collections.abc import Iterator
from typing import Any

from app.contracts.listens import NewListen
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item, Play, Skipped
from app.modules.listens.formats.json_records import Broken, Record
from app.modules.listens.formats.reading import Bad, Reading, extra_of, mbid, milliseconds, name, optional


def part(path: str, head: str) -> str:
    """Return which part of an export this file is."""
    return "listens" if '"listens"' in head and '"aliases"' in head else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    for member, _ in members:
        for count, record in reading.records(member, _looks_right, "listens"):
            place = f"{member.name}:{count}"
            try:
                if isinstance(record, Broken):
                    raise Bad(str(record))
                yield Play(place, _listen(reading, record))
            except Bad as bad:
                yield Skipped(place, str(bad))


def _looks_right(record: Record) -> bool:
    return "listened_at" in record


def _listen(reading: Reading, record: Record) -> NewListen:
    track, album = _object(record.get("track")), _object(record.get("album"))
    found = record.get("artists")
    credited = [artist for artist in found if isinstance(artist, dict)] if isinstance(found, list) else []
    credited.sort(key=lambda artist: artist.get("is_primary") is not True)
    artists = [alias for artist in credited if (alias := _alias(artist))]
    return NewListen(
        listened_at=reading.iso(record.get("listened_at")),
        artist=name(", ".join(artists), "artist"),
        title=name(_alias(track), "recording"),
        release=_alias(album),
        release_artist="Various Artists" if album.get("various_artists") is True else None,
        duration_ms=milliseconds(track.get("duration"), 1000),
        recording_mbid=mbid(track.get("mbid")),
        extra=extra_of(
            artist_names=artists if len(artists) > 1 else None,
            artist_mbids=[str(found) for artist in credited if (found := mbid(artist.get("mbid")))],
            release_mbid=str(found) if (found := mbid(album.get("mbid"))) else None,
        ),
    )


def _alias(of: dict[str, Any]) -> str | None:
    """Return the primary alias, the first where none is."""
    found = of.get("aliases")
    aliases = [alias for alias in found if isinstance(alias, dict)] if isinstance(found, list) else []
    aliases.sort(key=lambda alias: alias.get("is_primary") is not True)
    return next((text for alias in aliases if (text := optional(alias.get("alias")))), None)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
