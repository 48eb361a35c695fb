"""Text of any encoding that exports have is read, and what is not UTF-8 is said."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modules.listens.formats.text import MAX_LINE_BYTES, decode, lines, texts, utf8
from tests.modules.listens.formats.samples import every_format, history, lastfm_page, plays, reasons, written

ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16 big-endian": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-16 without a mark": lambda text: text.encode("utf-16-le"),
}
TEXTS = [kind for kind, content in every_format().items() if isinstance(content, str)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", TEXTS)
def test_other_encodings_make_no_difference(tmp_path: Path, kind: str, encoding: str) -> None:
    content = str(every_format()[kind])
    plain = history(written(tmp_path, content))
    encoded = history(written(tmp_path, ENCODINGS[encoding](content), "other"))
    assert plays(list(encoded)) == plays(list(plain))
    assert encoded.notes == plain.notes == []


@pytest.mark.parametrize("kind", [*TEXTS, "a page"])
def test_latin_1_is_read_with_a_note(tmp_path: Path, kind: str) -> None:
    content = str({**every_format(), "a page": json.dumps([lastfm_page(range(3))], ensure_ascii=False)}[kind])
    content = content.replace("J\\u00f3ga", "Jóga").replace("Bj\\u00f6rk", "Björk")
    found = history(written(tmp_path, content.encode("cp1252")))
    items = list(found)
    assert {listen.artist for listen in plays(items)} == {"Björk"}
    assert reasons(items) == []
    assert found.notes == ["Some of the text is not UTF-8 and was read as Windows-1252 (Latin-1)."]


@given(st.text(), st.integers(1, 9))
def test_text_is_the_same_however_it_is_cut(text: str, size: int) -> None:
    data = text.encode("utf-8", "replace")
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert "".join(texts(pieces, print)) == data.decode()
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    assert [line for line in lines(pieces) if line] == [line for line in expected if line]


@given(st.binary(), st.integers(1, 9))
def test_any_bytes_are_some_text(data: bytes, size: int) -> None:
    decode(data)[0].encode()
    "".join(texts(utf8([data[:size], data[size:]]), lambda note: None)).encode()


def test_a_line_without_end_is_passed_over() -> None:
    pieces = [b"a\n", *[b"x" * 65_536] * (MAX_LINE_BYTES // 65_536 + 2), b"x\nb\n", b"c"]
    assert list(lines(pieces)) == [b"a", None, b"b", b"c"]
    assert list(lines(pieces[:-2])) == [b"a", None]
