"""Reading evaluation data: tab-separated with a header, plain or gzip."""

import csv
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO


class BadDataFile(Exception):
    """A file can't be evaluated on; the message names it, the line and what is wrong."""


def read_columns(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> dict[str, list[int]]:
    """Return the named columns as whole numbers; an optional one that is missing is left out. Raises BadDataFile."""
    number = 1
    try:
        with _opened(path) as lines:
            rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(rows, [])
            if missing := [name for name in columns if name not in header]:
                raise BadDataFile(f"{path.name}, line 1: no column {', '.join(missing)}")
            wanted = [*columns, *(name for name in optional if name in header)]
            places = [header.index(name) for name in wanted]
            found: dict[str, list[int]] = {name: [] for name in wanted}
            for row in rows:
                number += 1
                for name, place in zip(wanted, places, strict=True):
                    found[name].append(int(row[place]))
    except (ValueError, IndexError):
        raise BadDataFile(f"{path.name}, line {number}: not a row of whole numbers") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, csv.Error) as error:
        raise BadDataFile(f"{path.name}, after line {number}: {error}") from None
    except OSError as error:
        raise BadDataFile(f"{path}: {error.strerror or error}") from None
    if not found[wanted[0]]:
        raise BadDataFile(f"{path.name}: there are no rows")
    return found


def read_table(path: Path) -> dict[str, list[str]]:
    """Return all columns as they are written. Raises BadDataFile."""
    try:
        with _opened(path) as lines:
            rows = [line.rstrip("\n").split("\t") for line in lines]
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise BadDataFile(f"{path.name}: {error}") from None
    if any(len(row) != len(rows[0]) for row in rows):
        raise BadDataFile(f"{path.name}: the rows are not all as long as the header")
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
