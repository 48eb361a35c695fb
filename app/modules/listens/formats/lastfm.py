"""Last.fm, by the tools that people export it with, and its own dump.

`artist,album,track,"31 Jan 2023 17:05"` without a header (lastfm-to-csv); `uts,utc_time,artist,…` and pages of the API
as JSON (ghan.nl); `Artist,Album,Track,Date` (the dump); scrobbles as JSON (lastfmstats). Times are UTC.
"""

import re
from collections.abc import Iterator
from typing import Any

from app.contracts.listens import NewListen
from app.modules.listens.formats import table
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item, Play, Skipped
from app.modules.listens.formats.json_records import Broken, Record
from app.modules.listens.formats.reading import Bad, Reading, extra_of, mbid, name, optional

WITHOUT_HEADER = {"artist": 0, "release": 1, "title": 2, "time": 3}

_TIME = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4},? \d{1,2}:\d{2}")


def part(path: str, head: str) -> str:
    """Return which part of an export this file is."""
    if head.lstrip()[:1] in ("[", "{"):
        if '"track"' in head and '"#text"' in head:
            return "pages"
        return "scrobbles" if '"scrobbles"' in head and '"artist"' in head and '"track"' in head else ""
    return _table_part(head)


def _table_part(head: str) -> str:
    delimiter = table.delimiter_of(head)
    rows = [table.parsed(line, delimiter) for line in head.splitlines()[:20] if line.strip()]
    found = [row for row in rows if isinstance(row, list) and row]
    header = {cell.split("#")[0].strip().lower() for cell in found[0]} if found else set()
    if {"artist", "track"} <= header and ("uts" in header or {"album", "date"} <= header):
        return "table"
    is_plain = delimiter != "\t" and any(len(row) in (3, 4) and _TIME.fullmatch(row[-1].strip()) for row in found)
    return "plain" if is_plain else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    for member, what in members:
        if what in ("table", "plain"):
            yield from table.items(reading, member, WITHOUT_HEADER if what == "plain" else None, is_local=False)
            continue
        inside, looks_right, listen = _OF_JSON[what]
        for count, record in reading.records(member, looks_right, inside):
            place = f"{member.name}:{count}"
            try:
                if isinstance(record, Broken):
                    raise Bad(str(record))
                yield Play(place, listen(reading, record))
            except Bad as bad:
                yield Skipped(place, str(bad))


def _of_page(reading: Reading, record: Record) -> NewListen:
    artist, album, date, attributes = (record.get(key) for key in ("artist", "album", "date", "@attr"))
    if isinstance(attributes, dict) and attributes.get("nowplaying") in ("true", True):
        raise Bad("it has no time: it was playing when the file was made")
    return NewListen(
        listened_at=reading.time(date.get("uts") if isinstance(date, dict) else date),
        artist=name(_text(artist), "artist"),
        title=name(record.get("name"), "recording"),
        release=optional(_text(album)),
        extra=extra_of(
            lastfm_track_mbid=_mbid(record), lastfm_artist_mbid=_mbid(artist), lastfm_release_mbid=_mbid(album)
        ),
    )


def _of_scrobble(reading: Reading, record: Record) -> NewListen:
    return NewListen(
        listened_at=reading.time(record.get("date")),
        artist=name(record.get("artist"), "artist"),
        title=name(record.get("track"), "recording"),
        release=optional(record.get("album")),
    )


def _text(of: Any) -> Any:
    return of.get("#text") or of.get("name") if isinstance(of, dict) else of


def _mbid(of: Any) -> str | None:
    found = mbid(of.get("mbid")) if isinstance(of, dict) else None
    return str(found) if found else None


_OF_JSON = {
    "pages": ("track", lambda record: "name" in record and "artist" in record, _of_page),
    "scrobbles": ("scrobbles", lambda record: "track" in record, _of_scrobble),
}
