"""A listener's library: connecting it, and which recordings are in it."""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.playlists import (
    Library,
    LibraryFailed,
    LibraryMatch,
    LibraryNotConnected,
    LibraryRefused,
    NotInLibrary,
    StreamSource,
)
from app.contracts.services import Services
from app.kernel.clock import Clock
from app.kernel.contract import DeadlineExceeded, InvalidRequest, ServiceUnavailable
from app.kernel.db import Database
from app.kernel.outgoing import Outgoing
from app.kernel.sealing import CannotOpen, Sealer
from app.modules.playlists.matching import loose_key, may_be
from app.modules.playlists.subsonic import Credential, Subsonic, address_of, sign_in

MAX_NAME = 200
MAX_PASSWORD = 1024
MAX_KEYS = 2000
ASKED_AT_ONCE = 1000  # what the catalog answers in one call

COLUMNS = """
    address, user_name, server, songs, read, known, played, synced_at, next_sync_at, error, pushes_weekly, weekly_error
"""
SONG = "song_id, recording_key, loose_key, mbid, artist, title, album, duration_s, path"

Known = TypeVar("Known")


@dataclass(frozen=True)
class Wanted:
    """A recording to find. `duration_s` is None where nobody knows it."""

    recording_key: UUID
    artist: str
    title: str
    duration_s: int | None = None


class MusicServers:
    """Opens the way to the servers of libraries, whose passwords it alone reads."""

    def __init__(self, outgoing: Outgoing, sealer: Sealer) -> None:
        self.outgoing = outgoing
        self.sealer = sealer

    def seal(self, listener_id: UUID, secret: str) -> bytes:
        return self.sealer.seal(secret.encode(), f"library {listener_id}")

    def open(self, row: Row[Any]) -> Subsonic:
        """Return the client of a connected library. Raises LibraryRefused where its password can't be read any more."""
        try:
            secret = self.sealer.open(bytes(row.credential), f"library {row.listener_id}").decode()
        except CannotOpen:
            raise LibraryRefused("the password kept here can't be read any more; connect the library again") from None
        return Subsonic(self.outgoing, row.address, Credential(row.sign_in, row.user_name, secret))


class Libraries:
    """The part of the service that is about the library itself."""

    database: Database
    services: Services
    clock: Clock
    servers: MusicServers

    def connect_library(
        self, listener_id: UUID, address: str, user_name: str, password: str, pushes_weekly: bool = True
    ) -> Library:
        if len(user_name) > MAX_NAME or not 1 <= len(password) <= MAX_PASSWORD or "\0" in user_name + password:
            raise LibraryRefused("a name has at most 200 characters, and a password is needed")
        try:
            server, name = sign_in(self.servers.outgoing, address_of(address), user_name.strip(), password)
        except LibraryFailed as error:
            raise LibraryRefused(error.message) from None
        with self.database.begin() as session:
            session.execute(
                text("delete from library where listener_id = :listener and (address, user_name) <> (:address, :user)"),
                {"listener": listener_id, "address": server.address, "user": server.credential.user_name},
            )
            session.execute(
                text(
                    """
                    insert into library (listener_id, library_id, address, user_name, credential, sign_in, server,
                                         pushes_weekly, next_sync_at, next_push_at)
                    values (:listener, :id, :address, :user, :credential, :sign_in, :server, :weekly, :now, :now)
                    on conflict (listener_id) do update
                    set library_id = :id, credential = :credential, sign_in = :sign_in, server = :server,
                        pushes_weekly = :weekly, next_sync_at = :now, next_push_at = :now, read = null, failures = 0,
                        error = ''
                    """
                ),
                {
                    "listener": listener_id,
                    "id": uuid.uuid4(),
                    "address": server.address,
                    "user": server.credential.user_name,
                    "credential": self.servers.seal(listener_id, password),
                    "sign_in": server.credential.sign_in,
                    "server": name,
                    "weekly": pushes_weekly,
                    "now": self.clock(),
                },
            )
            return to_library(find_library(session, listener_id))

    def get_library(self, listener_id: UUID) -> Library | None:
        with self.database.begin() as session:
            rows = _libraries(session, listener_id)
        return to_library(rows[0]) if rows else None

    def disconnect_library(self, listener_id: UUID) -> None:
        with self.database.begin() as session:
            session.execute(text("delete from library where listener_id = :listener"), {"listener": listener_id})

    def sync_library(self, listener_id: UUID) -> Library:
        with self.database.begin() as session:
            find_library(session, listener_id)
            session.execute(
                text("update library set next_sync_at = :now, read = 0 where listener_id = :listener and read is null"),
                {"listener": listener_id, "now": self.clock()},
            )
            return to_library(find_library(session, listener_id))

    def set_auto_push(self, listener_id: UUID, weekly: bool) -> Library:
        with self.database.begin() as session:
            find_library(session, listener_id)
            session.execute(
                text(
                    """
                    update library
                    set pushes_weekly = :weekly, next_push_at = :now, push_failures = 0, weekly_error = ''
                    where listener_id = :listener and pushes_weekly <> :weekly
                    """
                ),
                {"listener": listener_id, "weekly": weekly, "now": self.clock()},
            )
            return to_library(find_library(session, listener_id))

    def match_recordings(self, listener_id: UUID, recording_keys: list[UUID]) -> list[LibraryMatch]:
        if len(recording_keys) > MAX_KEYS:
            raise InvalidRequest(f"at most {MAX_KEYS} recordings at once")
        found = self.find_keys(listener_id, list(dict.fromkeys(recording_keys)))
        return [
            LibraryMatch(key, song.song_id, song.title, song.artist, song.album, song.duration_s, song.path)
            for key, song in found.items()
        ]

    def stream_source(self, listener_id: UUID, song_id: str) -> StreamSource:
        with self.database.begin() as session:
            library = find_library(session, listener_id)
            song = session.execute(
                text("select song_id, path from song where listener_id = :listener and song_id = :song"),
                {"listener": listener_id, "song": song_id},
            ).one_or_none()
        if song is None:
            raise NotInLibrary
        return StreamSource(self.servers.open(library).stream_url(song.song_id, song.path))

    def find_keys(self, listener_id: UUID, keys: Sequence[UUID]) -> dict[UUID, Row[Any]]:
        """Return the songs of recordings; names come from the catalog, and while it is away only keys count."""
        return self._find(listener_id, keys, {})

    def find_wanted(self, listener_id: UUID, wanted: Sequence[Wanted]) -> dict[UUID, Row[Any]]:
        """Return the songs of recordings whose names are at hand."""
        by_key = {each.recording_key: each for each in wanted}
        return self._find(listener_id, list(by_key), by_key)

    def _find(self, listener_id: UUID, keys: Sequence[UUID], named: Mapping[UUID, Wanted]) -> dict[UUID, Row[Any]]:
        """Find songs by key, those missing by MBID, then as what corrections say they are, at last by name."""
        with self.database.begin() as session:
            has_songs, has_mbids = _has_songs(session, listener_id)
            if not keys or not has_songs:
                return {}
            found = songs_by_key(session, listener_id, keys)
        catalog = self.services.catalog
        missing = [key for key in keys if key not in found]
        if missing and has_mbids:
            mbids = {each.recording_key: each.mbid for each in self._ask(catalog.get_identifiers, missing)}
            with self.database.begin() as session:
                by_mbid = songs_by_key(session, listener_id, mbids.values())
            found |= {key: by_mbid[mbid] for key, mbid in mbids.items() if mbid in by_mbid}
            missing = [key for key in missing if key not in found]
        if missing:
            shown = self._ask(lambda some: catalog.resolve("recordings", some, with_unchanged=True), missing)
            wanted = {each.from_key: Wanted(each.from_key, each.artist, each.name) for each in shown} | {
                key: named[key] for key in missing if key in named
            }
            with self.database.begin() as session:
                by_key = songs_by_key(session, listener_id, [each.key for each in shown])
                by_name = songs_by_name(session, listener_id, list(wanted.values()))
            found |= by_name | {each.from_key: by_key[each.key] for each in shown if each.key in by_key}
        return found

    def _ask(self, catalog: Callable[[list[UUID]], list[Known]], keys: Sequence[UUID]) -> list[Known]:
        """Return what the catalog knows of keys; nothing while it is away."""
        known: list[Known] = []
        try:
            for start in range(0, len(keys), ASKED_AT_ONCE):  # at most twice
                known += catalog(list(keys[start : start + ASKED_AT_ONCE]))
        except (ServiceUnavailable, DeadlineExceeded):
            pass
        return known


def songs_by_key(session: Session, listener_id: UUID, keys: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """Return the song of each key or MBID that the library has."""
    rows = session.execute(
        text(
            f"""
            select {SONG} from song where listener_id = :listener and recording_key = any(:keys)
            union all
            select {SONG} from song where listener_id = :listener and mbid = any(:keys)
            order by song_id desc
            """  # noqa: S608
        ),
        {"listener": listener_id, "keys": list(keys)},
    ).all()
    asked = set(keys)
    by_mbid = {row.mbid: row for row in rows if row.mbid in asked}
    return by_mbid | {row.recording_key: row for row in rows if row.recording_key in asked}


def songs_by_name(session: Session, listener_id: UUID, wanted: Sequence[Wanted]) -> dict[UUID, Row[Any]]:
    """Return the song of each recording that goes by nearly the same names, of those the one nearest in length."""
    keys = {each.recording_key: loose_key(each.artist, each.title) for each in wanted}
    rows = session.execute(
        text(f"select {SONG} from song where listener_id = :listener and loose_key = any(:keys) order by song_id"),  # noqa: S608
        {"listener": listener_id, "keys": list(keys.values())},
    ).all()
    candidates: dict[UUID, list[Row[Any]]] = {}
    for row in rows:
        candidates.setdefault(row.loose_key, []).append(row)
    found = {}
    for each in wanted:
        fitting = [
            row
            for row in candidates.get(keys[each.recording_key], ())
            if may_be(each.title, each.duration_s, row.title, row.duration_s)
        ]
        if fitting:
            found[each.recording_key] = min(
                fitting, key=lambda row: abs((row.duration_s or 0) - (each.duration_s or 0))
            )
    return found


def _has_songs(session: Session, listener_id: UUID) -> tuple[bool, bool]:
    """Return whether the library has songs, and whether any has an MBID."""
    row = session.execute(
        text(
            """
            select exists (select from song where listener_id = :listener) as has_songs,
                   (
                       select mbid from song where listener_id = :listener and mbid is not null order by mbid limit 1
                   ) is not null as has_mbids
            """
        ),
        {"listener": listener_id},
    ).one()
    return row.has_songs, row.has_mbids


def _libraries(session: Session, listener_id: UUID) -> Sequence[Row[Any]]:
    return session.execute(
        text(
            f"select {COLUMNS}, listener_id, library_id, credential, sign_in from library where listener_id = :listener"  # noqa: S608
        ),
        {"listener": listener_id},
    ).all()


def find_library(session: Session, listener_id: UUID) -> Row[Any]:
    """Raises LibraryNotConnected."""
    rows = _libraries(session, listener_id)
    if not rows:
        raise LibraryNotConnected
    return rows[0]


def to_library(row: Row[Any]) -> Library:
    state = (
        "syncing" if row.read is not None else "failing" if row.error else "waiting" if not row.synced_at else "ready"
    )
    return msgspec.convert({**row._mapping, "state": state}, Library)
