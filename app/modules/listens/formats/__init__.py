"""Readers of history files: pure functions from a file to listens, play counts, feedback and playlists.

`open_history(path)` recognises the file, whatever its name, and iterates over what it holds in an order that is always
the same, so that an import goes on where it stopped by leaving out what it has. Memory is bounded (a record by a
megabyte, a file not at all), and what can't be read is told item by item instead of raised.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from app.modules.listens.formats import recognition
from app.modules.listens.formats.archive import MAX_BYTES, MAX_RATIO, SMALL_BYTES, Archive
from app.modules.listens.formats.items import Count, Fix, Item, Mix, MixEntry, Opinion, Play, Skipped, Unreadable, What
from app.modules.listens.formats.reading import Reading

FORMATS = ("listenbrainz", "lastfm", "spotify", "maloja", "koito", "youtube", "rockbox", "itunes", "tsv")

__all__ = [
    "FORMATS",
    "Count",
    "Fix",
    "History",
    "Item",
    "Mix",
    "MixEntry",
    "Opinion",
    "Play",
    "Skipped",
    "Unreadable",
    "What",
    "open_history",
    "recognise",
]


class History:
    """A history file. Iterating reads it, each time from the start.

    `size` and `done` count bytes, for progress (of text; those of the file where it is gzipped); `notes` tells what
    concerns the file as a whole; `client` is what its listens are stored under.
    """

    def __init__(self, path: Path, format: str, zone: ZoneInfo, now: datetime, size: int) -> None:
        self.format = format
        self.client = f"import:{format}"
        self.size = size
        self._path = path
        self._zone = zone
        self._now = now
        self._reading = Reading(zone, now)

    @property
    def done(self) -> int:
        return self._reading.done

    @property
    def notes(self) -> list[str]:
        return self._reading.notes

    def __iter__(self) -> Iterator[Item]:
        self._reading = reading = Reading(self._zone, self._now)
        with Archive(self._path) as archive:
            yield from archive.refused
            parts = recognition.parts_of(archive, self.format)
            yield from recognition.READERS[self.format].read(reading, parts)
            for member in archive.members:
                if member.damage:
                    yield Skipped(member.name, member.damage, "file")


def recognise(path: Path) -> str:
    """Return the format of a file, one of FORMATS. Raises Unreadable."""
    with Archive(path) as archive:
        return recognition.chosen(archive)


def open_history(path: Path, format: str = "auto", timezone: str = "UTC", now: datetime | None = None) -> History:
    """Return a history, in the format recognised or told; `timezone` is that of times without one.

    `now` bounds the times that can be (default: the clock's). Raises Unreadable.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        raise Unreadable(f"{timezone[:60]!r} is not the name of a time zone.") from None
    if format != "auto" and format not in FORMATS:
        raise Unreadable(f"There is no format {format[:60]!r}: there are {', '.join(FORMATS)}.")
    with Archive(path) as archive:
        name = recognition.chosen(archive) if format == "auto" else format
        parts = recognition.parts_of(archive, name)
        if not parts:
            raise Unreadable(recognition.unlike(name))
        size = sum(member.size for member, _ in parts)
        if size > MAX_BYTES or size > max(SMALL_BYTES, MAX_RATIO * path.stat().st_size):
            raise Unreadable("The archive expands to far more than a listening history does.")
    return History(path, name, zone, now or datetime.now(UTC), size)
