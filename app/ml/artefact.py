"""A model as data: a manifest and plain arrays, named by the SHA-256 of the manifest. Never code, never a pickle."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.scoring import Scorer, scorer_of

FORMAT = 1
MANIFEST = "manifest.json"
ARRAYS: dict[str, type[np.generic]] = {
    "keys": np.uint8,  # (items, 16): the bytes of each item's UUID
    "indptr": np.int64,
    "indices": np.int32,
    "data": np.float32,
    "popularity": np.float32,
}


class DamagedArtefact(Exception):
    """The artefact is not what its manifest says; the message says where."""


@dataclass(frozen=True)
class Artefact:
    """An opened model. `place` finds an item's number by its key."""

    sha256: str
    manifest: dict[str, Any]
    keys: NDArray[np.uint8]
    scorer: Scorer
    place: dict[bytes, int]

    def key(self, item: int) -> UUID:
        return UUID(bytes=self.keys[item].tobytes())

    def find(self, key: UUID) -> int | None:
        """Return the number of an item, None where the model doesn't know it."""
        return self.place.get(key.bytes)


def write(
    home: Path, keys: list[UUID], B: sp.csr_matrix, popularity: NDArray[np.float32], facts: Mapping[str, Any]
) -> str:
    """Write a model below `home`, all or nothing, and return its SHA-256, which is also its folder's name.

    `facts` go into the manifest (kind, parameters, metrics, snapshot); the same facts and arrays give the same bytes.
    """
    scorer = scorer_of(B, popularity)
    arrays: dict[str, NDArray[Any]] = {
        "keys": np.frombuffer(b"".join(key.bytes for key in keys), dtype=np.uint8).reshape(len(keys), 16),
        "indptr": scorer.indptr,
        "indices": scorer.indices,
        "data": scorer.data,
        "popularity": scorer.popularity,
    }
    home.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=home))
    try:
        files = {f"{name}.npy": _save(unfinished / f"{name}.npy", array) for name, array in arrays.items()}
        manifest = {"format": FORMAT, "files": files, **facts}
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        _write_through(unfinished / MANIFEST, text)
        sha256 = hashlib.sha256(text).hexdigest()
        if (home / sha256).exists():
            shutil.rmtree(unfinished)
        else:
            unfinished.chmod(0o755)
            _sync_folder(unfinished)
            unfinished.rename(home / sha256)
            _sync_folder(home)
        return sha256
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _save(file: Path, array: NDArray[Any]) -> dict[str, Any]:
    with file.open("wb") as out:
        np.lib.format.write_array(out, np.ascontiguousarray(array), allow_pickle=False)
        out.flush()
        os.fsync(out.fileno())
    return {"bytes": file.stat().st_size, "sha256": _sha256(file)}


def _write_through(file: Path, content: bytes) -> None:
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a manifest that has the name of its folder. Raises DamagedArtefact."""
    try:
        text = (folder / MANIFEST).read_bytes()
        manifest = json.loads(text)
    except (OSError, ValueError) as error:
        raise DamagedArtefact(f"{folder.name}: no readable manifest ({error})") from None
    if hashlib.sha256(text).hexdigest() != folder.name:
        raise DamagedArtefact(f"{folder.name}: the manifest was changed")
    if not isinstance(manifest, dict):
        raise DamagedArtefact(f"{folder.name}: the manifest is not an object")
    if manifest.get("format") != FORMAT:
        raise DamagedArtefact(f"{folder.name}: format {manifest.get('format')!r} is not {FORMAT}")
    said = manifest.get("files")
    if not isinstance(said, dict) or not all(
        isinstance(file, dict) and isinstance(file.get("bytes"), int) and isinstance(file.get("sha256"), str)
        for file in said.values()
    ):
        raise DamagedArtefact(f"{folder.name}: the manifest doesn't say what its files are")
    return manifest


def open_artefact(folder: Path) -> Artefact:
    """Verify and memory-map a model. Raises DamagedArtefact when anything is missing, cut short or changed."""
    manifest = read_manifest(folder)
    arrays = {name: _open(folder, manifest, name, dtype) for name, dtype in ARRAYS.items()}
    if not _fit_together(arrays):
        raise DamagedArtefact(f"{folder.name}: the arrays don't fit each other")
    raw = arrays["keys"].tobytes()
    place = {raw[i : i + 16]: i // 16 for i in range(0, len(raw), 16)}
    if len(place) != len(arrays["keys"]):
        raise DamagedArtefact(f"{folder.name}: two items have the same key")
    scorer = Scorer(arrays["indptr"], arrays["indices"], arrays["data"], arrays["popularity"])
    return Artefact(folder.name, manifest, arrays["keys"], scorer, place)


def _fit_together(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Say whether the arrays are a square operator with sorted rows, finite, with a key and a popularity per item."""
    keys, indptr, indices, data = (arrays[name] for name in ("keys", "indptr", "indices", "data"))
    if keys.ndim != 2 or keys.shape[1] != 16 or indptr.shape != (len(keys) + 1,):
        return False
    if indptr[0] != 0 or (np.diff(indptr) < 0).any():
        return False
    if arrays["popularity"].shape != (len(keys),) or not indices.shape == data.shape == (int(indptr[-1]),):
        return False
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(keys):
        return False
    # a row's columns rise; where the next row begins they may fall
    may_fall = np.zeros(len(indices) + 1, dtype=bool)
    may_fall[indptr] = True
    is_sorted = bool(((np.diff(indices) > 0) | may_fall[1:-1]).all()) if len(indices) else True
    return is_sorted and bool(np.isfinite(data).all()) and bool(np.isfinite(arrays["popularity"]).all())


def _open(folder: Path, manifest: Mapping[str, Any], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    file = folder / f"{name}.npy"
    said = manifest["files"].get(file.name)
    try:
        if said is None or file.stat().st_size != said["bytes"] or _sha256(file) != said["sha256"]:
            raise DamagedArtefact(f"{folder.name}: {file.name} is not what the manifest says")
        empty = said["bytes"] <= 128
        array: NDArray[Any] = np.load(file, mmap_mode=None if empty else "r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DamagedArtefact(f"{folder.name}: {file.name} can't be read ({error})") from None
    if array.dtype != dtype:
        raise DamagedArtefact(f"{folder.name}: {file.name} holds {array.dtype}, not {np.dtype(dtype)}")
    return array


def size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
