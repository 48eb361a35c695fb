""".scrobbler.log, as Rockbox and other portable players write it: tab-separated lines."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from app.contracts.listens import NewListen
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item, Play, Skipped
from app.modules.listens.formats.reading import Bad, Reading, mbid, milliseconds, name, optional, seconds_of

_LINE = re.compile(r"^[^\t\n]+\t[^\t\n]*\t[^\t\n]+\t[^\t\n]*\t\d+\t[LS]\t\d+", re.MULTILINE)


def part(path: str, head: str) -> str:
    """Return which part of a history this file is."""
    return "log" if head.startswith("#AUDIOSCROBBLER/") or _LINE.search(head) else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    for member, _ in members:
        is_local = True
        for count, line in reading.raw_lines(member):
            place = f"{member.name}:{count}"
            if line is None:
                yield Skipped(place, "the line is too long")
                continue
            text = reading.text(line)
            if text.startswith("#"):
                if text.startswith("#TZ/"):
                    is_local = text.strip() != "#TZ/UTC"
                continue
            try:
                yield Play(place, _listen(reading, text, is_local))
            except Bad as bad:
                yield Skipped(place, str(bad))


def _listen(reading: Reading, line: str, is_local: bool) -> NewListen:
    fields = line.split("\t")
    if len(fields) < 7:
        raise Bad("it has too few columns")
    artist, release, title, _, length, rating, timestamp = fields[:7]
    if rating.strip().upper() == "S":
        raise Bad("it was skipped in the player")
    seconds = seconds_of(timestamp)
    at = reading.moment(seconds)
    if is_local:
        reading.note(f"The player kept no time zone: its times are taken as those of {reading.zone}.")
        at = reading.moment(_local(reading, seconds))
    return NewListen(
        listened_at=at,
        artist=name(artist, "artist"),
        title=name(title, "recording"),
        release=optional(release),
        duration_ms=milliseconds(length, 1000),
        recording_mbid=mbid(fields[7].strip()) if len(fields) > 7 else None,
    )


def _local(reading: Reading, seconds: float) -> float:
    """Return the UNIX seconds of a clock that was set to local time and knew nothing of zones."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=reading.zone).timestamp()
