"""Reading tab-separated files, plain or gzip, and saying exactly what is wrong with one."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from app.datasets.registry import BadDataset


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
    number = 0
    try:
        with _opened(file) as lines:
            rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(rows, None)
            if header is None:
                raise BadDataset(f"{file.name}: the file is empty")
            missing = [column for column in columns if column not in header]
            if missing:
                raise BadDataset(
                    f"{file.name}, line 1: no column {', '.join(missing)} (found {', '.join(header)[:200]})"
                )
            places = [header.index(column) for column in columns]
            for number, row in enumerate(rows, 2):
                if len(row) != len(header):
                    raise BadDataset(f"{file.name}, line {number}: {len(row)} columns instead of {len(header)}")
                yield number, [row[place] for place in places]
    except UnicodeDecodeError:
        raise BadDataset(f"{file.name}, after line {number}: not UTF-8") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadDataset(f"{file.name}, after line {number}: damaged or cut short ({error})") from None
    except csv.Error as error:
        raise BadDataset(f"{file.name}, after line {number}: {error}") from None
    except OSError as error:
        raise BadDataset(f"{file}: {error.strerror or error}") from None


def _opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8", newline="")


def whole(file: Path, line: int, column: str, text: str, *, least: int = 0) -> int:
    """Read a whole number. Raises BadDataset."""
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) < least:
        raise BadDataset(f"{file.name}, line {line}: {column} is {text[:40]!r}, not a whole number from {least}")
    return int(text)
