"""Tables of anybody's making: a header names the columns, or each row is time, artist, title, release.

Separated by tabs, commas or semicolons. A table without times but with plays holds play counts.
"""

import csv
from collections.abc import Iterator
from functools import partial

from app.modules.listens.formats import table
from app.modules.listens.formats.adding_up import added_up
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item
from app.modules.listens.formats.reading import Bad, Reading, parsed_time

WITHOUT_HEADER = {"time": 0, "artist": 1, "title": 2, "release": 3}


def part(path: str, head: str) -> str:
    """Return which part of a history this file is."""
    if head.lstrip()[:1] in ("[", "{", "<"):
        return ""
    delimiter = table.delimiter_of(head)
    for count, line in enumerate(head.splitlines()[:20]):
        try:
            row = table.cells(line, delimiter)
        except csv.Error:
            continue
        columns = table.columns_of(row)
        if {"artist", "title"} <= columns.keys() and not columns.keys().isdisjoint({"time", "plays"}):
            kind = "table" if "time" in columns else "counts"
            return kind if count == 0 else ""
        if delimiter == "\t" and len(row) >= 3 and row[1].strip() and row[2].strip() and _is_time(row[0]):
            return "plain"
    return ""


def _is_time(cell: str) -> bool:
    try:
        return parsed_time(cell.strip()) is not None
    except Bad:
        return False


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    for member, what in members:
        if what == "counts":
            yield from added_up(reading, partial(table.items, member=member, columns=None, is_local=True))
        else:
            yield from table.items(reading, member, WITHOUT_HEADER if what == "plain" else None, is_local=True)
