"""Maloja: {"scrobbles": […]}, also of its older versions."""

from collections.abc import Iterator
from typing import Any

from app.contracts.listens import NewListen
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item, Play, Skipped
from app.modules.listens.formats.json_records import Broken, Record
from app.modules.listens.formats.reading import (
    Bad,
    Reading,
    extra_of,
    milliseconds,
    name,
    names_of,
    number,
    optional,
    seconds_of,
)


def part(path: str, head: str) -> str:
    """Return which part of an export this file is."""
    return "scrobbles" if '"scrobbles"' in head and '"artists"' in head and '"time"' in head else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    for member, _ in members:
        for count, record in reading.records(member, _looks_right, "scrobbles"):
            place = f"{member.name}:{count}"
            try:
                if isinstance(record, Broken):
                    raise Bad(str(record))
                yield Play(place, _listen(reading, record))
            except Bad as bad:
                yield Skipped(place, str(bad))


def _looks_right(record: Record) -> bool:
    return "time" in record


def _listen(reading: Reading, record: Record) -> NewListen:
    track = record.get("track")
    if not isinstance(track, dict):
        track = record  # before version 3 a scrobble was flat
    album = track.get("album")
    release = album.get("albumtitle") or album.get("name") if isinstance(album, dict) else album
    artists = names_of(track.get("artists"))
    played_s = number(record.get("duration"))
    return NewListen(
        listened_at=reading.moment(seconds_of(record.get("time"))),
        artist=name(", ".join(artists), "artist"),
        title=name(track.get("title"), "recording"),
        release=optional(release),
        release_artist=_release_artist(album),
        duration_ms=milliseconds(track.get("length"), 1000),
        extra=extra_of(
            artist_names=artists if len(artists) > 1 else None,
            duration_played=int(played_s) if played_s and played_s > 0 else None,
        ),
    )


def _release_artist(album: Any) -> str | None:
    artists = names_of(album.get("artists")) if isinstance(album, dict) else []
    return ", ".join(artists) or None
