"""Bytes into text: UTF-8 with or without a byte order mark, UTF-16, and Windows-1252 for what is neither."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator

MAX_LINE_BYTES = 1 << 20

_ESCAPED = re.compile("[\udc80-\udcff]")
NOT_UTF8 = "Some of the text is not UTF-8 and was read as Windows-1252 (Latin-1)."


def utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same text as UTF-8 without a byte order mark; what is not UTF-16 passes as it is."""
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        if len(head) >= 4:
            break
    encoding = encoding_of(head)
    if encoding == "utf-8":
        yield head.removeprefix(codecs.BOM_UTF8)
        yield from rest
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(head).removeprefix("\ufeff").encode("utf-8", "replace")
    for piece in rest:
        yield decoder.decode(piece).encode("utf-8", "replace")


def encoding_of(head: bytes) -> str:
    """Return utf-8, utf-16-le or utf-16-be, by the byte order mark or by where the zeros are."""
    if head.startswith(codecs.BOM_UTF16_LE) or (len(head) >= 4 and head[0] and not head[1] and head[2] and not head[3]):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE) or (len(head) >= 4 and head[1] and not head[0] and head[3] and not head[2]):
        return "utf-16-be"
    return "utf-8"


def decode(data: bytes) -> tuple[str, bool]:
    """Return the text, and whether all of it was UTF-8."""
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return _latin(data.decode("utf-8", "surrogateescape")), False


def texts(pieces: Iterable[bytes], note: Callable[[str], None]) -> Iterator[str]:
    """Yield text that never ends inside a character."""
    pending = b""
    for piece in pieces:
        data = pending + piece
        try:
            text, used = codecs.utf_8_decode(data, "strict", False)
        except UnicodeDecodeError:
            text, used = codecs.utf_8_decode(data, "surrogateescape", False)
            text = _latin(text)
            note(NOT_UTF8)
        pending = data[used:]
        yield text
    if pending:
        yield decode(pending)[0]


def lines(pieces: Iterable[bytes]) -> Iterator[bytes | None]:
    """Yield lines without their ends; None for one that is too long to be one."""
    rest, too_long = b"", False
    for piece in pieces:
        *whole, tail = piece.split(b"\n")
        if whole:
            yield None if too_long else (rest + whole[0]).removesuffix(b"\r")
            for line in whole[1:]:
                yield line.removesuffix(b"\r")
            rest, too_long = tail, False
        elif not too_long:
            rest += tail
        if len(rest) > MAX_LINE_BYTES:
            rest, too_long = b"", True
    if too_long:
        yield None
    elif rest:
        yield rest.removesuffix(b"\r")


def _latin(text: str) -> str:
    return _ESCAPED.sub(lambda found: bytes([ord(found[0]) - 0xDC00]).decode("cp1252", "replace"), text)
