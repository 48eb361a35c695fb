"""Identity by content, version 1: a recording, artist or release has the key of its canonical text.

The keys are the same on every instance, so a listen is accepted while the catalog is away, modules agree without
asking, and models and playlists can be carried from one instance to another. This file never changes: another rule
would be another version.
"""

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from app.kernel.contract import DomainError

# Quotes, apostrophes and dashes that people and programs use for the same thing.
_SINGLE = "\u2018\u2019\u201a\u201b\u2032\u2035\u02bc\u02b9\u02bb\u02bd\u00b4\u0060\u2039\u203a\ua78b\ua78c"
_DOUBLE = "\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u301d\u301e\u301f"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u02d7\ufe58\ufe63\uff0d\u301c\u3030"
_UNIFIED = {ord(c): "'" for c in _SINGLE} | {ord(c): '"' for c in _DOUBLE} | {ord(c): "-" for c in _DASHES}

# "feat. X" in brackets anywhere near the end, or without them to the end; "featuring" asks for no full stop.
_MARK = r"(?:feat(?:uring|\.)|ft\.)"
_BRACKETED = re.compile(rf"\s*[(\[]\s*{_MARK}\s*(?P<guests>[^()\[\]]+)[)\]]\s*", re.IGNORECASE)
_TRAILING = re.compile(rf"\s+{_MARK}\s*(?P<guests>\S.*)$", re.IGNORECASE | re.DOTALL)


class EmptyName(DomainError):
    """Nothing is left of this name once it is normalised."""

    code, status = "identity.empty_name", 422


class Identity(NamedTuple):
    """Keys of a recording and its artist, with what was cut off as guests (as written)."""

    recording_key: UUID
    artist_key: UUID
    guests: str


def canonical(text: str) -> str:
    """Return the canonical form of a text; applied again it changes nothing.

    Unicode NFKC, case-folded, NFKC; white space of any kind to single spaces; control and format characters removed;
    quotes, apostrophes and dashes unified. Accents, "!!!" and brackets stay.
    """
    if text.isascii():
        folded = text.lower()
    else:
        # folding can undo a composition and composing can make something to fold: repeat until it rests
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        while (again := unicodedata.normalize("NFKC", folded.casefold())) != folded:
            folded = again
    spaced = " ".join(folded.split())
    if spaced.isascii() and spaced.isprintable():
        return spaced.replace("`", "'")
    kept = "".join(c for c in spaced if unicodedata.category(c) not in {"Cc", "Cf"}).translate(_UNIFIED)
    settled = " ".join(kept.split())
    # removing a character can bring two together that compose
    return settled if settled == text else canonical(settled)


def split_guests(text: str) -> tuple[str, str]:
    """Return a name without its "feat. …" and the guests, both as written; a name of nothing else stays whole."""
    for pattern in (_BRACKETED, _TRAILING):
        if (match := pattern.search(text)) and (main := (text[: match.start()] + " " + text[match.end() :]).strip()):
            return main, match["guests"].strip()
    return text, ""


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
    """Return the keys of a recording and its artist. Raises EmptyName."""
    main_artist, artist_guests = split_guests(artist)
    main_title, title_guests = split_guests(title)
    canonical_artist = _main(main_artist)
    guests = ", ".join(g for g in (artist_guests, title_guests) if g)
    return Identity(_key("recording", canonical_artist, _main(main_title)), _key("artist", canonical_artist), guests)


@lru_cache(maxsize=65_536)
def _main(text: str) -> str:
    """Return the canonical form of a name without guests. Raises EmptyName."""
    found = canonical(split_guests(text)[0])
    if not found:
        raise EmptyName
    return found


def _key(kind: str, *parts: str) -> UUID:
    """Return a UUIDv8 (RFC 9562) of the BLAKE2b-128 of the parts."""
    text = f"segue:v1:{kind}\0" + "\0".join(parts)
    digest = bytearray(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest())
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(digest))
