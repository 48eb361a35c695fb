"""Works on imports: examines a file, takes it over in batches, undoes one.

Each batch is one transaction that also notes how many of the file's items are handled, so that a killed import goes on
behind them and nothing is taken twice. A batch is only stored while the import is still wanted.
"""

import contextlib
import gc
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from app.contracts.imports import Import, ImportCounts
from app.contracts.listens import FeedbackSet
from app.contracts.playlists import NewEntry, Playlist, PlaylistNotFound
from app.contracts.services import Services
from app.kernel import feed
from app.kernel.clock import Clock
from app.kernel.contract import DomainError
from app.kernel.db import Database
from app.modules.listens import import_batches, imports, log, playcounts
from app.modules.listens.formats import Fix, History, Mix, Unreadable, open_history
from app.modules.listens.import_batches import KNOWN, SKIPPED, Batch, Preview
from app.modules.listens.import_files import ImportFiles

logger = logging.getLogger(__name__)
T = TypeVar("T")

BATCH = 5000
UNDO_BATCH = 500
FIXES = 100  # corrections in one call
LOCK = text("select pg_try_advisory_lock(hashtextextended('import ' || :id, 0))")


class NotWanted(Exception):
    """The import was cancelled, or its person is gone."""


class Taken(NamedTuple):
    """How far an import is: what it counted, how many items are handled, and where its report ends."""

    counts: ImportCounts
    handled: int
    report_bytes: int


class Importer:
    def __init__(self, database: Database, services: Services, clock: Clock, files: ImportFiles) -> None:
        self.database = database
        self.services = services
        self.clock = clock
        self.files = files

    def advance(self, import_id: UUID, *, for_s: float | None = None) -> bool:
        """Work on an import to its end, or for some seconds; False when another process is at it."""
        with self.database.dedicated() as connection:
            if not _lock(connection, import_id):
                return False
            with self.database.begin() as session:
                found = imports.get(session, import_id)
            until = float("inf") if for_s is None else time.monotonic() + for_s
            try:
                self._work(found, until)
            except NotWanted:
                logger.info("an import is not wanted any more", extra={"import": str(import_id)})
            except Unreadable as error:
                self._fail(found, str(error))
            except OSError as error:
                self._fail(found, f"The file can't be read: {error.strerror}.")
            except DomainError as error:
                if error.status >= 500:  # something is away: the import goes on when that is back
                    raise
                self._fail(found, error.message)
            except Exception as error:
                # whatever went wrong, the row must say so: nobody waits for this process
                logger.exception("import failed", extra={"import": str(import_id)})
                self._fail(found, f"Something went wrong here ({type(error).__name__}).")
        return True

    def _work(self, found: Import, until: float) -> None:
        if found.state == "examining":
            self._examine(found)
        elif found.state == "running":
            self._run(found, until)
        elif found.state == "undoing":
            self._undo(found, until)

    def _fail(self, found: Import, error: str) -> None:
        logger.warning("import failed", extra={"import": str(found.import_id), "reason": error})
        with self.database.begin() as session:
            imports.note(session, found.import_id, found.state, self.clock(), state="failed", error=error[:500])

    def _keep(self, session: Session, found: Import, **changes: Any) -> None:
        """Note how far an import is, in the transaction of what was done. Raises NotWanted, which undoes both."""
        if not imports.note(session, found.import_id, found.state, self.clock(), **changes):
            raise NotWanted

    def _open(self, found: Import) -> tuple[History, int, int]:
        """Return the file, how many of its items are handled, and where the report ends. Raises Unreadable."""
        with self.database.begin() as session:
            timezone, handled, report_bytes = session.execute(
                text("select timezone, handled, report_bytes from import_run where import_id = :id"),
                {"id": found.import_id},
            ).one()
        history = open_history(self.files.upload(found.import_id), found.format, timezone, self.clock())
        return history, handled, report_bytes

    def _examine(self, found: Import) -> None:
        history, _, _ = self._open(found)
        preview = Preview()
        with self._prepared(history, found) as batches:
            for batch in batches:
                preview.add(batch)
                with self.database.begin() as session:
                    preview.duplicates += log.count_known(session, batch.rows)
                    self._keep(session, found, progress=_share(history))
        result = msgspec.json.encode(preview.result(history.notes)).decode()
        with self.database.begin() as session:
            self._keep(session, found, state="ready", progress=1.0, format=history.format, preview=result)

    def _run(self, found: Import, until: float) -> None:
        history, handled, report_bytes = self._open(found)
        taken = Taken(found.counts, handled, report_bytes)
        with self._prepared(history, found, handled) as batches:
            for batch in batches:
                if time.monotonic() > until:
                    return
                made = self._make_playlists(batch, found.listener_id)
                self._restore_corrections(batch, found.listener_id)
                taken = self._take(found, history, batch, made, taken)
        with self.database.begin() as session:
            self._keep(session, found, state="done", progress=1.0)
        self.files.drop_upload(found.import_id)

    def _take(self, found: Import, history: History, batch: Batch, made: list[UUID], taken: "Taken") -> "Taken":
        """Store a batch with its part of the report, and what playlists were made of it."""
        with self.database.begin() as session:
            if log.lock_listeners(session, [found.listener_id]):
                raise NotWanted
            import_batches.store(session, batch, found, history.client, self.clock())
            taken = Taken(
                import_batches.counted(taken.counts, batch),
                taken.handled + len(batch.items),
                self.files.append(found.import_id, taken.report_bytes, batch.report()),
            )
            self._keep(
                session,
                found,
                handled=taken.handled,
                report_bytes=taken.report_bytes,
                counts=msgspec.json.encode(taken.counts).decode(),
                progress=_share(history),
            )
            if made:
                session.execute(
                    text("update import_run set playlists = playlists || :made where import_id = :id"),
                    {"made": made, "id": found.import_id},
                )
        return taken

    @contextlib.contextmanager
    def _prepared(self, history: History, found: Import, handled: int = 0) -> Iterator[Iterator[Batch]]:
        """Read and check batches behind the items that are handled, one ahead of the one that is being stored."""
        items = itertools.islice(iter(history), handled, None)

        def following() -> Batch | None:
            part = list(itertools.islice(items, BATCH))
            return import_batches.prepared(part, found, history.client, self.clock()) if part else None

        with _rare_collections(), ThreadPoolExecutor(1) as ahead:
            yield _one_ahead(ahead, following)

    def _make_playlists(self, batch: Batch, listener_id: UUID) -> list[UUID]:
        """Make the playlists of a batch, unless there is one like it: another module's, so outside the transaction."""
        mixes = [(place, item) for place, item in enumerate(batch.items) if isinstance(item, Mix)]
        if not mixes:
            return []
        there = {_looks(each) for each in self.services.playlists.list_playlists(listener_id)}
        made = []
        for place, mix in mixes:
            entries = [NewEntry(*entry) for entry in mix.entries if entry.artist.strip() and entry.title.strip()]
            if (mix.name.strip(), len(entries)) in there:
                batch.outcomes[place] = (KNOWN, "")
                continue
            try:
                playlist = self.services.playlists.create_playlist(
                    listener_id, mix.name, mix.description, mix.is_public, entries
                )
            except DomainError as error:
                if error.status >= 500:
                    raise
                batch.outcomes[place] = (SKIPPED, error.message)
            else:
                there.add(_looks(playlist))
                made.append(playlist.playlist_id)
        return made

    def _restore_corrections(self, batch: Batch, listener_id: UUID) -> None:
        """Let corrections hold again, outside the transaction: they stay when the import is undone."""
        fixes = [(place, item.correction) for place, item in enumerate(batch.items) if isinstance(item, Fix)]
        for start in range(0, len(fixes), FIXES):
            part = fixes[start : start + FIXES]
            are_new = self.services.catalog.restore_corrections(listener_id, [correction for _, correction in part])
            for (place, _), is_new in zip(part, are_new, strict=True):
                if not is_new:
                    batch.outcomes[place] = (KNOWN, "")

    def _undo(self, found: Import, until: float) -> None:
        with self.database.begin() as session:
            playlists = session.execute(
                text("select playlists from import_run where import_id = :id"), {"id": found.import_id}
            ).scalar_one()
        for playlist_id in playlists:
            try:
                self.services.playlists.delete_playlist(playlist_id)
            except PlaylistNotFound:
                continue
        total = max(1, found.counts.listens)
        undone = 0
        while True:
            with self.database.begin() as session:
                count = _delete_some(session, found)
                undone += count
                self._keep(session, found, progress=min(0.99, undone / total))
            if count == 0:
                break
            if time.monotonic() > until:
                return
        with self.database.begin() as session:
            _delete_rest(session, found)
            self._keep(session, found, state="undone", progress=1.0, playlists=[], handled=0)
        self.files.drop_upload(found.import_id)


def _lock(connection: Connection, import_id: UUID) -> bool:
    return bool(connection.execute(LOCK, {"id": str(import_id)}).scalar_one())


def _one_ahead(ahead: ThreadPoolExecutor, following: Callable[[], T | None]) -> Iterator[T]:
    """Yield what comes, while the next is made in another thread."""
    coming = ahead.submit(following)
    while (there := coming.result()) is not None:
        coming = ahead.submit(following)
        yield there


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage in cycles less often: a batch is some ten thousand objects and none of them is in one.

    Otherwise more than half of the time goes into looking.
    """
    usual = gc.get_threshold()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _share(history: History) -> float:
    return min(0.999, history.done / max(1, history.size))


def _looks(playlist: Playlist) -> tuple[str, int]:
    return playlist.name, playlist.entry_count


def _delete_some(session: Session, found: Import) -> int:
    """Delete some of an import's listens; those of other clients that they hid come back."""
    rows = session.execute(
        text(
            """
            select listened_at, recording_key
            from listen
            where import_id = :id
            order by listened_at, recording_key
            limit :limit
            """
        ),
        {"id": found.import_id, "limit": UNDO_BATCH},
    ).all()
    for row in rows:
        log.delete(session, found.listener_id, row.listened_at, row.recording_key)
    return len(rows)


def _delete_rest(session: Session, found: Import) -> None:
    """Delete an import's loves and totals."""
    said = session.execute(
        text("delete from feedback where import_id = :id returning kind, key"), {"id": found.import_id}
    ).all()
    feed.append(session, [FeedbackSet(found.listener_id, row.kind, row.key, 0) for row in said])
    if found.counts.playcounts:
        playcounts.drop(session, found.listener_id, f"import:{found.format}")
