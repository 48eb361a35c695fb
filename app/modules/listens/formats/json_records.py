"""The records of a JSON array, one by one, from text that comes in pieces; a broken one costs only itself.

A window of text slides over the file. Where a record can't be decoded, the next place is looked for at which one
begins that looks right (a brace inside a broken text, or a nested object, does not).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

WINDOW = 1 << 20  # characters: no listen is longer
MAX_ATTEMPTS = 100_000  # at broken records, in one file: more is not a damaged export but an attack
ATTEMPT = 1000  # characters that were decoded in vain count as another one

_BETWEEN = re.compile(r"[\s,]*")
_BETWEEN_AT_TOP = re.compile(r"[\s,\[\]]*")
_DECODE = json.JSONDecoder().raw_decode

Record = dict[str, Any]
LooksRight = Callable[[Record], bool]


class Broken(str):
    """Why a record can't be read."""

    __slots__ = ()


def records(
    texts: Iterable[str], looks_right: LooksRight, inside: str | None = None, *, longest: int = WINDOW
) -> Iterator[tuple[int, Record | Broken]]:
    """Yield the records and their numbers, from 1.

    They are in the array (or arrays) called `inside`, or without it at the top: an array, several, or one after the
    other. A record has at most `longest` characters, and the larger it is the more memory is needed.
    """
    window = _Window(texts, longest)
    if inside is None:
        yield from _array(window, looks_right, at_top=True)
        return
    key = re.compile(rf'"{re.escape(inside)}"\s*:\s*(\[|(?=\{{))')
    while (opening := _find(window, key)) is not None:
        yield from _array(window, looks_right, is_single=not opening)
    if window.number == 0 and not window.has_array:
        yield 1, Broken(f"there is no list of {inside} in the file")


class _Window:
    """The text from here on, as far as it is read, and what was met so far."""

    def __init__(self, texts: Iterable[str], longest: int) -> None:
        self.texts = iter(texts)
        self.longest = longest
        self.text = ""
        self.at = 0
        self.has_ended = False
        self.has_array = False
        self.number = 0
        self.attempts = 0
        self.more()

    def more(self) -> bool:
        """Read on where less is left than a record may have; False where that brings nothing."""
        left = len(self.text) - self.at
        if self.has_ended or left >= self.longest:
            return False
        parts, size = [self.text[self.at :]], left
        while size < 2 * max(WINDOW, left):
            part = next(self.texts, None)
            if part is None:
                self.has_ended = True
                break
            parts.append(part)
            size += len(part)
        self.text, self.at = "".join(parts), 0
        return size > left

    def broken(self, reason: str) -> tuple[int, Broken]:
        self.number += 1
        return self.number, Broken(reason)


def _find(window: _Window, key: re.Pattern[str]) -> str | None:
    """Move behind the next key; return its opening bracket, empty where a single record stands for the array."""
    while True:
        found = key.search(window.text, window.at)
        if found:
            window.at = found.end()
            window.has_array = True
            return found[1]
        window.at = max(window.at, len(window.text) - 100)  # the key may be cut
        if not window.more():
            return None


def _array(
    window: _Window, looks_right: LooksRight, *, at_top: bool = False, is_single: bool = False
) -> Iterator[tuple[int, Record | Broken]]:
    between = _BETWEEN_AT_TOP if at_top else _BETWEEN
    is_open = not at_top
    while True:
        skipped = between.match(window.text, window.at)
        if skipped and skipped.end() > window.at:
            window.at = skipped.end()
            if at_top and (brackets := skipped[0].strip(", \r\n\t")):
                is_open = brackets.endswith("[")
        if window.at >= len(window.text):
            if window.more():
                continue
            if is_open:
                yield window.broken("the file ends before its list does: what followed is missing")
            return
        if window.text[window.at] == "]":
            window.at += 1
            return
        record, end = _decoded(window)
        if record is None:
            yield window.broken("it is not valid JSON")
            if not _resume(window, looks_right):
                break
            continue
        window.at = end
        window.number += 1
        yield window.number, record
        if is_single:
            return
    if window.attempts >= MAX_ATTEMPTS:
        yield window.broken("too much of the file is broken: the rest is not read")


def _decoded(window: _Window) -> tuple[Record | None, int]:
    """Return the record that begins here, None where it is broken, and where it ends."""
    while True:
        try:
            record, end = _DECODE(window.text, window.at)
        except (ValueError, RecursionError) as error:
            if window.more():  # it may only have been cut
                continue
            failed_at = error.pos if isinstance(error, json.JSONDecodeError) else len(window.text)
            window.attempts += 1 + (failed_at - window.at) // ATTEMPT
            return None, 0
        return (record if isinstance(record, dict) else None), end


def _resume(window: _Window, looks_right: LooksRight) -> bool:
    """Move to the next record that can be read; False, and to the end, where there is none."""
    window.at += 1
    while window.attempts < MAX_ATTEMPTS:
        start = window.text.find("{", window.at)
        window.at = start if start >= 0 else len(window.text)
        if start < 0:
            if window.more():
                continue
            return False
        record, end = _decoded(window)
        if record is not None and looks_right(record):
            return True
        window.attempts += max(0, end - window.at) // ATTEMPT + 1
        window.at += 1
    window.at, window.has_ended = len(window.text), True
    return False
