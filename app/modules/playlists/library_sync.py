"""Reading the songs of libraries, in the background, a slice at a time.

A sync lives in the memory of the process that leads: one that dies is begun anew by the next leader. What is stored is
right at any moment: songs are written page by page where they changed, and those that are gone are removed at the end.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.identity import EmptyName, recording_key
from app.contracts.playlists import LibraryNotConnected
from app.kernel.contract import DomainError
from app.modules.playlists.library import Libraries
from app.modules.playlists.matching import loose_key
from app.modules.playlists.subsonic import Song

log = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
FIRST_RETRY, LAST_RETRY = timedelta(minutes=5), timedelta(hours=6)
AT_ONCE = 4
SLICE_S = 1.0
STALE_S = 300.0
TOP_PLAYED = 1000  # of how many recordings, the most played ones, it is told which are in the library
REMOVED_AT_ONCE = 5000

UPSERT = """
    insert into song (listener_id, song_id, recording_key, loose_key, mbid, artist, title, album, duration_s, path)
    select :listener, song_id, recording_key, loose_key, mbid, artist, title, album, duration_s, path
    from jsonb_to_recordset(cast(:songs as jsonb)) as given (
        song_id text, recording_key uuid, loose_key uuid, mbid uuid, artist text, title text, album text,
        duration_s integer, path text
    )
    on conflict (listener_id, song_id) do update
    set recording_key = excluded.recording_key, loose_key = excluded.loose_key, mbid = excluded.mbid,
        artist = excluded.artist, title = excluded.title, album = excluded.album, duration_s = excluded.duration_s,
        path = excluded.path
    where (song.recording_key, song.loose_key, song.mbid, song.artist, song.title, song.album, song.duration_s,
           song.path)
          is distinct from
          (excluded.recording_key, excluded.loose_key, excluded.mbid, excluded.artist, excluded.title, excluded.album,
           excluded.duration_s, excluded.path)
"""


class Sync:
    """One reading of one library."""

    def __init__(self, libraries: Libraries, row: Row[Any]) -> None:
        self.libraries = libraries
        self.listener_id: UUID = row.listener_id
        self.library_id: UUID = row.library_id
        self.read = 0
        self._pages: Iterator[list[Song]] = libraries.servers.open(row).songs()
        self._seen: set[str] = set()
        self._advanced_at = time.monotonic()

    def is_stale(self) -> bool:
        """Whether it lay still for long: another process has led, and read the library itself, meanwhile."""
        return time.monotonic() - self._advanced_at > STALE_S

    def advance(self) -> bool:
        """Read and store pages for about a second; return whether that was all. Raises LibraryNotConnected."""
        self._advanced_at = time.monotonic()
        end = self._advanced_at + SLICE_S
        while time.monotonic() < end:
            page = next(self._pages, None)
            if page is None:
                self._finish()
                return True
            self._store(page)
        with self.libraries.database.begin() as session:
            self._lock(session)
            session.execute(
                text("update library set read = :read where listener_id = :listener"),
                {"read": self.read, "listener": self.listener_id},
            )
        return False

    def _lock(self, session: Session) -> None:
        """Keep the connection as it is until the end of the transaction; one that is another one now ends this sync."""
        current = session.execute(
            text("select library_id from library where listener_id = :listener for update"),
            {"listener": self.listener_id},
        ).scalar()
        if current != self.library_id:
            raise LibraryNotConnected

    def _store(self, songs: Sequence[Song]) -> None:
        fresh = {song.song_id: row for song in songs if song.song_id not in self._seen and (row := to_row(song))}
        rows = list(fresh.values())
        self._seen.update(fresh)
        self.read += len(rows)
        with self.libraries.database.begin() as session:
            self._lock(session)
            session.execute(text(UPSERT), {"listener": self.listener_id, "songs": msgspec.json.encode(rows).decode()})

    def _finish(self) -> None:
        with self.libraries.database.begin() as session:
            self._lock(session)
            stored = session.execute(
                text("select song_id from song where listener_id = :listener"), {"listener": self.listener_id}
            ).scalars()
            gone = sorted(set(stored) - self._seen)
            for start in range(0, len(gone), REMOVED_AT_ONCE):
                session.execute(
                    text("delete from song where listener_id = :listener and song_id = any(:gone)"),
                    {"listener": self.listener_id, "gone": gone[start : start + REMOVED_AT_ONCE]},
                )
        known, played = self._share()
        now = self.libraries.clock()
        with self.libraries.database.begin() as session:
            self._lock(session)
            session.execute(
                text(
                    """
                    update library
                    set songs = :songs, read = null, known = :known, played = :played, synced_at = :now,
                        next_sync_at = :next, failures = 0, error = ''
                    where listener_id = :listener
                    """
                ),
                {
                    "listener": self.listener_id,
                    "songs": len(self._seen),
                    "known": known,
                    "played": played,
                    "now": now,
                    "next": now + EVERY,
                },
            )

    def _share(self) -> tuple[int, int]:
        """Return how many of the listener's most played recordings are in the library, and of how many."""
        try:
            top = self.libraries.services.listens.top(self.listener_id, "recordings", limit=TOP_PLAYED)
        except DomainError as error:
            log.warning("what a listener played can't be asked for", extra={"reason": error.message})
            return 0, 0
        return len(self.libraries.find_keys(self.listener_id, [item.key for item in top.items])), len(top.items)


class Syncs:
    """All syncs of this process."""

    def __init__(self, libraries: Libraries) -> None:
        self.libraries = libraries
        self.running: dict[UUID, Sync] = {}

    def step(self) -> None:
        """Begin what is due, and advance each by a slice."""
        for row in self._due():
            try:
                self.running[row.listener_id] = Sync(self.libraries, row)
            except DomainError as error:
                self._fail(row.listener_id, row.library_id, error.message)
        for listener_id in list(self.running):
            # out of the list first: one that broke off in the middle of a page must not be gone on with
            sync = self.running.pop(listener_id)
            try:
                if not sync.is_stale() and not sync.advance():
                    self.running[listener_id] = sync
            except LibraryNotConnected:
                pass
            except DomainError as error:
                self._fail(listener_id, sync.library_id, error.message)
            except Exception:  # whatever it is, the other libraries go on
                log.exception("a library could not be read")
                self._fail(listener_id, sync.library_id, "something unexpected happened while it was read")

    def _due(self) -> Sequence[Row[Any]]:
        """Return the libraries whose time has come, marked as being read."""
        with self.libraries.database.begin() as session:
            return session.execute(
                text(
                    """
                    update library
                    set read = 0
                    where listener_id in (
                        select listener_id
                        from library
                        where next_sync_at <= :now and not listener_id = any(:running)
                        order by next_sync_at
                        limit :free
                        for update skip locked
                    )
                    returning listener_id, library_id, address, user_name, credential, sign_in
                    """
                ),
                {
                    "now": self.libraries.clock(),
                    "running": list(self.running),
                    "free": max(0, AT_ONCE - len(self.running)),
                },
            ).all()

    def _fail(self, listener_id: UUID, library_id: UUID, words: str) -> None:
        now = self.libraries.clock()
        with self.libraries.database.begin() as session:
            failures = session.execute(
                text(
                    """
                    update library
                    set read = null, failures = failures + 1, error = :words, next_sync_at = :next
                    where listener_id = :listener and library_id = :library
                    returning failures
                    """
                ),
                {"listener": listener_id, "library": library_id, "words": words, "next": now + FIRST_RETRY},
            ).scalar()
            if failures:
                session.execute(
                    text("update library set next_sync_at = :next where listener_id = :listener"),
                    {"listener": listener_id, "next": retry_at(now, failures)},
                )


def retry_at(now: datetime, failures: int) -> datetime:
    """Return when to try again: after five minutes, then twice as long each time, up to six hours."""
    return now + min(LAST_RETRY, FIRST_RETRY * (1 << min(failures - 1, 10)))


def to_row(song: Song) -> dict[str, Any] | None:
    """Return a song as it is stored; None where nothing is left of its names."""
    try:
        key = recording_key(song.artist, song.title)
    except EmptyName:
        return None
    return {**msgspec.structs.asdict(song), "recording_key": key, "loose_key": loose_key(song.artist, song.title)}
