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
            unfinished.rename(home / sha256)
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
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
        raise DamagedArtefact(f"{folder.name}: format {manifest.get('format')!r} is not {FORMAT}")
    files: dict[str, Any] = manifest
    return files


def open_artefact(folder: Path) -> Artefact:
    """Verify and memory-map a model. Raises DamagedArtefact when anything is missing, cut short or changed."""
    manifest = read_manifest(folder)
    arrays = {name: _open(folder, manifest, name, dtype) for name, dtype in ARRAYS.items()}
    items = len(arrays["keys"])
    indptr, indices = arrays["indptr"], arrays["indices"]
    is_sound = (
        arrays["keys"].shape == (items, 16)
        and indptr.shape == (items + 1,)
        and arrays["popularity"].shape == (items,)
        and indices.shape == arrays["data"].shape == (int(indptr[-1]),)
        and indptr[0] == 0
        and bool((np.diff(indptr) >= 0).all())
        and (not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < items))
    )
    if not is_sound:
        raise DamagedArtefact(f"{folder.name}: the arrays don't fit each other")
    raw = arrays["keys"].tobytes()
    place = {raw[i * 16 : i * 16 + 16]: i for i in range(items)}
    return Artefact(
        folder.name,
        manifest,
        arrays["keys"],
        Scorer(indptr, indices, arrays["data"], arrays["popularity"]),
        place,
    )


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
