"""Snapshots: taken from the training feed, kept as files and a row."""

import re
import time
from collections.abc import Callable
from pathlib import Path
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
from app.modules.training.plays import EventTable, Plays

Pull = Callable[[str, int], FeedPage[TrainingEvent]]
Progress = Callable[[float, str], None]

PAGE = 10_000
PATIENCE_S = 30.0  # for a restart of `listens` in the middle of a snapshot
BEGINNING = re.compile(r"[0-9a-f]{4,64}")


class Snapshots:
    """Takes, finds and checks the snapshots below `home`."""

    def __init__(self, database: Database, home: Path, pull: Pull) -> None:
        self.database = database
        self.home = home
        self.pull = pull

    def create(self, progress: Progress = lambda _fraction, _step: None) -> Snapshot:
        """Go on from the newest snapshot where there is one: what was read before is not read again."""
        table, cursor = self._base()
        try:
            cursor = self._read_feed(table, cursor, progress)
        except FeedReset:
            table = EventTable()
            cursor = self._read_feed(table, "", progress)
        with self.database.begin() as session:
            erased = session.execute(text("select pseudonym from erasure")).scalars().all()
        table.add([TrainingEvent("forgotten", pseudonym) for pseudonym in erased])
        snapshot_id, content = snapshot_files.write(self.home, table.plays(), cursor)
        with self.database.begin() as session:
            self.store(session, snapshot_id, content, cursor)
        return self.get(snapshot_id)

    def store(
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
                                      bytes, parent_id, reason)
                values (:id, coalesce(:created_at, now()), :rows, :listeners, :recordings, :artists, :cursor,
                        :bytes, :parent_id, :reason)
                on conflict (snapshot_id) do update set feed_cursor = excluded.feed_cursor
                """
            ),
            {
                "id": snapshot_id,
                "created_at": parent.created_at if parent else None,
                "cursor": cursor,
                "bytes": sum(facts["bytes"] for facts in content["files"].values()),
                "parent_id": parent.snapshot_id if parent else None,
                "reason": reason,
                **content,
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

    def _base(self) -> tuple[EventTable, str]:
        table = EventTable()
        newest = next(iter(self.list()), None)
        if newest is not None:
            try:
                table.add_plays(self.read(newest.snapshot_id))
                return table, newest.feed_cursor
            except snapshot_files.Damaged:
                return EventTable(), ""
        return table, ""

    def _read_feed(self, table: EventTable, cursor: str, progress: Progress) -> str:
        count = 0
        while True:
            progress(0.0, f"reading listens ({count:,})")
            page = self._patiently(cursor, progress)
            table.add(page.events)
            count += len(page.events)
            if page.cursor == cursor or not page.events:
                return page.cursor
            cursor = page.cursor

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
        damaged = snapshot_files.damaged_files(self.home / snapshot.snapshot_id)
        return SnapshotCheck(snapshot.snapshot_id, not damaged, damaged)

    def read(self, snapshot_id: str) -> Plays:
        """Return a snapshot's plays. Raises Damaged."""
        return snapshot_files.read(self.home / snapshot_id)


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
