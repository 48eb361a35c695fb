"""Playlists on a library's server: pushed when asked, and each week's mix by itself."""

import logging
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.contracts.playlists import (
    Entry,
    LibraryFailed,
    LibraryRefused,
    Playlist,
    PlaylistNotFound,
    PlaylistWithEntries,
    PushReport,
)
from app.kernel.contract import DomainError
from app.modules.playlists.library import Libraries, Wanted, find_library
from app.modules.playlists.library_sync import retry_at
from app.modules.playlists.subsonic import NOT_FOUND, Subsonic

log = logging.getLogger(__name__)

COMMENT = "From Segue"
WAIT = timedelta(hours=6)  # where nothing of the mix can be played yet
UNMATCHED = msgspec.json.Decoder(list[Entry])
NOTHING = "nothing of this week's mix is in your library; it is tried again in a few hours"


class Pushes(Libraries):
    """The part of the service that writes playlists to the server."""

    get_playlist: Callable[[UUID], PlaylistWithEntries]

    def push_playlist(self, listener_id: UUID, playlist_id: UUID) -> PushReport:
        found = self.get_playlist(playlist_id)
        if found.playlist.owner_id != listener_id and not found.playlist.is_public:
            raise PlaylistNotFound
        # a session's lock, since no transaction may wait for the other server
        with self.database.dedicated() as connection:
            lock = {"key": zlib.crc32(f"push {listener_id} {playlist_id}".encode())}
            if not connection.execute(text("select pg_try_advisory_lock(:key)"), lock).scalar():
                raise LibraryFailed("this playlist is being pushed already")
            return self._push(listener_id, found.playlist, found.entries)

    def get_push(self, listener_id: UUID, playlist_id: UUID) -> PushReport | None:
        with self.database.begin() as session:
            row = session.execute(
                text(
                    """
                    select remote_id, matched, total, unmatched::text as unmatched, pushed_at
                    from push
                    where listener_id = :listener and playlist_id = :playlist
                    """
                ),
                {"listener": listener_id, "playlist": playlist_id},
            ).one_or_none()
        if row is None:
            return None
        return PushReport(
            playlist_id, row.remote_id, row.matched, row.total, UNMATCHED.decode(row.unmatched), row.pushed_at
        )

    def _push(self, listener_id: UUID, playlist: Playlist, entries: Sequence[Entry]) -> PushReport:
        with self.database.begin() as session:
            server = self.servers.open(find_library(session, listener_id))
        songs = self.find_wanted(listener_id, [wanted(entry) for entry in entries])
        song_ids = [songs[entry.recording_key].song_id for entry in entries if entry.recording_key in songs]
        unmatched = [entry for entry in entries if entry.recording_key not in songs]
        before = self.get_push(listener_id, playlist.playlist_id)
        remote_id = before.remote_id if before else None
        if song_ids or remote_id:
            try:
                remote_id = self._write(listener_id, server, playlist, remote_id, song_ids)
            except LibraryRefused as error:
                raise LibraryFailed(error.message, **error.details) from None
        report = PushReport(playlist.playlist_id, remote_id, len(song_ids), len(entries), unmatched, self.clock())
        self._keep(listener_id, report)
        return report

    def _write(
        self, listener_id: UUID, server: Subsonic, playlist: Playlist, remote_id: str | None, song_ids: list[str]
    ) -> str:
        """Write the songs into the playlist that was made for it before, else into a new one; return its id."""
        if remote_id is not None:
            try:
                server.replace_songs(remote_id, song_ids)
            except LibraryFailed as error:
                if error.details.get("code") != NOT_FOUND:
                    raise
                remote_id = None  # somebody deleted it there
        if remote_id is None:
            remote_id = _abandoned(server, playlist.name) or server.create_playlist(playlist.name)
            # noted before it is filled: should that fail, the next push goes on with it
            self._keep(listener_id, PushReport(playlist.playlist_id, remote_id, 0, 0, [], self.clock()))
            server.replace_songs(remote_id, song_ids)
        try:
            server.describe_playlist(remote_id, playlist.name, comment_of(playlist))
        except (LibraryFailed, LibraryRefused) as error:
            log.info("a pushed playlist keeps its old name", extra={"reason": error.message})
        return remote_id

    def _keep(self, listener_id: UUID, report: PushReport) -> None:
        with self.database.begin() as session:
            session.execute(
                text(
                    """
                    insert into push (listener_id, playlist_id, remote_id, matched, total, unmatched, pushed_at)
                    select :listener, :playlist, :remote, :matched, :total, cast(:unmatched as jsonb), :at
                    from library, playlist
                    where library.listener_id = :listener and playlist.playlist_id = :playlist
                    on conflict (listener_id, playlist_id) do update
                    set remote_id = excluded.remote_id, matched = excluded.matched, total = excluded.total,
                        unmatched = excluded.unmatched, pushed_at = excluded.pushed_at
                    """
                ),
                {
                    "listener": listener_id,
                    "playlist": report.playlist_id,
                    "remote": report.remote_id,
                    "matched": report.matched,
                    "total": report.total,
                    "unmatched": msgspec.json.encode(report.unmatched).decode(),
                    "at": report.pushed_at,
                },
            )


class WeeklyPushes:
    """Makes and pushes the week's mix of those who want it."""

    def __init__(self, pushes: Pushes, generate: Callable[[UUID], Playlist]) -> None:
        self.pushes = pushes
        self.generate = generate

    def step(self) -> None:
        """Push the mix of one listener for whom it is time."""
        now = self.pushes.clock()
        with self.pushes.database.begin() as session:
            row = session.execute(
                text(
                    """
                    select listener_id, push_failures
                    from library
                    where pushes_weekly and next_push_at <= :now and synced_at is not null
                    order by next_push_at
                    limit 1
                    """
                ),
                {"now": now},
            ).one_or_none()
        if row is None:
            return
        try:
            mix = self.generate(row.listener_id)
            report = self.pushes.push_playlist(row.listener_id, mix.playlist_id)
        except DomainError as error:
            self._note(row.listener_id, retry_at(now, row.push_failures + 1), row.push_failures + 1, error.message)
        except Exception:  # whatever it is, the others' turn comes
            log.exception("a weekly mix could not be pushed")
            self._note(row.listener_id, now + WAIT, row.push_failures + 1, "something unexpected happened")
        else:
            if report.matched:
                self._note(row.listener_id, next_week(now, row.listener_id), 0, "")
            else:
                self._note(row.listener_id, now + WAIT, 0, NOTHING)

    def _note(self, listener_id: UUID, following: datetime, failures: int, words: str) -> None:
        with self.pushes.database.begin() as session:
            session.execute(
                text(
                    """
                    update library
                    set next_push_at = :next, push_failures = :failures, weekly_error = :words
                    where listener_id = :listener
                    """
                ),
                {"listener": listener_id, "next": following, "failures": failures, "words": words},
            )


def next_week(now: datetime, listener_id: UUID) -> datetime:
    """Return when the next week's mix is due: within the first hour of it, not for everybody at once."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=7 - today.weekday(), seconds=listener_id.int % 3600)


def wanted(entry: Entry) -> Wanted:
    seconds = round(entry.duration_ms / 1000) if entry.duration_ms else None
    return Wanted(entry.recording_key, entry.artist, entry.title, seconds)


def comment_of(playlist: Playlist) -> str:
    return f"{COMMENT}: {playlist.description}" if playlist.description else COMMENT


def _abandoned(server: Subsonic, name: str) -> str | None:
    """Return the empty playlist of that name that a push left which was cut off after making it."""
    mine = {server.credential.user_name.casefold(), ""}
    for each in server.playlists():
        if each.name == name and each.songs == 0 and each.owner.casefold() in mine:
            return each.remote_id
    return None


def tick_of(*steps: Callable[[], Any]) -> Callable[[], None]:
    def tick() -> None:
        for step in steps:
            step()

    return tick
