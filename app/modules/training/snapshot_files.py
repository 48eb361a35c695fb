"""A snapshot on disk: Parquet files by pseudonym, and a manifest whose hash is the snapshot's name."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from app.modules.training.plays import Ints, Plays

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
# Each file's columns, in the order of the arrays in Plays. `uuid` columns hold places in one of its tables.
FILES: dict[str, dict[str, str]] = {
    "listens": {"pseudonym": "person", "at": "int64", "recording_key": "key", "artist_key": "key"},
    "playcounts": {"pseudonym": "person", "is_artist": "int64", "key": "key", "artist_key": "key", "plays": "int64"},
    "feedback": {"pseudonym": "person", "is_artist": "int64", "key": "key", "value": "int64"},
}


class Damaged(Exception):
    """A snapshot's files are not what its manifest says."""


def write(home: Path, plays: Plays, feed_cursor: str) -> tuple[str, dict[str, Any]]:
    """Write a snapshot below `home`, all or nothing; return its id and its manifest's content.

    The id is the hash of the content: schema, counts and the files' hashes, without time and cursor, so that the same
    plays are the same snapshot.
    """
    home.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=home))
    try:
        files = {}
        for name in FILES:
            file = unfinished / f"{name}.parquet"
            _write_parquet(file, name, plays)
            files[file.name] = {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
        content = {"schema_version": SCHEMA_VERSION, **counts(plays), "files": files}
        snapshot_id = hash_of(content)
        manifest = {"content": content, "feed_cursor": feed_cursor}
        (unfinished / MANIFEST).write_text(json.dumps(manifest, sort_keys=True, indent=1))
        unfinished.chmod(0o755)
        if damaged_files(home / snapshot_id):
            _sync(unfinished)
            shutil.rmtree(home / snapshot_id, ignore_errors=True)
            with contextlib.suppress(OSError):  # another process was quicker
                unfinished.rename(home / snapshot_id)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return snapshot_id, content


def counts(plays: Plays) -> dict[str, int]:
    recordings = np.unique(np.concatenate([plays.listens[:, 2], plays.playcounts[plays.playcounts[:, 1] == 0, 2]]))
    artists = np.unique(np.concatenate([plays.listens[:, 3], plays.playcounts[:, 3]]))
    return {
        "rows": len(plays.listens) + len(plays.playcounts),
        "listeners": len(plays.people),
        "recordings": len(recordings),
        "artists": len(artists),
    }


def hash_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())


def _write_parquet(file: Path, name: str, plays: Plays) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: Ints = getattr(plays, name)
    tables = {"person": _uuids(plays.people), "key": _uuids(plays.keys)}
    columns = {}
    for place, (column, kind) in enumerate(FILES[name].items()):
        values = np.ascontiguousarray(rows[:, place])
        if kind == "int64":
            columns[column] = pa.array(values, type=pa.int64())
        else:
            raw = pa.py_buffer(tables[kind][values].tobytes())
            columns[column] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(values), [None, raw])
    pq.write_table(pa.table(columns), file, compression="zstd")


def _uuids(values: list[bytes]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(values), dtype=np.uint8).reshape(-1, 16)


def read(folder: Path) -> Plays:
    """Read a snapshot back, exactly as it was written. Raises Damaged."""
    if found := damaged_files(folder):
        raise Damaged(f"snapshot {folder.name}: {', '.join(found)}")
    import pyarrow.parquet as pq

    people: dict[bytes, int] = {}
    keys: dict[bytes, int] = {}
    read_rows: dict[str, Ints] = {}
    for name, columns in FILES.items():
        table = pq.read_table(folder / f"{name}.parquet")
        arrays = []
        for column, kind in columns.items():
            values = table[column].combine_chunks()
            if kind == "int64":
                arrays.append(values.to_numpy())
                continue
            encoded = values.dictionary_encode()
            numbers = people if kind == "person" else keys
            found_numbers = [numbers.setdefault(value, len(numbers)) for value in encoded.dictionary.to_pylist()]
            arrays.append(np.array(found_numbers, dtype=np.int64)[encoded.indices.to_numpy().astype(np.int64)])
        read_rows[name] = np.stack(arrays, axis=1).astype(np.int64)
    return _sorted(Plays(list(people), list(keys), **read_rows))


def _sorted(plays: Plays) -> Plays:
    """Number people and keys by their bytes again, as they were."""
    person = np.argsort(np.array(sorted(range(len(plays.people)), key=plays.people.__getitem__), dtype=np.int64))
    key = np.argsort(np.array(sorted(range(len(plays.keys)), key=plays.keys.__getitem__), dtype=np.int64))
    for name, columns in FILES.items():
        rows = getattr(plays, name)
        for place, kind in enumerate(columns.values()):
            if kind != "int64" and len(rows):
                rows[:, place] = (person if kind == "person" else key)[rows[:, place]]
    return Plays(sorted(plays.people), sorted(plays.keys), plays.listens, plays.playcounts, plays.feedback)


def damaged_files(folder: Path) -> list[str]:
    """Return the names of files that are missing or not what the manifest says."""
    try:
        content = json.loads((folder / MANIFEST).read_text())["content"]
        said = {str(name): facts["sha256"] for name, facts in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [MANIFEST]
    if hash_of(content) != folder.name or set(said) != {f"{name}.parquet" for name in FILES}:
        return [MANIFEST]
    return [name for name, sha256 in sorted(said.items()) if not _is_intact(folder / name, sha256)]


def _is_intact(file: Path, sha256: str) -> bool:
    try:
        return sha256_of(file) == sha256
    except OSError:
        return False
