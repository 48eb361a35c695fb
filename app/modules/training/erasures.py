"""Taking erased people out of kept snapshots.

A snapshot never changes: one that holds an erased person is replaced by a child without them, which says why, and its
own files go. Pseudonyms of the erased are kept, so that no later snapshot brings back what an older one held.
"""

import logging
import shutil
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import TrainingEvent
from app.contracts.training import Snapshot
from app.kernel.db import Database
from app.modules.training import snapshot_files
from app.modules.training.plays import EventTable, Plays
from app.modules.training.snapshots import Snapshots

log = logging.getLogger(__name__)

REASON = "a person was erased"


def note(session: Session, pseudonyms: Sequence[UUID]) -> None:
    """Note whom to take out; what the follower of erasures does with a page."""
    for pseudonym in pseudonyms:
        session.execute(
            text("insert into erasure (pseudonym) values (:pseudonym) on conflict do nothing"),
            {"pseudonym": pseudonym},
        )


def without(plays: Plays, pseudonyms: Sequence[UUID]) -> Plays:
    """Return plays without some people."""
    table = EventTable()
    table.add_plays(plays)
    table.add([TrainingEvent("forgotten", pseudonym) for pseudonym in pseudonyms])
    return table.plays()


class Erasures:
    def __init__(self, database: Database, snapshots: Snapshots) -> None:
        self.database = database
        self.snapshots = snapshots

    def apply(self) -> int:
        """Take the people who wait for it out of every snapshot; return how many snapshots were replaced.

        Repeated after a crash it goes on: a snapshot without them is left as it is.
        """
        with self.database.begin() as session:
            waiting = list(session.execute(text("select pseudonym from erasure where not is_applied")).scalars())
        if not waiting:
            return 0
        replaced = sum(self._replace(snapshot, waiting) for snapshot in self.snapshots.list())
        with self.database.begin() as session:
            session.execute(
                text("update erasure set is_applied = true where pseudonym = any(:waiting)"), {"waiting": waiting}
            )
        log.info("people were taken out of snapshots", extra={"people": len(waiting), "snapshots": replaced})
        return replaced

    def has_traces(self, pseudonym: UUID) -> bool:
        """Say whether any snapshot may still hold a person."""
        with self.database.begin() as session:
            applied = session.execute(
                text("select is_applied from erasure where pseudonym = :pseudonym"), {"pseudonym": pseudonym}
            ).scalar_one_or_none()
        return not applied

    def _replace(self, snapshot: Snapshot, pseudonyms: Sequence[UUID]) -> bool:
        try:
            plays = self.snapshots.read(snapshot.snapshot_id)
        except snapshot_files.Damaged:
            # what can't be read can't be trained on, but may still hold them
            shutil.rmtree(self.snapshots.home / snapshot.snapshot_id, ignore_errors=True)
            return False
        if not {each.bytes for each in pseudonyms} & set(plays.people):
            return False
        child = without(plays, pseudonyms)
        child_id, content = snapshot_files.write(self.snapshots.home, child, snapshot.feed_cursor)
        with self.database.begin() as session:
            self.snapshots.store(session, child_id, content, snapshot.feed_cursor, parent=snapshot, reason=REASON)
            session.execute(text("delete from snapshot where snapshot_id = :id"), {"id": snapshot.snapshot_id})
        shutil.rmtree(self.snapshots.home / snapshot.snapshot_id, ignore_errors=True)
        return True
