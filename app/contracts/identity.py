"""Identity by content, version 1: a recording, artist or release has the key of its canonical text.

The keys are the same on every instance, so a listen is accepted while the catalog is away, modules agree without
asking, and models and playlists can be carried from one instance to another. The rules are frozen: a table of keys in
the tests holds them, and another rule would be another version. One limit: letters younger than Unicode 14 (that of
Python 3.11) are folded only by a Python that knows them.
"""

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from app.kernel.contract import DomainError

# What people and programs write for the same mark. Replaced before NFKC, which would take some of them apart
# (U+00B4 into a space and an accent, U+2033 into two primes). The wave dash is a tilde: half of the Japanese world
# writes it as the full-width tilde, which NFKC makes one.
_SINGLE = (
    "\u0060\u00b4\u02b9\u02bb\u02bc\u02bd\u05f3\u1ffd\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\u275b\u275c"
    "\ua78b\ua78c"
)
_DOUBLE = "\u00ab\u00bb\u02ba\u05f4\u201c\u201d\u201e\u201f\u2033\u2036\u275d\u275e\u301d\u301e\u301f"
_DASHES = (
    "\u02d7\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\u3030\ufe31\ufe32\ufe58"
)
# Control and format characters (Cc and Cf of Unicode 14) that are not white space; zero-width joiners, soft hyphens and
# marks of direction are among them, so an emoji built with joiners is the row of its parts.
_REMOVED = (
    *(range(0x00, 0x09), range(0x0E, 0x1C), range(0x7F, 0x85), range(0x86, 0xA0), range(0xAD, 0xAE)),
    *(range(0x600, 0x606), range(0x61C, 0x61D), range(0x6DD, 0x6DE), range(0x70F, 0x710), range(0x890, 0x892)),
    *(range(0x8E2, 0x8E3), range(0x180E, 0x180F), range(0x200B, 0x2010), range(0x202A, 0x202F)),
    *(range(0x2060, 0x2065), range(0x2066, 0x2070), range(0xFEFF, 0xFF00), range(0xFFF9, 0xFFFC)),
    *(range(0x110BD, 0x110BE), range(0x110CD, 0x110CE), range(0x13430, 0x13439), range(0x1BCA0, 0x1BCA4)),
    *(range(0x1D173, 0x1D17B), range(0xE0001, 0xE0002), range(0xE0020, 0xE0080)),
)
_UNIFIED: dict[int, str | None] = {
    **{ord(c): "'" for c in _SINGLE},
    **{ord(c): '"' for c in _DOUBLE},
    **{ord(c): "-" for c in _DASHES},
    0x301C: "~",
    **{code: None for codes in _REMOVED for code in codes},
}
# A name that guests are cut from is written plainly, so that they end where they do in its canonical form.
_PLAIN: dict[int, str | None] = {code: mark for code, mark in _UNIFIED.items() if mark in {None, "-", "~"}}

# In brackets "feat", "ft" and "featuring" need no full stop; outside "feat" and "ft" do, or Little Feat would lose out.
# Unbracketed guests end where a bracket or a " - " begins: what stands there, such as (Live), says which recording
# it is.
_GUESTS = re.compile(
    r"""
      \s* [(\[{<【] \s* (?: featuring | feat | ft ) \b [.:]?+ \s*
          (?P<bracketed> [^\s()\[\]{}<>【】] [^()\[\]{}<>【】]* (?: \( [^()]* \) [^()\[\]{}<>【】]* )* )
          (?: [)\]}>】] | (?= [(\[{<【] ) | $ )
    | (?: (?<!^) \s [-,;/] | [,;] )? (?<!^) \s (?: featuring \b | feat\. | ft\. ) \s*
          (?P<trailing> [^\s()\[\]{}<>【】] [^()\[\]{}<>【】]*? ) (?= \s* (?: [()\[\]{}<>【】] | $ ) | \s - \s )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MOST_ROUNDS = 8  # what a cut leaves may hold guests again; only a text made for it needs more rounds
_CACHED_CHARS = 256  # names are shorter; texts of 10 kB would fill the memory


class EmptyName(DomainError):
    """Nothing is left of this name once it is normalised."""

    code, status = "identity.empty_name", 422


class Identity(NamedTuple):
    """The keys of a recording and its artist; names without guests, and the guests, as they were written."""

    recording_key: UUID
    artist_key: UUID
    artist: str
    title: str
    guests: str


def canonical(text: str) -> str:
    """Return the canonical form of a text; applied again it changes nothing.

    White space of any kind (tabs and line ends too) to single spaces, trimmed; control and format characters removed;
    quotes, apostrophes and dashes unified to ' " -; Unicode NFKC, case-folded, NFKC. All else stays: accents, "!!!",
    brackets, variation selectors.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split()).replace("`", "'")
    # a step can make work for an earlier one (a letter and its accent meet once a joiner is gone): go on until it rests
    while (step := _step(text)) != text:
        text = step
    return text


def _step(text: str) -> str:
    marks = " ".join(text.split()).translate(_UNIFIED)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", marks).casefold())


def split_guests(text: str) -> tuple[str, str]:
    """Return a name without "feat. X", "(ft. X)" and the like, and the guests, both as written.

    A name of nothing else stays whole.
    """
    parts = _parts(text)
    return parts.written, parts.guests


def artist_key(artist: str) -> UUID:
    """Return the key of an artist. Raises EmptyName."""
    return _key("artist", _main(artist))


def recording_key(artist: str, title: str) -> UUID:
    """Return the key of a recording. Raises EmptyName."""
    return _key("recording", _main(artist), _main(title))


def release_key(artist: str, title: str) -> UUID:
    """Return the key of a release, by the release's artist or else the recording's. Raises EmptyName."""
    return _key("release", _main(artist), _main(title))


def identify(artist: str, title: str) -> Identity:
    """Return the identity of a recording. Raises EmptyName."""
    by, of = _parts(artist), _parts(title)
    if not by.main or not of.main:
        raise EmptyName
    guests = f"{by.guests}, {of.guests}" if by.guests and of.guests else by.guests or of.guests
    return Identity(_key("recording", by.main, of.main), _key("artist", by.main), by.written, of.written, guests)


class _Parts(NamedTuple):
    main: str  # canonical, without guests
    written: str
    guests: str


def _parts(text: str) -> _Parts:
    return _cached_parts(text) if len(text) <= _CACHED_CHARS else _new_parts(text)


def _new_parts(text: str) -> _Parts:
    whole = canonical(text)
    main, _ = _cut(whole)
    if main == whole:
        return _Parts(whole, text.strip(), "")
    plain = unicodedata.normalize("NFKC", " ".join(text.split()).translate(_PLAIN))
    return _Parts(main, *_cut(" ".join(plain.split())))


_cached_parts = lru_cache(maxsize=65_536)(_new_parts)


def _cut(text: str) -> tuple[str, str]:
    """Return a text of single spaces without its guests, and the guests."""
    if "f" not in text and "F" not in text:
        return text, ""
    main, guests = text, list[str]()
    for _ in range(_MOST_ROUNDS):
        rest, found = _cut_once(main)
        if not rest or not found:
            break
        main = rest
        guests += found
    return main, ", ".join(guests)


def _cut_once(text: str) -> tuple[str, list[str]]:
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        found.append((match["bracketed"] or match["trailing"]).strip())
        after = text[match.end() : match.end() + 1]
        return "" if not after or after in " ,.;:!?)]}>】" else " "

    return " ".join(_GUESTS.sub(take, text).split()), found


def _main(text: str) -> str:
    """Return the canonical form of a name without guests. Raises EmptyName."""
    if main := _parts(text).main:
        return main
    raise EmptyName


def _key(kind: str, *parts: str) -> UUID:
    """Return a UUIDv8 (RFC 9562) of the BLAKE2b-128 of the parts."""
    return _cached_key(kind, *parts) if sum(map(len, parts)) <= 2 * _CACHED_CHARS else _new_key(kind, *parts)


def _new_key(kind: str, *parts: str) -> UUID:
    text = f"segue:v1:{kind}\0" + "\0".join(parts)
    digest = bytearray(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(digest))


# People play the same things again: a history of years tells of few.
_cached_key = lru_cache(maxsize=65_536)(_new_key)
