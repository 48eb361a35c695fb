"""The models of an instance: a folder each, named by its content, kept in the instance's storage."""

import shutil
from collections.abc import Callable
from pathlib import Path

from app.modules.training.storage import Storage


class ModelStore:
    def __init__(self, home: Path, storage: Storage, sign: Callable[[Path], None]) -> None:
        self.home = home
        self.storage = storage
        self.sign = sign

    def publish(self, sha256: str) -> None:
        """Sign and keep a model that was made here."""
        self.sign(self.home / sha256)
        self.keep(sha256)

    def keep(self, sha256: str) -> None:
        """Keep a model that is signed."""
        self.storage.push(self.home / sha256)

    def remove(self, sha256: str) -> None:
        shutil.rmtree(self.home / sha256, ignore_errors=True)
        self.storage.drop(self.home / sha256)

    def folder(self, sha256: str) -> Path:
        """Return where a model's files are, fetched where they are kept elsewhere."""
        self.storage.pull(self.home / sha256)
        return self.home / sha256
