"""Snapshots on disk: Parquet segments named by their content, which snapshots share, and a manifest for each.

    snapshots/files/<sha256>.parquet     a segment of a bucket of people
    snapshots/<id>/manifest.json         which segments it has; what it is of; why it took another's place
    snapshots/<id>/signature.json        that this instance wrote the manifest

The id is the hash of what was played (each bucket's fingerprint, and the schema), and not of how that lies in segments:
the same plays are the same snapshot.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.ml.artefact import DamagedArtefact
from app.ml.signature import SIGNATURE
from app.modules.training.plays import FEEDBACK, LISTENED, PLAYCOUNT, Ints, Plays
from app.modules.training.segments import (
    BUCKETS,
    Rows,
    binary,
    bucket_of,
    has_undone,
    merged,
    read_parquet,
    without,
    write_parquet,
)
from app.modules.training.spill import Spill

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
FILES = "files"
# A bucket is written anew when newer segments come to this share of the oldest, or to so many.
MOST_NEWER, MOST_SEGMENTS = 0.5, 12

Content = dict[str, Any]


@dataclass(frozen=True)
class Seal:
    """What signs a folder's manifest, and what verifies that; it raises DamagedArtefact."""

    sign: Callable[[Path], None]
    verify: Callable[[Path], None]


class Damaged(Exception):
    """A snapshot's files are not what its manifest says."""


def grow(home: Path, base: Content | None, spill: Spill, rest: Callable[[], None] = lambda: None) -> Content:
    """Return the content of a snapshot that goes on from another: only buckets with something new are written.

    It rests after each.
    """
    (home / FILES).mkdir(parents=True, exist_ok=True)
    buckets = list(base["buckets"]) if base else [_empty() for _ in range(BUCKETS)]
    new_bytes = 0
    for number in spill.touched():
        grown = _grown(home, buckets[number], spill.rows(number))
        known = {segment["sha256"] for segment in buckets[number]["segments"]}
        new_bytes += sum(s["bytes"] for s in grown["segments"] if s["sha256"] not in known)
        buckets[number] = grown
        rest()
    return _content(home, buckets, new_bytes)


def _empty() -> dict[str, Any]:
    return {"segments": [], "fingerprint": hashlib.sha256().hexdigest(), "rows": 0, "listeners": 0}


def _grown(home: Path, bucket: dict[str, Any], new: Rows) -> dict[str, Any]:
    older = [read_parquet(home / FILES / _name(segment)) for segment in bucket["segments"]]
    whole = merged([*older, new], is_whole=True)
    fresh = merged([new], is_whole=not older)
    newer = sum(len(part) for part in older[1:]) + len(fresh)
    # what was deleted or forgotten is not kept below a segment that undoes it
    is_rewritten = (
        not older or newer > MOST_NEWER * len(older[0]) or len(older) + 1 > MOST_SEGMENTS or has_undone(fresh)
    )
    if is_rewritten:
        segments = [_stored(home, whole)] if len(whole) else []
    else:
        segments = [*bucket["segments"], _stored(home, fresh)]
    return {"segments": segments, **_facts(whole)}


def _facts(whole: Rows) -> dict[str, Any]:
    people = whole["person"]
    listeners = 1 + int((people[1:] != people[:-1]).any(axis=1).sum()) if len(people) else 0
    return {
        "fingerprint": hashlib.sha256(whole.tobytes()).hexdigest(),
        "rows": int((whole["code"] != FEEDBACK).sum()),
        "listeners": listeners,
    }


def _stored(home: Path, rows: Rows) -> dict[str, Any]:
    """Write a segment, unless it is there, and return what the manifest says of it."""
    handle, unfinished = tempfile.mkstemp(prefix="unfinished-", dir=home / FILES)
    os.close(handle)
    file = Path(unfinished)
    try:
        write_parquet(file, rows)
        sha256 = sha256_of(file)
        said = {"sha256": sha256, "bytes": file.stat().st_size, "rows": len(rows)}
        target = home / FILES / _name(said)
        if not _is_intact(target, sha256):
            _sync(file)
            file.chmod(0o644)
            file.rename(target)
        return said
    finally:
        file.unlink(missing_ok=True)


def _name(segment: dict[str, Any]) -> str:
    return f"{segment['sha256']}.parquet"


def _content(home: Path, buckets: list[dict[str, Any]], new_bytes: int) -> Content:
    recordings, artists = _distinct(home, buckets)
    return {
        "schema_version": SCHEMA_VERSION,
        "rows": sum(bucket["rows"] for bucket in buckets),
        "listeners": sum(bucket["listeners"] for bucket in buckets),
        "recordings": recordings,
        "artists": artists,
        "parameters": {"buckets": BUCKETS, "compression": "zstd"},
        "buckets": buckets,
        "files": sum(len(bucket["segments"]) for bucket in buckets),
        "bytes": sum(segment["bytes"] for bucket in buckets for segment in bucket["segments"]),
        "new_bytes": new_bytes,
    }


def _distinct(home: Path, buckets: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Return how many recordings and artists there are, looking at a bucket at a time and at no more than the keys."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ("code", "is_artist", "key", "artist", "person", "at", "value")
    recordings: list[Any] = []
    artists: list[Any] = []
    for bucket in buckets:
        parts = [read_parquet(home / FILES / _name(segment), columns) for segment in bucket["segments"]]
        rows = parts[0] if len(parts) == 1 else merged(parts, is_whole=True)
        played = rows[rows["code"] != FEEDBACK]
        recordings.append(pc.unique(binary(played["key"][played["is_artist"] == 0])))
        artists.append(pc.unique(binary(played["artist"])))
    return tuple(len(pc.unique(pa.concat_arrays(each))) for each in (recordings, artists))  # type: ignore[return-value]


def id_of(content: Content) -> str:
    """Return the name of a snapshot: what was played, in which schema."""
    return hash_of(
        {
            "schema_version": content["schema_version"],
            "fingerprints": [bucket["fingerprint"] for bucket in content["buckets"]],
        }
    )


def keep(home: Path, content: Content, said: dict[str, Any], seal: Seal, *, is_replaced: bool = False) -> str:
    """Write and sign a manifest, all or nothing, and return the snapshot's id; an intact one stays, unless replaced.

    `said` goes beside the content: the feed's position, and of a child its parent and the reason.
    """
    snapshot_id = id_of(content)
    if not is_replaced and not damaged_files(home, snapshot_id, seal):
        return snapshot_id
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=home))
    try:
        manifest = {"content": content, "content_sha256": hash_of(content), **said}
        (unfinished / MANIFEST).write_text(json.dumps(manifest, sort_keys=True, indent=1))
        seal.sign(unfinished)
        unfinished.chmod(0o755)
        for file in unfinished.iterdir():
            _sync(file)
        shutil.rmtree(home / snapshot_id, ignore_errors=True)
        with contextlib.suppress(OSError):  # another process was quicker
            unfinished.rename(home / snapshot_id)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return snapshot_id


def content_of(home: Path, snapshot_id: str) -> Content:
    """Return a manifest's content. Raises Damaged."""
    try:
        manifest = json.loads((home / snapshot_id / MANIFEST).read_text())
        content: Content = manifest["content"]
        is_sound = manifest["content_sha256"] == hash_of(content) and id_of(content) == snapshot_id
    except (OSError, ValueError, KeyError, TypeError):
        is_sound = False
    if not is_sound:
        raise Damaged(f"snapshot {snapshot_id}: {MANIFEST}")
    return content


def hash_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def damaged_files(home: Path, snapshot_id: str, seal: Seal) -> list[str]:
    """Return the names of files that are missing or not what the signed manifest says."""
    try:
        content = content_of(home, snapshot_id)
    except Damaged:
        return [MANIFEST]
    found = sorted(name for name, sha256 in names_of(content) if not _is_intact(home / FILES / name, sha256))
    try:
        seal.verify(home / snapshot_id)
    except DamagedArtefact:
        found.append(SIGNATURE)
    return found


def names_of(content: Content) -> list[tuple[str, str]]:
    """Return the segments' files with their hashes."""
    return [(_name(s), s["sha256"]) for bucket in content["buckets"] for s in bucket["segments"]]


def _is_intact(file: Path, sha256: str) -> bool:
    try:
        return sha256_of(file) == sha256
    except OSError:
        return False


def without_people(home: Path, content: Content, pseudonyms: Collection[bytes]) -> Content | None:
    """Return the content of a snapshot without some people, None where it says nothing of them anyway.

    Only their buckets are looked at and written.
    """
    buckets, new_bytes = list(content["buckets"]), 0
    for number in sorted({bucket_of(each) for each in pseudonyms}):
        theirs = [each for each in pseudonyms if bucket_of(each) == number]
        parts = [read_parquet(home / FILES / _name(segment)) for segment in buckets[number]["segments"]]
        left = [without(part, theirs) for part in parts]
        if sum(map(len, left)) == sum(map(len, parts)):
            continue
        whole = merged(left, is_whole=True)
        segments = [_stored(home, whole)] if len(whole) else []
        new_bytes += sum(segment["bytes"] for segment in segments)
        buckets[number] = {"segments": segments, **_facts(whole)}
    if all(one is other for one, other in zip(buckets, content["buckets"], strict=True)):
        return None
    return _content(home, buckets, new_bytes)


def plays_of(buckets: Iterable[Rows]) -> Plays:
    """Return what holds by buckets as arrays of numbers."""
    people: dict[bytes, int] = {}
    keys: dict[bytes, int] = {}
    tables: dict[str, list[Ints]] = {"listens": [], "playcounts": [], "feedback": []}
    for rows in buckets:
        person = _numbered(rows["person"], people)
        key, artist = _numbered(rows["key"], keys), np.full(len(rows), -1, dtype=np.int64)
        has_artist = rows["artist"].any(axis=1)
        artist[has_artist] = _numbered(rows["artist"][has_artist], keys)
        at, value, is_artist = rows["at"], rows["value"], rows["is_artist"].astype(np.int64)
        for name, code, columns in (
            ("listens", LISTENED, (person, at, key, artist)),
            ("playcounts", PLAYCOUNT, (person, is_artist, key, artist, value)),
            ("feedback", FEEDBACK, (person, is_artist, key, value)),
        ):
            is_it = rows["code"] == code
            tables[name].append(np.stack([column[is_it] for column in columns], axis=1))
    widths = {"listens": 4, "playcounts": 5, "feedback": 4}
    arrays = {
        name: np.concatenate(parts) if parts else np.zeros((0, widths[name]), dtype=np.int64)
        for name, parts in tables.items()
    }
    return _sorted(list(people), list(keys), arrays)


def buckets(home: Path, content: Content) -> Iterator[Rows]:
    """Return what holds by buckets of people."""
    for bucket in content["buckets"]:
        parts = [read_parquet(home / FILES / _name(segment)) for segment in bucket["segments"]]
        if parts:
            yield parts[0] if len(parts) == 1 else merged(parts, is_whole=True)


def _numbered(words: Rows, numbers: dict[bytes, int]) -> Ints:
    encoded = binary(words).dictionary_encode()
    places = [numbers.setdefault(value, len(numbers)) for value in encoded.dictionary.to_pylist()]
    found: Ints = np.array(places, dtype=np.int64)[encoded.indices.to_numpy().astype(np.int64)]
    return found


# which columns of which table are numbers of people and of keys
PEOPLE_AND_KEYS = {"listens": (2, 3), "playcounts": (2, 3), "feedback": (2,)}


def _sorted(people: list[bytes], keys: list[bytes], tables: dict[str, Ints]) -> Plays:
    """Number people and keys by their bytes and sort the rows, so that the same plays read the same."""
    person_order, key_order = sorted(people), sorted(keys)
    person = _ranks(people)
    key = _ranks(keys)
    for name, rows in tables.items():
        rows[:, 0] = person[rows[:, 0]]
        for column in PEOPLE_AND_KEYS[name]:
            rows[:, column] = np.where(rows[:, column] < 0, -1, key[rows[:, column]])
        tables[name] = rows[np.lexsort(rows.T[::-1])] if name != "listens" else rows[np.lexsort(rows.T[[2, 1, 0]])]
    return Plays(person_order, key_order, tables["listens"], tables["playcounts"], tables["feedback"])


def _ranks(values: list[bytes]) -> Ints:
    found = np.zeros(len(values) + 1, dtype=np.int64)
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        found[place] = rank
    return found
