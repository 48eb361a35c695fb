"""Rows of delimited text, and listens or play counts out of them by the names of the columns."""

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from app.contracts.listens import NewListen
from app.modules.listens.formats.adding_up import MAX_PLAYS
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Count, Item, Play, Skipped
from app.modules.listens.formats.json_records import Broken
from app.modules.listens.formats.reading import Bad, Reading, extra_of, mbid, milliseconds, name, number, optional

MAX_LINES = 8  # of one row, where quoted text holds line breaks; a quote that never closes costs only its own line

# By what a column may be called, the better name first.
COLUMNS = {
    "time": (
        *("uts", "timestamp", "listened_at", "played_at", "scrobbled_at", "unix_time", "utc_time", "datetime"),
        *("date_time", "date", "time", "ts", "when"),
    ),
    "artist": ("artist", "artist_name", "artists", "artist_credit", "artist_names", "performer"),
    "title": (
        "track",
        "title",
        "track_name",
        "track_title",
        "recording",
        "recording_name",
        "song",
        "song_name",
        "name",
    ),
    "release": ("album", "release", "release_name", "album_name", "album_title", "albumtitle"),
    "release_artist": ("album_artist", "release_artist", "albumartist", "release_artist_name", "album_artist_name"),
    "duration_ms": ("duration_ms", "length_ms"),
    "duration_s": ("duration", "length", "duration_s", "seconds"),
    "recording_mbid": ("recording_mbid", "mbid", "musicbrainz_recording_id"),
    "plays": ("plays", "playcount", "play_count", "listen_count", "scrobbles", "count"),
    "lastfm_track_mbid": ("track_mbid",),
    "lastfm_artist_mbid": ("artist_mbid",),
    "lastfm_release_mbid": ("album_mbid", "release_mbid"),
}
Columns = dict[str, int]


def columns_of(row: list[str]) -> Columns:
    """Return where each known column is in a header."""
    called = [re.sub(r"[\s-]+", "_", cell.split("#")[0].split("(")[0].strip().lower()) for cell in row]
    places = {}
    for column, names in COLUMNS.items():
        if known := next((name for name in names if name in called), None):
            places[column] = called.index(known)
    return places


def delimiter_of(head: str) -> str:
    """Return the delimiter of a table: the one that cuts most of its first lines into equally many cells."""
    lines = [line for line in head.splitlines()[:20] if line.strip()]

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = Counter(len(row) for line in lines if isinstance(row := parsed(line, delimiter), list))
        cut = {count: rows for count, rows in counts.items() if count > 1}
        return max(((rows, count) for count, rows in cut.items()), default=(0, 0))

    return max("\t,;|", key=agreement)


def cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line. Raises csv.Error where a quote stays open."""
    if delimiter == "\t":  # where quotes are letters, but for a program that puts every cell into them
        return [cell[1:-1].replace('""', '"') if _is_quoted(cell) else cell for cell in line.split("\t")]
    return next(csv.reader([line], delimiter=delimiter, strict=True), [])


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def rows(reading: Reading, member: Member, delimiter: str) -> Iterator[tuple[int, list[str] | Broken]]:
    """Yield rows with the numbers of their lines."""
    source = reading.raw_lines(member)
    ahead: deque[tuple[int, bytes | None]] = deque()
    while True:
        if not ahead:
            ahead.extend(islice(source, 1))
        if not ahead:
            return
        count, line = ahead.popleft()
        row = Broken("the line is too long") if line is None else parsed(reading.text(line), delimiter)
        if row is None and line is not None:
            ahead.extend(islice(source, MAX_LINES - len(ahead)))
            following = [reading.text(line) for _, line in ahead if line is not None]
            row, used = _over_lines(reading.text(line), following, delimiter)
            for _ in range(used):
                ahead.popleft()
        yield count, row or []


def parsed(text: str, delimiter: str) -> list[str] | Broken | None:
    """Return the cells of a row, None where a quote stays open."""
    try:
        return cells(text, delimiter)
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return Broken("its columns can't be told apart")


def _over_lines(text: str, following: list[str], delimiter: str) -> tuple[list[str] | Broken, int]:
    """Return the row that begins in `text`, and how many of the lines after it are part of it."""
    for used, line in enumerate(following, 1):
        text += "\n" + line
        if (row := parsed(text, delimiter)) is not None:
            return row, used
    return Broken("a quote in it is never closed"), 0


def items(reading: Reading, member: Member, columns: Columns | None, *, is_local: bool) -> Iterator[Item]:
    """Yield what the rows hold: by `columns`, or where they are None by the header."""
    delimiter = delimiter_of(reading.head(member))
    for count, row in rows(reading, member, delimiter):
        place = f"{member.name}:{count}"
        try:
            if isinstance(row, Broken):
                raise Bad(str(row))
            if columns is None:
                columns = columns_of(row)
                continue
            yield _item(reading, place, row, columns, is_local)
        except Bad as bad:
            yield Skipped(place, str(bad))


def _item(reading: Reading, place: str, row: list[str], columns: Columns, is_local: bool) -> Item:
    def cell(column: str) -> str:
        at = columns.get(column, -1)
        return row[at] if 0 <= at < len(row) else ""

    if len(row) <= max((columns[column] for column in ("artist", "title") if column in columns), default=0):
        raise Bad("it has too few columns")
    artist, title = name(cell("artist"), "artist"), name(cell("title"), "recording")
    if "time" not in columns:
        plays = number(cell("plays"))
        if plays is None or not 1 <= plays <= MAX_PLAYS:
            raise Bad("it was never played")
        return Count(place, artist, title, int(plays))
    at = cell("time").strip()
    if not at:
        raise Bad("it has no time: it was playing when the file was made")
    return Play(
        place,
        NewListen(
            reading.time(at, local=is_local),
            artist,
            title,
            optional(cell("release")),
            optional(cell("release_artist")),
            milliseconds(cell("duration_ms")) or milliseconds(cell("duration_s"), 1000),
            mbid(cell("recording_mbid").strip()),
            _identifiers(cell) if "lastfm_track_mbid" in columns or "lastfm_artist_mbid" in columns else None,
        ),
    )


def _identifiers(cell: Any) -> dict[str, Any] | None:
    """Return Last.fm's identifiers under names of their own: many are not those of recordings."""
    known = {column: mbid(cell(column).strip()) for column in COLUMNS if column.startswith("lastfm_")}
    return extra_of(**{column: str(found) for column, found in known.items() if found})
