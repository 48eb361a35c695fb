"""A model as data: a manifest and plain arrays, named by the SHA-256 of the manifest. Never code, never a pickle."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.factors import Factors
from app.ml.scoring import Scorer, scorer_of

FORMAT = 2  # format 1 has no factors and no halves
READABLE = (1, 2)
MANIFEST = "manifest.json"
ARRAYS: dict[str, tuple[type[np.generic], ...]] = {
    "keys": (np.uint8,),  # (items, 16): the bytes of each item's UUID
    "indptr": (np.int64,),
    "indices": (np.int32,),
    "data": (np.float32, np.float16),
    "popularity": (np.float32,),
}
FACTORS: dict[str, tuple[type[np.generic], ...]] = {
    "vectors": (np.float32,),
    "dense": (np.float32,),
    "item_weight": (np.float32,),
    "scale": (np.float32,),
}
FOLD = ("listener_power", "mean_entries", "plays_power")  # numbers of the manifest, beside the arrays of FACTORS
TABLE = "table-"  # before the names of further arrays, which a model of another kind has
TABLES = (np.int64, np.int32, np.float32)
HALF = 6e-8  # the smallest half; what is less is no link


class DamagedArtefact(Exception):
    """The artefact is not what its manifest says; the message says where."""


@dataclass(frozen=True)
class Artefact:
    """An opened model."""

    sha256: str
    manifest: dict[str, Any]
    keys: NDArray[np.uint8]
    scorer: Scorer
    tables: dict[str, NDArray[Any]]

    def key(self, item: int) -> UUID:
        return UUID(bytes=self.keys[item].tobytes())

    def find(self, key: UUID) -> int | None:
        """Return the number of an item, None where the model doesn't know it."""
        return self.place.get(key.bytes)

    @cached_property
    def place(self) -> dict[bytes, int]:
        """The number of each item by its key; made when first asked, so that opening is quick."""
        raw = self.keys.tobytes()
        return {raw[i : i + 16]: i // 16 for i in range(0, len(raw), 16)}


def write(
    home: Path,
    keys: list[UUID],
    B: sp.csr_matrix,
    popularity: NDArray[np.float32],
    facts: Mapping[str, Any],
    *,
    factors: Factors | None = None,
    has_halves: bool = False,
    tables: Mapping[str, NDArray[Any]] | None = None,
) -> str:
    """Write a model below `home`, all or nothing, and return its SHA-256, which is also its folder's name.

    `facts` go into the manifest (kind, parameters, metrics, snapshot); the same facts and arrays give the same bytes.
    `has_halves` keeps the links in half precision; `tables` are further arrays of numbers, by name.
    """
    scorer = scorer_of(_halved(B) if has_halves else B, popularity)
    arrays: dict[str, NDArray[Any]] = {
        "keys": np.frombuffer(b"".join(key.bytes for key in keys), dtype=np.uint8).reshape(len(keys), 16),
        "indptr": scorer.indptr,
        "indices": scorer.indices,
        "data": scorer.data.astype(np.float16) if has_halves else scorer.data,
        "popularity": scorer.popularity,
        **({name: getattr(factors, name) for name in FACTORS} if factors else {}),
        **{f"{TABLE}{name}": array for name, array in (tables or {}).items()},
    }
    fold = {"fold": {name: float(getattr(factors, name)) for name in FOLD}} if factors else {}
    home.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=home))
    try:
        files = {f"{name}.npy": _save(unfinished / f"{name}.npy", array) for name, array in arrays.items()}
        manifest = {"format": FORMAT, "files": files, **fold, **facts}
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        write_through(unfinished / MANIFEST, text)
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


def _halved(B: sp.csr_matrix) -> sp.csr_matrix:
    """Return the links that a half can hold."""
    found = B.astype(np.float32, copy=True)
    found.data = np.clip(found.data, -65_000, 65_000)
    found.data[np.abs(found.data) < HALF] = 0
    found.eliminate_zeros()
    return found


def _save(file: Path, array: NDArray[Any]) -> dict[str, Any]:
    with file.open("wb") as out:
        np.lib.format.write_array(out, np.ascontiguousarray(array), allow_pickle=False)
        out.flush()
        os.fsync(out.fileno())
    return {"bytes": file.stat().st_size, "sha256": _sha256(file)}


def write_through(file: Path, content: bytes) -> None:
    """Write a file so that it is on the disk when this returns."""
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
    if manifest.get("format") not in READABLE:
        raise DamagedArtefact(f"{folder.name}: format {manifest.get('format')!r} is not {FORMAT}")
    said = manifest.get("files")
    if not isinstance(said, dict) or not all(
        isinstance(file, dict) and isinstance(file.get("bytes"), int) and isinstance(file.get("sha256"), str)
        for file in said.values()
    ):
        raise DamagedArtefact(f"{folder.name}: the manifest doesn't say what its files are")
    return manifest


def open_artefact(folder: Path, *, is_verified: bool = False) -> Artefact:
    """Verify and memory-map a model. Raises DamagedArtefact when anything is missing, cut short or changed.

    `is_verified` says that another opening on this machine looked at every byte; then only the manifest, sizes and
    types are looked at, which takes milliseconds whatever the size.
    """
    manifest = read_manifest(folder)
    arrays = {name: _open(folder, manifest, name, dtypes, is_verified) for name, dtypes in ARRAYS.items()}
    factors = _open_factors(folder, manifest, len(arrays["keys"]), is_verified)
    if not (is_verified or _fit_together(arrays)):
        raise DamagedArtefact(f"{folder.name}: the arrays don't fit each other")
    scorer = Scorer(arrays["indptr"], arrays["indices"], arrays["data"], arrays["popularity"], factors)
    opened = Artefact(folder.name, manifest, arrays["keys"], scorer, _open_tables(folder, manifest, is_verified))
    if not is_verified and len(opened.place) != len(arrays["keys"]):
        raise DamagedArtefact(f"{folder.name}: two items have the same key")
    return opened


def _open_tables(folder: Path, manifest: Mapping[str, Any], is_verified: bool) -> dict[str, NDArray[Any]]:
    names = [file.removesuffix(".npy") for file in sorted(manifest["files"]) if file.startswith(TABLE)]
    return {name.removeprefix(TABLE): _open(folder, manifest, name, TABLES, is_verified) for name in names}


def _open_factors(folder: Path, manifest: Mapping[str, Any], items: int, is_verified: bool) -> Factors | None:
    fold = manifest.get("fold")
    if fold is None:
        return None
    arrays = {name: _open(folder, manifest, name, dtypes, is_verified) for name, dtypes in FACTORS.items()}
    vectors = arrays["vectors"]
    is_sound = vectors.ndim == 2 and len(vectors) == items and arrays["dense"].shape == (vectors.shape[1],)
    is_sound = is_sound and arrays["item_weight"].shape == arrays["scale"].shape == (items,)
    is_sound = is_sound and bool((arrays["dense"] > 0).all())
    if is_sound and not is_verified:
        is_sound = all(bool(np.isfinite(array).all()) for array in arrays.values())
    if not is_sound or not isinstance(fold, dict) or not all(isinstance(fold.get(name), float) for name in FOLD):
        raise DamagedArtefact(f"{folder.name}: the factors don't fit the items")
    numbers = [fold[name] for name in FOLD]
    return Factors(arrays["vectors"], arrays["dense"], arrays["item_weight"], arrays["scale"], *numbers)


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


def _open(
    folder: Path, manifest: Mapping[str, Any], name: str, dtypes: tuple[type[np.generic], ...], is_verified: bool
) -> NDArray[Any]:
    file = folder / f"{name}.npy"
    said = manifest["files"].get(file.name)
    try:
        is_same = said is not None and file.stat().st_size == said["bytes"]
        if not is_same or not (is_verified or _sha256(file) == said["sha256"]):
            raise DamagedArtefact(f"{folder.name}: {file.name} is not what the manifest says")
        empty = said["bytes"] <= 128
        array: NDArray[Any] = np.load(file, mmap_mode=None if empty else "r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DamagedArtefact(f"{folder.name}: {file.name} can't be read ({error})") from None
    if array.dtype not in dtypes:
        raise DamagedArtefact(f"{folder.name}: {file.name} holds {array.dtype}, not {np.dtype(dtypes[0])}")
    return np.asarray(array)  # still mapped; a slice of a plain array costs a third of one of a memmap


def size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
