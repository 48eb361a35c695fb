"""The snapshots of an instance: written and read here, kept in its storage, sealed by its key."""

import contextlib
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from app.modules.training import snapshot_files
from app.modules.training.plays import Plays
from app.modules.training.snapshot_files import FILES, Content, Damaged, Seal
from app.modules.training.storage import Storage


class SnapshotStore:
    def __init__(self, home: Path, storage: Storage, seal: Seal) -> None:
        self.home = home
        self.storage = storage
        self.seal = seal

    def keep(
        self, content: Content, said: dict[str, Any], base: Content | None, *, is_replaced: bool = False
    ) -> tuple[str, Content]:
        """Write and keep a snapshot; return its id and content. What it shares with `base` is kept already."""
        snapshot_id = snapshot_files.keep(self.home, content, said, self.seal, is_replaced=is_replaced)
        content = snapshot_files.content_of(self.home, snapshot_id)
        known = set(snapshot_files.names_of(base)) if base else set()
        for name, _ in set(snapshot_files.names_of(content)) - known:
            self.storage.push(self.home / FILES / name)
        self.storage.push(self.home / snapshot_id)
        return snapshot_id, content

    def content(self, snapshot_id: str) -> Content:
        """Return what a snapshot has. Raises Damaged."""
        self.storage.pull(self.home / snapshot_id)
        return snapshot_files.content_of(self.home, snapshot_id)

    def damaged(self, snapshot_id: str) -> list[str]:
        """Return the files of a snapshot that are not what they should be, after looking for better ones."""
        with contextlib.suppress(Damaged):
            for name, _ in snapshot_files.names_of(self.content(snapshot_id)):
                self.storage.pull(self.home / FILES / name)
        if snapshot_files.damaged_files(self.home, snapshot_id, self.seal):
            self.refresh(snapshot_id)
        return snapshot_files.damaged_files(self.home, snapshot_id, self.seal)

    def refresh(self, snapshot_id: str) -> None:
        """Let what is here of a snapshot be what is kept."""
        self.storage.refresh(self.home / snapshot_id)
        with contextlib.suppress(Damaged):
            for name, _ in snapshot_files.names_of(self.content(snapshot_id)):
                self.storage.refresh(self.home / FILES / name)

    def read(self, snapshot_id: str) -> Plays:
        """Read a snapshot's plays. Raises Damaged."""
        if found := self.damaged(snapshot_id):
            raise Damaged(f"snapshot {snapshot_id}: {', '.join(found)}")
        return snapshot_files.plays_of(snapshot_files.buckets(self.home, self.content(snapshot_id)))

    def remove(self, snapshot_id: str) -> None:
        shutil.rmtree(self.home / snapshot_id, ignore_errors=True)
        self.storage.drop(self.home / snapshot_id)

    def sweep(self, kept: Collection[str]) -> None:
        """Remove all but these snapshots, here and in the storage; nobody else may be writing one.

        A machine that holds copies lets go of those that another one removed when it next takes a snapshot.
        """
        needed: set[str] = set()
        for snapshot_id in kept:
            with contextlib.suppress(Damaged):
                needed |= {name for name, _ in snapshot_files.names_of(self.content(snapshot_id))}
        for manifest in self.home.glob(f"*/{snapshot_files.MANIFEST}"):
            if manifest.parent.name not in kept:
                shutil.rmtree(manifest.parent, ignore_errors=True)
        for file in (self.home / FILES).glob("*"):
            if file.name not in needed:
                file.unlink(missing_ok=True)
        for name in self.storage.names(self.home / FILES) - needed:
            self.storage.drop(self.home / FILES / name)
