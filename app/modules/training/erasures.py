"""Taking erased people out of kept snapshots.

A snapshot never changes: one that holds an erased person is replaced by a child without them, which says why and is
signed anew, and its own files go. Pseudonyms of the erased are kept, so that no later snapshot brings back what an
older one held.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.training import Snapshot
from app.kernel.db import Database
from app.modules.training import snapshot_files
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
        with self.snapshots.alone():
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
        store, snapshot_id = self.snapshots.store, snapshot.snapshot_id
        if store.damaged(snapshot_id):
            # what can't be read can't be trained on, but may still hold them
            store.remove(snapshot_id)
            self.snapshots.sweep()
            return False
        content = store.content(snapshot_id)
        child = snapshot_files.without_people(store.home, content, [each.bytes for each in pseudonyms])
        if child is None:
            return False
        said = {"feed_cursor": snapshot.feed_cursor, "parent": snapshot_id, "reason": REASON}
        child_id, child = store.keep(child, said, content, is_replaced=True)
        if child_id != snapshot_id:
            with self.database.begin() as session:
                self.snapshots.enter(session, child_id, child, snapshot.feed_cursor, parent=snapshot, reason=REASON)
                session.execute(text("delete from snapshot where snapshot_id = :id"), {"id": snapshot_id})
            store.remove(snapshot_id)
        self.snapshots.sweep()
        return True
