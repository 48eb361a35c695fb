"""iTunes and Apple Music: the play counts of a library XML, and what is loved or disliked in it.

Only totals: the date of the last play that it also has would be one play told twice, in the total and as a listen, and
a later export of the same library would add another while the total is replaced. Records are cut out of the text and
parsed one by one: memory stays bounded, a broken one costs only itself, and a declaration can't take effect.
"""

import re
from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import ParseError, fromstring

from app.modules.listens.formats.adding_up import MAX_PLAYS, added_up
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Count, Item, Opinion, Skipped, Unreadable
from app.modules.listens.formats.json_records import WINDOW, Broken
from app.modules.listens.formats.reading import Bad, Reading, name, number
from app.modules.listens.formats.text import texts

NOT_MUSIC = ("Podcast", "Movie", "TV Show", "Music Video", "Has Video", "Audiobook", "Book")

_BEGIN = re.compile(r"<key>\d+</key>\s*<dict>")
_END = "</dict>"
_PLAYLISTS = re.compile(r"<key>Playlists</key>")


def part(path: str, head: str) -> str:
    """Return which part of a library this file is. Raises Unreadable."""
    if "<plist" not in head or "<key>" not in head:
        return ""
    if "<!ENTITY" in head:
        raise Unreadable("The XML declares entities, which no music library does: it is not read.")
    return "library" if "<key>Tracks</key>" in head or "<key>Track ID</key>" in head else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    for member, _ in members:
        yield from added_up(reading, partial(_library, member=member))


def _library(reading: Reading, member: Member) -> Iterator[Item]:
    for count, record in enumerate(_records(reading, member), 1):
        place = f"{member.name}:{count}"
        try:
            yield from _items(place, _fields(record))
        except Bad as bad:
            yield Skipped(place, str(bad))


def _records(reading: Reading, member: Member) -> Iterator[str | Broken]:
    """Yield the text of each track."""
    rest = ""
    for text in texts(reading.pieces(member), reading.note):
        *ended, rest = (rest + text).split(_END)
        for segment in ended:
            playlists = _PLAYLISTS.search(segment)
            begins = list(_BEGIN.finditer(segment, 0, playlists.start() if playlists else len(segment)))
            whole = begins.pop() if begins and not playlists else None
            yield from [Broken("it is not valid XML")] * len(begins)
            if playlists:
                return
            if whole:
                yield segment[whole.end() :]
        if len(rest) > WINDOW:
            if _BEGIN.search(rest):
                yield Broken("it is not valid XML")
            rest = ""
    if "</plist>" not in rest:
        yield Broken("the file ends before its list does: what followed is missing")


def _fields(record: str | Broken) -> dict[str, str]:
    if isinstance(record, Broken):
        raise Bad(str(record))
    try:
        found = list(fromstring(f"<dict>{record}</dict>"))  # noqa: S314  no declaration can stand inside an element
    except (ParseError, ValueError, RecursionError):
        raise Bad("it is not valid XML") from None
    return {key.text or "": value.text or value.tag for key, value in zip(found[::2], found[1::2], strict=False)}


def _items(place: str, fields: dict[str, str]) -> Iterator[Item]:
    if kind := next((kind for kind in NOT_MUSIC if fields.get(kind) == "true"), None):
        raise Bad(f"it is no music: {kind}")
    artist, title = name(fields.get("Artist"), "artist"), name(fields.get("Name"), "recording")
    plays = number(fields.get("Play Count")) or 0
    is_loved = "true" in (fields.get("Loved"), fields.get("Favorited"))
    if is_loved or fields.get("Disliked") == "true":
        yield Opinion(place, artist, title, 1 if is_loved else -1, None)
    if not 1 <= plays <= MAX_PLAYS:
        raise Bad("it was never played")
    yield Count(place, artist, title, int(plays))
