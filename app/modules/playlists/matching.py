"""Which song of a library is which recording, where the names are not quite the same."""

import hashlib
import re
import unicodedata
from functools import lru_cache
from uuid import UUID

from app.contracts.identity import canonical, split_guests

SAME_LENGTH_S = 3

# What servers put between several artists; the first is the one that listens name.
_SEVERAL = re.compile(r"\s*[•;]\s*|\s+/\s+")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_DASHED = re.compile(r" - .*$")
# Notes on an edition, which don't make another recording; "live" or "remix" does.
_NOTE = re.compile(r" ?[(\[{]([^()\[\]{}]*)[)\]}]| - ([^-]*)$")
_OF_EDITIONS = {
    *("remaster", "remastered", "reissue", "deluxe", "expanded", "anniversary", "special", "bonus", "track", "album"),
    *("single", "original", "mono", "stereo", "explicit", "clean", "digital", "digitally", "edition", "version", "mix"),
    *("edit", "the", "from"),
}
_NOT_A_WORD = re.compile(r"[^\w]+")


def loose_key(artist: str, title: str) -> UUID:
    """Return a key that a recording shares with all that might be it: names without brackets, accents and marks."""
    names = f"{_first_artist(artist)}\0{_bare(title)}"
    return UUID(bytes=hashlib.blake2b(names.encode("utf-8", "surrogatepass"), digest_size=16).digest())


def may_be(title: str, duration_s: int | None, song_title: str, song_duration_s: int | None) -> bool:
    """Say of a song with the same loose key whether it is the recording.

    By length where both are known; else by what the brackets say.
    """
    if duration_s is not None and song_duration_s is not None:
        return abs(duration_s - song_duration_s) <= SAME_LENGTH_S
    return _without_edition(title) == _without_edition(song_title)


@lru_cache(maxsize=4096)
def _first_artist(artist: str) -> str:
    name = _plain(canonical(split_guests(_SEVERAL.split(artist.strip())[0] or artist)[0]))
    return name.removeprefix("the ") or name


def _bare(title: str) -> str:
    name = canonical(split_guests(title)[0])
    return _plain(_DASHED.sub("", _BRACKETS.sub(" ", name))) or _plain(name)


def _without_edition(title: str) -> str:
    name = canonical(split_guests(title)[0])
    return _plain(_NOTE.sub(lambda note: "" if _is_of_edition(note[1] or note[2] or "") else note[0], name)) or _plain(
        name
    )


def _is_of_edition(note: str) -> bool:
    return all(word in _OF_EDITIONS or word.isdigit() for word in _NOT_A_WORD.split(note) if word)


def _plain(name: str) -> str:
    """Return a canonical name of words alone, "&" being "and", without accents; the name itself if it has no words."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return _NOT_A_WORD.sub(" ", letters.replace("&", " and ")).strip() or name
