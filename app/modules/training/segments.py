"""Events as arrays, by bucket of people: what a snapshot's files hold, and how newer ones take the place of older.

A bucket is a sequence of segments, oldest first. In a segment each slot (a listen; a total or opinion of somebody about
something) stands once, with the last thing said of it. Rows are sorted by slot, so the same events are the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contracts.listens import TrainingEvent
from app.modules.training.plays import CODES, FEEDBACK, FORGOTTEN, LISTENED, PLAYCOUNT, UNLISTENED

BUCKETS = 16
WORD = (1 << 64) - 1
# A UUID is two words, the first one first; none is zero.
ROW = np.dtype(
    [
        ("code", "u1"),
        ("is_artist", "u1"),
        ("person", "<u8", 2),
        ("at", "<i8"),
        ("key", "<u8", 2),
        ("artist", "<u8", 2),
        ("value", "<i8"),
    ]
)
Rows = NDArray[Any]
GROUPS = np.zeros(5, dtype=np.uint8)
GROUPS[[PLAYCOUNT, FEEDBACK, FORGOTTEN]] = 1, 2, 3  # that a listen is there, and is not, is said of one slot


def bucket_of(pseudonym: bytes) -> int:
    """Return where a person is: by the first half byte of the pseudonym, which is evenly spread."""
    return pseudonym[0] >> 4


def rows_of(events: Sequence[TrainingEvent]) -> Rows:
    found = np.zeros(len(events), dtype=ROW)
    for name, values in (
        ("code", [CODES[event.kind] for event in events]),
        ("is_artist", [event.recording_key is None for event in events]),
        ("person", [_words(event.pseudonym.int) for event in events]),
        ("at", [event.at for event in events]),
        ("key", [_words((event.recording_key or event.artist_key or ZERO).int) for event in events]),
        ("artist", [_words((event.artist_key or ZERO).int) for event in events]),
        ("value", [event.value for event in events]),
    ):
        if len(events):
            found[name] = np.array(values, dtype=ROW[name].base)
    return found


class _Zero:
    int = 0


ZERO = _Zero()


def _words(value: int) -> tuple[int, int]:
    return value >> 64, value & WORD


def merged(parts: Sequence[Rows], *, is_whole: bool) -> Rows:
    """Return what holds after all parts, oldest first; `is_whole` when nothing stands before them.

    Before that, what was undone must be remembered, because it undoes something in an older segment.
    """
    rows = np.concatenate(parts) if parts else np.zeros(0, dtype=ROW)
    rows = _after_forgetting(rows)
    group = GROUPS[rows["code"]]
    place = np.arange(len(rows))
    at = np.where(group == 0, rows["at"], 0)
    columns = [at, *rows["key"].T[::-1], rows["is_artist"], group, *rows["person"].T[::-1]]
    order = np.lexsort((place, *columns))
    rows = rows[order]
    is_last = np.ones(len(rows), dtype=bool)
    if len(rows) > 1:
        is_new = np.zeros(len(rows) - 1, dtype=bool)
        for column in columns:
            ordered = column[order]
            is_new |= ordered[1:] != ordered[:-1]
        is_last[:-1] = is_new
    rows = rows[is_last]
    return rows[_holds(rows)] if is_whole else rows


def _after_forgetting(rows: Rows) -> Rows:
    places = np.flatnonzero(rows["code"] == FORGOTTEN)
    kept = np.ones(len(rows), dtype=bool)
    for place in places:
        before = rows["person"][:place]
        who = rows["person"][place]
        kept[:place] &= (before[:, 0] != who[0]) | (before[:, 1] != who[1])
    return rows[kept]


def _holds(rows: Rows) -> NDArray[np.bool_]:
    code = rows["code"]
    is_said = ((code == PLAYCOUNT) & (rows["value"] > 0)) | ((code == FEEDBACK) & (rows["value"] != 0))
    found: NDArray[np.bool_] = (code == LISTENED) | is_said
    return found


def without(rows: Rows, pseudonyms: Sequence[bytes]) -> Rows:
    """Return rows that say nothing of some people."""
    kept = np.ones(len(rows), dtype=bool)
    for pseudonym in pseudonyms:
        high, low = _words(int.from_bytes(pseudonym))
        kept &= (rows["person"][:, 0] != high) | (rows["person"][:, 1] != low)
    return rows[kept]


def has_undone(rows: Rows) -> bool:
    return bool(np.isin(rows["code"], (UNLISTENED, FORGOTTEN)).any())


BINARY = ("person", "key", "artist")
NAMES = {"person": "pseudonym", "artist": "artist_key"}  # in the files


def write_parquet(file: Path, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name in ROW.names or ():
        values = np.ascontiguousarray(rows[name])
        if name in BINARY:
            columns[NAMES.get(name, name)] = binary(values)
        else:
            columns[name] = pa.array(values)
    pq.write_table(pa.table(columns), file, compression="zstd")


def binary(words: Rows) -> Any:
    """Return UUIDs as an Arrow array of 16 bytes each."""
    import pyarrow as pa

    raw = pa.py_buffer(np.ascontiguousarray(words).astype(">u8").tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(words), [None, raw])


def read_parquet(file: Path, columns: Sequence[str] | None = None) -> Rows:
    """Read a segment; with `columns` only those, the others being zero."""
    import pyarrow.parquet as pq

    wanted = list(columns or ROW.names or ())
    table = pq.read_table(file, columns=[NAMES.get(name, name) for name in wanted], memory_map=False)
    rows = np.zeros(len(table), dtype=ROW)
    for name in wanted:
        column = table[NAMES.get(name, name)].combine_chunks()
        if name in BINARY:
            raw = np.frombuffer(column.buffers()[1], dtype=">u8").reshape(-1, 2)
            rows[name] = raw[column.offset : column.offset + len(column)]
        else:
            rows[name] = column.to_numpy()
    return rows
