"""Bringing a model's files here: from the folder that training writes on this machine, or through its contract."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from app.contracts.training import Training

PIECE = 4 * 1024 * 1024
MANIFEST = "manifest.json"


class BrokenDownload(Exception):
    """What arrived is not what was announced."""


class ArtefactCache:
    """Finds artefacts by their hash: in training's own folder where it is on this machine, else in a local cache."""

    def __init__(self, data_dir: Path, training: Callable[[], Training]) -> None:
        self.shared = data_dir / "models"
        self.cache = data_dir / "cache" / "models"
        self.training = training

    def folder(self, sha256: str) -> Path:
        """Return the folder of an artefact, fetching it first where needed. Raises BrokenDownload."""
        for home in (self.shared, self.cache):
            if (home / sha256 / MANIFEST).exists():
                return home / sha256
        self._fetch(sha256)
        return self.cache / sha256

    def drop(self, sha256: str) -> None:
        """Forget a cached artefact that turned out to be damaged; the next look fetches it again."""
        shutil.rmtree(self.cache / sha256, ignore_errors=True)

    def keep_only(self, hashes: set[str]) -> None:
        """Delete cached artefacts that serve nothing any more; whoever has one mapped still reads it to its end."""
        if self.cache.is_dir():
            for folder in self.cache.iterdir():
                if len(folder.name) == 64 and folder.name not in hashes:
                    shutil.rmtree(folder, ignore_errors=True)

    def _fetch(self, sha256: str) -> None:
        self.cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=self.cache))
        try:
            for file in self.training().artefact_files(sha256):
                if "/" in file.name or file.name.startswith("."):
                    raise BrokenDownload(f"{file.name!r} is no name of an artefact's file")
                self._fetch_file(sha256, file.name, file.bytes, file.sha256, unfinished / file.name)
            with contextlib.suppress(OSError):  # another process was quicker
                unfinished.rename(self.cache / sha256)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _fetch_file(self, sha256: str, name: str, size: int, file_sha256: str, target: Path) -> None:
        digest, offset = hashlib.sha256(), 0
        with target.open("wb") as out:
            while offset < size:
                piece = self.training().read_artefact(sha256, name, offset, PIECE)
                if not piece:
                    break
                out.write(piece)
                digest.update(piece)
                offset += len(piece)
        if offset != size or digest.hexdigest() != file_sha256:
            raise BrokenDownload(f"{name} of {sha256} arrived damaged")
