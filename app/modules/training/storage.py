"""Where snapshots and models are kept: in the data folder, or in a bucket, of which the data folder holds copies.

Files are named by what is in them and never change, so a copy needs no looking after and may be removed at any time.
A folder is complete where its manifest is, which is written last.
"""

import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from app.kernel.contract import ServiceUnavailable
from app.settings import Settings, SettingsError

MANIFEST = "manifest.json"


class Storage(Protocol):
    def push(self, path: Path) -> None:
        """Keep a file, or a folder's files."""

    def pull(self, path: Path) -> None:
        """Let a file or folder that is kept be here; what is here already stays."""

    def refresh(self, path: Path) -> None:
        """Let what is here be what is kept."""

    def drop(self, path: Path) -> None:
        """Keep a file or folder no longer."""

    def names(self, folder: Path) -> set[str]:
        """Return the names of files that are kept beyond this machine."""


class DataFolder:
    """Files are kept where they are written."""

    def push(self, path: Path) -> None: ...

    def pull(self, path: Path) -> None: ...

    def refresh(self, path: Path) -> None: ...

    def drop(self, path: Path) -> None: ...

    def names(self, folder: Path) -> set[str]:
        return set()


class Bucket:
    """Files are kept below an address of fsspec's, by their path below `home`."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url.rstrip("/")
        self.home = home

    @cached_property
    def _files(self) -> Any:
        # opened when it is first used: it has a thread, which the worker's children would not inherit
        import fsspec

        return fsspec.url_to_fs(self.url, use_listings_cache=False)[0]

    def push(self, path: Path) -> None:
        files = sorted(path.iterdir(), key=lambda file: file.name == MANIFEST) if path.is_dir() else [path]
        with _reached():
            for file in files:
                self._files.put_file(str(file), self._key(file))

    def pull(self, path: Path) -> None:
        if not path.exists():
            self.refresh(path)

    def refresh(self, path: Path) -> None:
        key = self._key(path)
        with _reached():
            kept = {name: name.removeprefix(key).lstrip("/") for name in self._files.find(key)}
        if not kept or ("" not in kept.values() and MANIFEST not in kept.values()):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=path.parent))
        try:
            unfinished.chmod(0o755)
            with _reached():
                for name, below in kept.items():
                    self._files.get_file(name, str(unfinished / (below or path.name)))
            if "" in kept.values():
                os.replace(unfinished / path.name, path)
            else:
                shutil.rmtree(path, ignore_errors=True)
                unfinished.rename(path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def drop(self, path: Path) -> None:
        with _reached(), contextlib.suppress(FileNotFoundError):
            self._files.rm(self._key(path), recursive=True)

    def names(self, folder: Path) -> set[str]:
        with _reached():
            return {name.rsplit("/", 1)[-1] for name in self._files.find(self._key(folder))}

    def _key(self, path: Path) -> str:
        return f"{self._files._strip_protocol(self.url)}/{path.relative_to(self.home).as_posix()}"


def storage_of(settings: Settings) -> Storage:
    """Return where this instance keeps its files. Raises SettingsError where what that takes is not installed."""
    if not settings.storage_url:
        return DataFolder()
    scheme = settings.storage_url.split("://", 1)[0]
    needed = ("fsspec", "s3fs") if scheme == "s3" else ("fsspec",)
    if not all(importlib.util.find_spec(name) for name in needed):
        raise SettingsError(f"SEGUE_STORAGE_URL: {scheme}:// needs more; install it with `pip install 'segue[s3]'`")
    return Bucket(settings.storage_url, settings.data_dir)


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Say of whatever goes wrong with a bucket that it can't be reached: each kind of storage has its own errors."""
    try:
        yield
    except Exception as error:
        raise ServiceUnavailable(f"the storage can't be used: {error}") from error
