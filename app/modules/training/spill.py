"""New events on their way into a snapshot, on disk by bucket: memory doesn't grow with what there is to read."""

import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from app.contracts.listens import TrainingEvent
from app.modules.training.segments import BUCKETS, ROW, Rows, rows_of


class Spill:
    """A folder below `home` that goes away at the end of the block."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="unfinished-", dir=home))

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, events: Sequence[TrainingEvent], erased: Collection[bytes]) -> None:
        """Append events; what is told of the erased is not taken in at all."""
        rows = rows_of([event for event in events if event.pseudonym.bytes not in erased])
        bucket = (rows["person"][:, 0] >> np.uint64(60)).astype(np.int64)
        for number in np.unique(bucket):
            with self._file(int(number)).open("ab") as out:
                out.write(rows[bucket == number].tobytes())

    def clear(self) -> None:
        for number in range(BUCKETS):
            self._file(number).unlink(missing_ok=True)

    def touched(self) -> list[int]:
        return [number for number in range(BUCKETS) if self._file(number).exists()]

    def rows(self, number: int) -> Rows:
        return np.frombuffer(self._file(number).read_bytes(), dtype=ROW)

    def _file(self, number: int) -> Path:
        return self.folder / f"bucket-{number:02d}"
