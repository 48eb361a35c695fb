"""Reading tab-separated files, plain or gzip, and saying exactly what is wrong with one."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from app.datasets.registry import BadDataset

LONGEST_LINE = 65_536  # bytes; a file without line ends is none of ours


def find(path: Path, name: str) -> Path:
    """Return the file of a data set in a folder (with or without .gz), or the path itself when it is a file."""
    if path.is_file():
        return path
    for candidate in (path / f"{name}.gz", path / name):
        if candidate.is_file():
            return candidate
    raise BadDataset(f"{path}: no file {name}.gz or {name}")


def read(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and the named columns of each row. Raises BadDataset at the first thing that is wrong."""
    rows = _rows(file)
    _, header = next(rows, (0, list[str]()))
    if not header:
        raise BadDataset(f"{file.name}: the file is empty")
    if missing := [column for column in columns if column not in header]:
        raise BadDataset(f"{file.name}, line 1: no column {', '.join(missing)} (found {', '.join(header)[:200]!r})")
    places = [header.index(column) for column in columns]
    for line, row in rows:
        if len(row) != len(header):
            raise BadDataset(f"{file.name}, line {line}: {len(row)} columns instead of {len(header)}")
        yield line, [row[place] for place in places]


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and columns, the header's first."""
    line = 0
    try:
        with _opened(file) as lines:
            while raw := lines.readline(LONGEST_LINE):
                line += 1
                if not raw.endswith(b"\n"):
                    raise BadDataset(f"{file.name}, line {line}: the file is cut short, or this is no text")
                yield line, raw.decode("utf-8-sig" if line == 1 else "utf-8").rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise BadDataset(f"{file.name}, line {line}: not UTF-8 (byte {error.start + 1} of the line)") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadDataset(f"{file.name}, after line {line}: damaged or cut short ({error})") from None
    except OSError as error:
        raise BadDataset(f"{file}: {error.strerror or error}") from None


def _opened(file: Path) -> BinaryIO:
    """Open a file, unpacked where it is packed, whatever its name says."""
    with file.open("rb") as start:
        is_packed = start.read(2) == b"\x1f\x8b"
    if file.suffix == ".gz" and not is_packed:
        raise BadDataset(f"{file.name}: not a gzip file")
    return cast(BinaryIO, gzip.open(file)) if is_packed else file.open("rb")


def whole(file: Path, line: int, column: str, text: str, *, least: int = 0, most: int = 10**15) -> int:
    """Read a whole number. Raises BadDataset."""
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or not least <= int(text) <= most:
        raise BadDataset(
            f"{file.name}, line {line}: {column} is {text[:40]!r}, not a whole number from {least} to {most}"
        )
    return int(text)
