"""Snapshots: taken from the training feed, kept as files and a row."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.events import FeedPage
from app.contracts.listens import TrainingEvent
from app.contracts.training import Snapshot, SnapshotCheck, SnapshotNotFound
from app.kernel.contract import DeadlineExceeded, ServiceUnavailable
from app.kernel.db import Database
from app.kernel.feed import FeedReset
from app.modules.training import snapshot_files
from app.modules.training.plays import Plays
from app.modules.training.snapshot_store import SnapshotStore
from app.modules.training.spill import Spill

Pull = Callable[[str, int], FeedPage[TrainingEvent]]
Progress = Callable[[float, str], None]

PAGE = 1000
BRISK = 20_000  # events, which are there soon; beyond it whoever submits a listen meanwhile comes first
REST = 2.0  # times as long as a step took
LONGEST_REST_S = 1.0
FACTS = ("rows", "listeners", "recordings", "artists", "bytes", "schema_version", "files", "new_bytes")
PATIENCE_S = 30.0  # for a restart of `listens` in the middle of a snapshot
BEGINNING = re.compile(r"[0-9a-f]{4,64}")


class Pace:
    """Counts the events of a snapshot, and rests after each of its steps where they are many."""

    def __init__(self) -> None:
        self.events = 0
        self._since = time.monotonic()

    def rest(self, events: int = 0) -> None:
        """Rest after a step that read so many events."""
        self.events += events
        if self.events > BRISK:
            time.sleep(min(LONGEST_REST_S, REST * (time.monotonic() - self._since)))
        self._since = time.monotonic()


class Snapshots:
    """Takes, finds and checks the snapshots below `home`."""

    def __init__(self, database: Database, store: SnapshotStore, pull: Pull, *, kept: int = 14) -> None:
        self.database = database
        self.store = store
        self.home = store.home
        self.pull = pull
        self.kept = kept

    def create(self, progress: Progress = lambda _fraction, _step: None) -> Snapshot:
        """Go on from the newest snapshot where there is one: what was read before is not read again."""
        pace = Pace()
        with self.alone(), Spill(self.home) as spill:
            base, cursor, newest = self._base()
            with self.database.begin() as session:
                erased = {each.bytes for each in session.execute(text("select pseudonym from erasure")).scalars()}
            try:
                cursor = self._read_feed(spill, cursor, erased, pace, progress)
            except FeedReset:
                base, newest, pace = None, None, Pace()
                spill.clear()
                cursor = self._read_feed(spill, "", erased, pace, progress)
            progress(0.0, "writing the snapshot")
            if newest is not None and not spill.touched():
                content = base or {}
            else:
                content = snapshot_files.grow(self.home, base, spill, pace.rest)
            snapshot_id, content = self.store.keep(content, {"feed_cursor": cursor}, base)
            with self.database.begin() as session:
                self.enter(session, snapshot_id, content, cursor)
            self._let_go()
        return self.get(snapshot_id)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time write and remove snapshots."""
        with self.database.dedicated() as connection:
            connection.execute(text("select pg_advisory_lock(hashtext('snapshots'))"))
            yield

    def _let_go(self) -> None:
        """Remove the oldest snapshots beyond those that are kept; what a champion or a run under way needs stays."""
        with self.database.begin() as session:
            gone = list(
                session.execute(
                    text(
                        """
                        delete from snapshot
                        where snapshot_id in (
                            select snapshot_id from snapshot order by created_at desc, snapshot_id offset :kept
                        )
                        and snapshot_id not in (
                            select snapshot_id from model
                            where snapshot_id is not null and state in ('champion', 'canary', 'shadow', 'candidate')
                            union all
                            select snapshot_id from run where snapshot_id is not null and ended_at is null
                        )
                        returning snapshot_id
                        """
                    ),
                    {"kept": self.kept},
                ).scalars()
            )
        for snapshot_id in gone:
            self.store.remove(snapshot_id)
        self.sweep()

    def sweep(self) -> None:
        """Remove the files that no snapshot has."""
        self.store.sweep([each.snapshot_id for each in self.list()])

    def enter(
        self,
        session: Session,
        snapshot_id: str,
        content: dict[str, Any],
        cursor: str,
        *,
        parent: Snapshot | None = None,
        reason: str | None = None,
    ) -> None:
        """Enter a snapshot whose files are written; one that takes another's place names it, and why."""
        session.execute(
            text(
                """
                insert into snapshot (snapshot_id, created_at, rows, listeners, recordings, artists, feed_cursor,
                                      bytes, parent_id, reason, schema_version, files, new_bytes)
                values (:id, coalesce(:created_at, now()), :rows, :listeners, :recordings, :artists, :cursor,
                        :bytes, :parent_id, :reason, :schema_version, :files, :new_bytes)
                on conflict (snapshot_id) do update set feed_cursor = excluded.feed_cursor
                """
            ),
            {
                "id": snapshot_id,
                "created_at": parent.created_at if parent else None,
                "cursor": cursor,
                "parent_id": parent.snapshot_id if parent else None,
                "reason": reason,
                **{name: content[name] for name in FACTS},
            },
        )

    def current(self, snapshot_id: str) -> str:
        """Return the snapshot that stands in the place of one that a run or model names."""
        with self.database.begin() as session:
            found: str = session.execute(
                text(
                    """
                    with recursive line as (
                        select cast(:id as text) as snapshot_id, 0 as depth
                        union
                        select s.snapshot_id, depth + 1 from snapshot s join line on s.parent_id = line.snapshot_id
                        where depth < 1000
                    )
                    select snapshot_id from line order by depth desc limit 1
                    """
                ),
                {"id": snapshot_id},
            ).scalar_one()
        return found

    def _base(self) -> tuple[snapshot_files.Content | None, str, Snapshot | None]:
        """Return what to go on from: content and cursor of the newest snapshot, where it is whole."""
        newest = next(iter(self.list()), None)
        if newest is None or self.store.damaged(newest.snapshot_id):
            return None, "", None
        return self.store.content(newest.snapshot_id), newest.feed_cursor, newest

    def _read_feed(self, spill: Spill, cursor: str, erased: set[bytes], pace: Pace, progress: Progress) -> str:
        while True:
            progress(0.0, f"reading listens ({pace.events:,})")
            page = self._patiently(cursor, progress)
            spill.add(page.events, erased)
            if page.cursor == cursor or not page.events:
                return page.cursor
            cursor = page.cursor
            pace.rest(len(page.events))

    def _patiently(self, cursor: str, progress: Progress) -> FeedPage[TrainingEvent]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.pull(cursor, PAGE)
            except (ServiceUnavailable, DeadlineExceeded):
                if time.monotonic() > deadline:
                    raise
                progress(0.0, "waiting for listens")
                time.sleep(0.5)

    def has_more_than(self, snapshot: Snapshot | None) -> bool:
        """Tell whether the feed has anything after a snapshot (or at all)."""
        try:
            return bool(self.pull(snapshot.feed_cursor if snapshot else "", 1).events)
        except FeedReset:
            return True

    def list(self) -> list[Snapshot]:
        with self.database.begin() as session:
            rows = session.execute(text("select * from snapshot order by created_at desc, snapshot_id")).all()
        return [_snapshot(row) for row in rows]

    def before(self, snapshot_id: str) -> Snapshot | None:
        """Return the snapshot that was taken before one and is still there, None where there is none."""
        listed = self.list()
        places = [place for place, each in enumerate(listed) if each.snapshot_id == snapshot_id]
        older = listed[places[0] + 1 :] if places else listed
        return next(iter(older), None)

    def get(self, beginning: str) -> Snapshot:
        """Return the one snapshot whose id begins so. Raises SnapshotNotFound."""
        if not BEGINNING.fullmatch(beginning):
            raise SnapshotNotFound
        with self.database.begin() as session:
            rows = session.execute(
                text("select * from snapshot where starts_with(snapshot_id, :beginning) limit 2"),
                {"beginning": beginning},
            ).all()
        if len(rows) > 1:
            raise SnapshotNotFound(f"several snapshots begin with {beginning}; give more of the id")
        if not rows:
            raise SnapshotNotFound
        return _snapshot(rows[0])

    def check(self, beginning: str) -> SnapshotCheck:
        snapshot = self.get(beginning)
        self.store.refresh(snapshot.snapshot_id)
        damaged = self.store.damaged(snapshot.snapshot_id)
        return SnapshotCheck(snapshot.snapshot_id, not damaged, damaged)

    def read(self, snapshot_id: str) -> Plays:
        """Return a snapshot's plays. Raises Damaged."""
        return self.store.read(snapshot_id)


def _snapshot(row: Row[Any]) -> Snapshot:
    return Snapshot(
        row.snapshot_id,
        row.created_at,
        row.rows,
        row.listeners,
        row.recordings,
        row.artists,
        row.feed_cursor,
        row.bytes,
        row.parent_id,
        row.reason,
        row.schema_version,
        row.files,
        row.new_bytes,
    )
