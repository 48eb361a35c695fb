"""A Subsonic or OpenSubsonic server, as its client: sign in, read its songs, write playlists, find a song's bytes.

Every call but `stream` is a posted form: credentials and thousands of song ids have no place in an address. A server
says errors with the HTTP status 200; here they become LibraryRefused and LibraryFailed, in words.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from msgspec import Struct

from app.contracts.playlists import LibraryFailed, LibraryRefused
from app.kernel import context
from app.kernel.addresses import OutgoingRefused
from app.kernel.outgoing import Outgoing, OutgoingFailed, Reply

VERSION, CLIENT = "1.16.1", "segue"
PAGE = 500  # the most that the protocol lets one ask for
TIMEOUT_S = 10.0
MAX_REPLY_BYTES = 30_000_000
MAX_TEXT = 1000
MAX_DURATION_S = 2_073_600  # 24 days, as for listens

SignIn = Literal["token", "password", "key"]

NOT_FOUND = 70
# What a server says that wants the password itself: 41 and 42 by the protocol, 10 where it never heard of tokens.
WANTS_PASSWORD = {10, 41, 42}
# Files that browsers don't play: lossless and old forms, mostly.
UNPLAYABLE = {"aif", "aiff", "ape", "dff", "dsf", "mpc", "ra", "shn", "tak", "tta", "wma", "wv"}
REFUSALS = {
    40: "that server does not know this name and password",
    41: "that server takes neither a token nor a password",
    42: "that server does not take this way of signing in",
    43: "that server does not take this way of signing in",
    44: "that server does not know this API key",
    50: "this user may not do that on that server; its administrator can allow it",
    60: "that server's trial period is over",
}
FAILURES = {
    10: "that server misses something in the request",
    20: "that server speaks a newer version of the protocol than Segue",
    30: "that server speaks too old a version of the protocol",
    70: "that server does not have it any more",
}
NO_SERVER = "there is no Subsonic server at this address; give the one that its web page has, without what follows"


class Credential(Struct, frozen=True):
    sign_in: SignIn
    user_name: str
    secret: str

    def __repr__(self) -> str:
        return f"Credential({self.sign_in})"

    def fields(self) -> list[tuple[str, str]]:
        """Return what proves who asks; a token is a new one each time."""
        if self.sign_in == "key":
            return [("apiKey", self.secret)]
        if self.sign_in == "password":
            return [("u", self.user_name), ("p", f"enc:{self.secret.encode().hex()}")]
        salt = secrets.token_hex(8)
        token = hashlib.md5((self.secret + salt).encode(), usedforsecurity=False).hexdigest()
        return [("u", self.user_name), ("t", token), ("s", salt)]


class Song(Struct, frozen=True):
    song_id: str
    title: str
    artist: str
    album: str | None = None
    duration_s: int | None = None
    mbid: UUID | None = None
    path: str | None = None


class RemotePlaylist(Struct, frozen=True):
    remote_id: str
    name: str
    owner: str
    comment: str
    songs: int


class Subsonic:
    """Raises LibraryRefused (the server says no), LibraryFailed (it says nothing of use) from every method."""

    def __init__(self, outgoing: Outgoing, address: str, credential: Credential) -> None:
        self.outgoing = outgoing
        self.address = address
        self.credential = credential

    def ping(self) -> str:
        """Return what the server calls itself."""
        answer = self.call("ping")
        named = f"{answer.get('type') or 'Subsonic'} {answer.get('serverVersion') or ''}"
        return _text(named) or "Subsonic"

    def songs(self) -> Iterator[list[Song]]:
        """Yield all songs, some at a time: by searching for nothing, else (not every server answers that) by albums."""
        for query in ("", '""'):
            has_found = False
            for page in self._search(query):
                has_found = True
                yield page
            if has_found:
                return
        yield from self._albums()

    def _search(self, query: str) -> Iterator[list[Song]]:
        seen: set[str] = set()
        offset = 0
        while True:
            try:
                answer = self.call(
                    "search3",
                    ("query", query),
                    ("songCount", str(PAGE)),
                    ("songOffset", str(offset)),
                    ("artistCount", "0"),
                    ("albumCount", "0"),
                )
            except LibraryFailed as error:
                if not seen and error.details.get("code") in {0, 10}:
                    return  # a server that wants to be asked for something
                raise
            page = _dicts(answer, "searchResult3", "song")
            # an offset that a server ignores, or goes beyond, brings nothing new
            fresh = [song for song in page if str(song.get("id")) not in seen]
            if not fresh:
                return
            seen.update(str(song.get("id")) for song in fresh)
            offset += len(page)
            yield [song for each in fresh if (song := read_song(each))]

    def _albums(self) -> Iterator[list[Song]]:
        seen: set[str] = set()
        offset = 0
        while True:
            answer = self.call(
                "getAlbumList2", ("type", "alphabeticalByName"), ("size", str(PAGE)), ("offset", str(offset))
            )
            page = _dicts(answer, "albumList2", "album")
            fresh = [album_id for album in page if (album_id := _text(album.get("id"))) and album_id not in seen]
            if not fresh:
                return
            seen.update(fresh)
            offset += len(page)
            for album_id in fresh:
                album = self.call("getAlbum", ("id", album_id))
                yield [song for each in _dicts(album, "album", "song") if (song := read_song(each))]

    def playlists(self) -> list[RemotePlaylist]:
        return [
            RemotePlaylist(
                _text(each.get("id")),
                _text(each.get("name")),
                _text(each.get("owner")),
                _text(each.get("comment")),
                _number(each.get("songCount")) or 0,
            )
            for each in _dicts(self.call("getPlaylists"), "playlists", "playlist")
        ]

    def create_playlist(self, name: str) -> str:
        """Make an empty playlist and return its id. Not every server tells it: then the list of playlists does."""
        before = {each.remote_id for each in self.playlists()}
        answer = self.call("createPlaylist", ("name", name))
        made = answer.get("playlist")
        if isinstance(made, dict) and (remote_id := _text(made.get("id"))):
            return remote_id
        for each in self.playlists():
            if each.name == name and each.remote_id not in before:
                return each.remote_id
        raise LibraryFailed("that server made a playlist and does not tell which")

    def replace_songs(self, remote_id: str, song_ids: list[str]) -> None:
        self.call("createPlaylist", ("playlistId", remote_id), *(("songId", song_id) for song_id in song_ids))

    def describe_playlist(self, remote_id: str, name: str, comment: str) -> None:
        self.call("updatePlaylist", ("playlistId", remote_id), ("name", name), ("comment", comment))

    def stream_url(self, song_id: str, path: str | None) -> str:
        """Return an address of a song's bytes, as MP3 where no browser would play them as they are.

        It proves who asks: it is not for browsers.
        """
        suffix = (path or "").rpartition("/")[2].rpartition(".")[2].lower()
        wishes = [("id", song_id), *([("format", "mp3")] if suffix in UNPLAYABLE else [])]
        return f"{self.address}/rest/stream.view?{urlencode([*self._common(), *wishes])}"

    def call(self, method: str, *fields: tuple[str, str]) -> dict[str, Any]:
        """Return the content of an answer's envelope."""
        remaining = context.current().remaining_s()
        try:
            reply = self.outgoing.send(
                "POST",
                f"{self.address}/rest/{method}.view",
                headers={"Accept": "application/json"},
                fields=[*self._common(), *fields],
                timeout_s=TIMEOUT_S if remaining is None else max(0.1, min(TIMEOUT_S, remaining - 0.5)),
                max_bytes=MAX_REPLY_BYTES,
            )
        except OutgoingRefused as error:
            raise LibraryRefused(error.message) from None
        except OutgoingFailed as error:
            raise LibraryFailed(error.message) from None
        return content_of(reply)

    def _common(self) -> list[tuple[str, str]]:
        return [*self.credential.fields(), ("v", VERSION), ("c", CLIENT), ("f", "json")]


def sign_in(outgoing: Outgoing, address: str, user_name: str, password: str) -> tuple[Subsonic, str]:
    """Find out how a server lets one in: by token, by password where it knows no tokens, or by API key without a name.

    Returns the client and what the server calls itself.
    """
    ways: tuple[SignIn, ...] = ("token", "password") if user_name else ("key",)
    for way in ways:
        server = Subsonic(outgoing, address, Credential(way, user_name, password))
        try:
            return server, server.ping()
        except (LibraryRefused, LibraryFailed) as error:
            if way != "token" or error.details.get("code") not in WANTS_PASSWORD:
                raise
    raise AssertionError("unreachable")


def address_of(given: str) -> str:
    """Return a server's address from what people paste: that of its web page, or of /rest. Raises LibraryRefused."""
    address = given.strip()
    if "://" not in address:
        address = f"https://{address}"
    parts = urlsplit(address.partition("#")[0].partition("?")[0])
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc or len(address) > MAX_TEXT:
        raise LibraryRefused("give an address such as https://music.example.org, without name and password in it")
    path = re.sub(r"(/app|/rest(/.*)?)$", "", parts.path.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}{path}"


def content_of(reply: Reply) -> dict[str, Any]:
    """Return what a reply says, or raise what it complains of."""
    try:
        envelope = json.loads(reply.body)["subsonic-response"]
        status = envelope["status"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _no_envelope(reply) from None
    if status == "ok" and isinstance(envelope, dict):
        return envelope
    raise error_of(envelope.get("error"))


def error_of(error: Any) -> LibraryRefused | LibraryFailed:
    """Return a server's complaint in words."""
    code = _number(error.get("code")) if isinstance(error, dict) else None
    said = _text(error.get("message"))[:200] if isinstance(error, dict) else ""
    if code in REFUSALS:
        return LibraryRefused(REFUSALS[code], code=code)
    words = FAILURES.get(code or 0, "that server failed")
    return LibraryFailed(f"{words}: it says “{said}”" if said else words, code=code or 0)


def _no_envelope(reply: Reply) -> LibraryRefused | LibraryFailed:
    if reply.status in {401, 403}:
        return LibraryRefused(
            "something before that server asks to sign in; it must let /rest pass", status=reply.status
        )
    if reply.status in {429, 500, 502, 503, 504}:
        return LibraryFailed(f"that server has trouble (HTTP {reply.status})", status=reply.status)
    return LibraryRefused(NO_SERVER, status=reply.status)


def read_song(song: dict[str, Any]) -> Song | None:
    """Return a song as far as it can be told apart: None without id, title or artist."""
    song_id, title = _text(song.get("id")), _text(song.get("title"))
    artist = _text(song.get("artist")) or _text(song.get("displayArtist"))
    if not (song_id and title and artist) or song.get("isDir") is True or song.get("isVideo") is True:
        return None
    duration_s = _number(song.get("duration"))
    return Song(
        song_id,
        title,
        artist,
        _text(song.get("album")) or None,
        duration_s if duration_s and 0 < duration_s <= MAX_DURATION_S else None,
        _uuid(song.get("musicBrainzId")),
        _text(song.get("path")) or None,
    )


def _dicts(answer: dict[str, Any], outer: str, inner: str) -> list[dict[str, Any]]:
    """Return a list of an answer; servers leave empty ones out, and some make one of one element that element."""
    found = answer.get(outer)
    listed = found.get(inner) if isinstance(found, dict) else None
    if isinstance(listed, dict):
        listed = [listed]
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _text(value: Any) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return str(value).replace("\0", "").encode(errors="replace").decode().strip()[:MAX_TEXT]


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        return None
