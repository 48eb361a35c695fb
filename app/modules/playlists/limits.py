"""What a playlist can be."""

from collections.abc import Sequence

from app.contracts.identity import EmptyName, identify
from app.contracts.playlists import Entry, InvalidPlaylist, NewEntry

MAX_ENTRIES = 2000
MAX_NAME = 200
MAX_DESCRIPTION = 4000
MAX_TEXT = 1000
MAX_DURATION_MS = 2_073_600_000  # 24 days, as for listens


def check(name: str, description: str, entries: int) -> None:
    """Raise InvalidPlaylist for what a playlist can't be."""
    if not 1 <= len(name.strip()) <= MAX_NAME:
        raise InvalidPlaylist("a playlist needs a name of 1 to 200 characters")
    if "\0" in name + description:
        raise InvalidPlaylist("a name or description can't hold a NUL character")
    if len(description) > MAX_DESCRIPTION:
        raise InvalidPlaylist(f"a description has at most {MAX_DESCRIPTION} characters")
    if entries > MAX_ENTRIES:
        raise InvalidPlaylist(f"a playlist holds at most {MAX_ENTRIES} entries")


def check_span(position: int, count: int, entries: Sequence[Entry]) -> None:
    """Raise InvalidPlaylist for `count` positions that are not all taken."""
    if not 0 <= position < len(entries):
        raise InvalidPlaylist(f"there is no position {position}")
    if not 1 <= count <= len(entries) - position:
        raise InvalidPlaylist(f"there are no {count} entries from position {position} on")


def entries_of(given: Sequence[NewEntry]) -> list[Entry]:
    """Return entries with their keys. Raises InvalidPlaylist, naming the first that can't be one."""
    if len(given) > MAX_ENTRIES:
        raise InvalidPlaylist(f"a playlist holds at most {MAX_ENTRIES} entries")
    return [_entry(number, each) for number, each in enumerate(given)]


def _entry(number: int, given: NewEntry) -> Entry:
    if any(len(part) > MAX_TEXT or "\0" in part for part in (given.artist, given.title, given.release or "")):
        raise InvalidPlaylist(f"entry {number}: a name is too long or holds a NUL character")
    if not 0 <= (given.duration_ms or 0) <= MAX_DURATION_MS:
        raise InvalidPlaylist(f"entry {number}: no recording lasts that long")
    try:
        identity = identify(given.artist, given.title)
    except EmptyName:
        raise InvalidPlaylist(f"entry {number}: artist or title is empty") from None
    return Entry(
        identity.recording_key,
        given.title.strip(),
        given.artist.strip(),
        identity.artist_key,
        (given.release or "").strip() or None,
        given.duration_ms,
    )
