"""Whatever is done to a file, it is read or refused: nothing but Unreadable is raised, and items are storable."""

import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.modules.listens.formats import FORMATS, Count, Mix, Opinion, Play, Skipped, Unreadable
from tests.modules.listens.formats.samples import every_format, history, written

KINDS = every_format(6)
MANY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Where (as a share of the file), how much is taken out, what is put in its place.
PIECES = st.sampled_from(
    [b'"', b"{", b"}", b"[", b"]", b",", b"\t", b"\n", b"\0", b"\xff", b"\xed\xa0\x80", b"<", b"&", b"\\ud800"]
)
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 30), PIECES | st.binary(max_size=8)), min_size=1, max_size=5
)
NUMBERS = st.sampled_from(
    [b"-1", b"0", b"1e400", b"9" * 5000, b"NaN", b"true", b"null", b"[]", b"{}", b'""', b"99999999999999"]
)


def readable(path: Path, **given: Any) -> None:
    """Read a file to its end and look at every item."""
    with suppress(Unreadable):
        found = history(path, **given)
        for item in found:
            assert isinstance(item, Play | Count | Opinion | Mix | Skipped)
            msgspec.json.encode(item)  # no half of a surrogate pair
            assert item.place
        assert 0 <= found.done <= found.size


def data_of(folder: Path, kind: str) -> bytes:
    return written(folder, KINDS[kind], "whole").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(changes=CHANGES)
def test_changed_bytes(tmp_path: Path, kind: str, changes: list[tuple[float, int, bytes]]) -> None:
    data = data_of(tmp_path, kind)
    for share, taken, put in changes:
        at = int(share * len(data))
        data = data[:at] + put + data[at + taken :]
    readable(written(tmp_path, data))
    readable(written(tmp_path, data), format=kind.split(maxsplit=1)[0])


@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(share=st.floats(0, 1), zipped=st.booleans())
def test_cut_files(tmp_path: Path, kind: str, share: float, zipped: bool) -> None:
    data = data_of(tmp_path, kind)
    if zipped:
        data = gzip.compress(data)
    readable(written(tmp_path, data[: int(share * len(data))]))
    readable(written(tmp_path, data[int(share * len(data)) :]))


@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(which=st.integers(0, 60), value=NUMBERS)
def test_other_values_in_the_place_of_numbers(tmp_path: Path, kind: str, which: int, value: bytes) -> None:
    data = data_of(tmp_path, kind)
    numbers = [at for at in range(1, len(data)) if data[at : at + 1].isdigit() and not data[at - 1 : at].isdigit()]
    start = end = numbers[which % len(numbers)]
    while data[end : end + 1].isdigit():
        end += 1
    readable(written(tmp_path, data[:start] + value + data[end:]))


@MANY
@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08", b"[", b"{", b"#AUDIOSCROBBLER/"]),
)
def test_any_bytes(tmp_path: Path, data: bytes, start: bytes) -> None:
    for name in ("auto", *FORMATS):
        readable(written(tmp_path, start + data), format=name)
