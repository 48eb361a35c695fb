"""What a hostile or damaged archive holds is refused or skipped with the reason; the rest is read."""

import contextlib
import gzip
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from app.modules.listens.formats import Unreadable, archive, recognise
from tests.modules.listens.formats.samples import history, lines, listenbrainz, plays, read, reasons, written

MONTH = lines([listenbrainz(number) for number in range(3)])


@pytest.mark.parametrize(
    "name", ["../../etc/listens/2023/1.jsonl", "/listens/2023/1.jsonl", "C:\\listens\\2023\\1.jsonl", "a\\..\\b.jsonl"]
)
def test_names_that_lead_outside_are_refused_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    items = read(tmp_path, {name: MONTH, "listens/2023/2.jsonl": MONTH})
    assert len(plays(items)) == 3
    assert [reason for _, reason in reasons(items)] == ["its name leads outside the archive"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # nothing was unpacked


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = written(tmp_path, {"listens/2023/1.jsonl": MONTH}, "inner").read_bytes()
    items = read(tmp_path, {"inner.zip": inner, "listens/2023/2.jsonl": MONTH})
    assert (len(plays(items)), reasons(items)) == (3, [("inner.zip", "an archive in an archive is not opened")])
    with pytest.raises(Unreadable, match="archive in an archive"):
        recognise(written(tmp_path, {"inner.zip": inner}))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_may_take_any_amount_of_memory_are_refused(tmp_path: Path, method: int) -> None:
    path = written(tmp_path, {"listens/2023/2.jsonl": MONTH})
    with zipfile.ZipFile(path, "a", method) as opened:
        opened.writestr("listens/2023/1.jsonl", MONTH)
    items = list(history(path))
    assert len(plays(items)) == 3
    assert "uncommon method" in reasons(items)[0][1]


def test_an_encrypted_member_is_skipped_and_an_encrypted_zip_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {"listens/2023/1.jsonl": MONTH, "listens/2023/2.jsonl": MONTH})
    _set_flag(path, b"listens/2023/1.jsonl", 0x1)
    items = list(history(path))
    assert (len(plays(items)), reasons(items)) == (3, [("listens/2023/1.jsonl", "it is encrypted")])
    _set_flag(path, b"listens/2023/2.jsonl", 0x1)
    with pytest.raises(Unreadable, match="encrypted"):
        recognise(path)


def test_a_bomb_is_refused_without_being_expanded(tmp_path: Path) -> None:
    bomb = (MONTH + " " * 1_000_000).encode() + b" " * 30_000_000
    items = read(tmp_path, {"listens/2023/1.jsonl": bomb, "listens/2023/2.jsonl": MONTH})
    assert reasons(items) == [("listens/2023/1.jsonl", "it expands far more than text does")]
    assert len(plays(items)) == 3
    with pytest.raises(Unreadable, match="expands"):
        recognise(written(tmp_path, {"listens/2023/1.jsonl": bomb}))


def test_a_gzipped_bomb_is_read_no_further_than_text_would_expand(tmp_path: Path) -> None:
    found = history(written(tmp_path, gzip.compress(MONTH.encode() + b"\n" * 9_000_000)))
    items = list(found)
    assert len(plays(items)) == 3
    assert [reason for _, reason in reasons(items)] == ["it expands far more than text does: the rest is not read"]


def test_members_that_share_one_body_are_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.modules.listens.formats.MAX_RATIO", 2)
    monkeypatch.setattr("app.modules.listens.formats.SMALL_BYTES", 100)
    with pytest.raises(Unreadable, match="expands"):
        history(written(tmp_path, {f"listens/2023/{month}.jsonl": MONTH * 50 for month in range(1, 10)}))


def test_a_directory_of_too_many_files_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, {f"{number}.txt": "" for number in range(200)})
    monkeypatch.setattr(archive, "MAX_MEMBERS", 100)
    with pytest.raises(Unreadable, match="more than 100 files"):
        recognise(path)
    monkeypatch.setattr(archive, "MAX_DIRECTORY_BYTES", 1000)
    with pytest.raises(Unreadable, match="too many files"):
        recognise(path)


def test_a_zip_whose_end_is_missing_is_refused(tmp_path: Path) -> None:
    data = written(tmp_path, {"listens/2023/1.jsonl": MONTH}).read_bytes()
    with pytest.raises(Unreadable, match="incomplete"):
        recognise(written(tmp_path, data[:-30]))


def test_a_damaged_member_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, {"listens/2023/1.jsonl": MONTH, "listens/2023/2.jsonl": MONTH})
    data = bytearray(path.read_bytes())
    data[70] ^= 0xFF  # in the body of the first
    path.write_bytes(data)
    items = list(history(path))
    assert len(plays(items)) >= 3
    assert ("listens/2023/1.jsonl", "the file is damaged: what follows can't be read") in reasons(items)


def test_a_cut_gzip_gives_what_came_before(tmp_path: Path) -> None:
    whole = gzip.compress(lines([listenbrainz(number) for number in range(3000)]).encode())
    items = read(tmp_path, whole[: len(whole) // 2])
    assert 500 < len(plays(items)) < 2500
    assert reasons(items)[-1] == ("file", "the file is incomplete: its end is missing")


def test_a_gzip_with_rubbish_behind_it_is_read(tmp_path: Path) -> None:
    assert len(plays(read(tmp_path, gzip.compress(MONTH.encode()) + b"rubbish"))) == 3


def test_a_member_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    assert len(plays(read(tmp_path, {"a.jpg": bytes(range(256)) * 50, "listens/2023/1.jsonl": MONTH}))) == 3


def test_names_of_windows_and_of_nonsense_are_read(tmp_path: Path) -> None:
    items = read(tmp_path, {"export\\listens\\2023\\1.jsonl": MONTH, "listens/2023/2.jsonl": MONTH, "\n\x7f.txt": "x"})
    assert len(plays(items)) == 6


def test_a_directory_that_lies_about_sizes_is_survived(tmp_path: Path) -> None:
    path = written(tmp_path, {"listens/2023/1.jsonl": json.dumps(listenbrainz()) + "\n" * 100})
    data = path.read_bytes()
    entry = data.rindex(b"PK\1\2")
    for size in (0, 10, 2**31):
        lying = data[: entry + 24] + struct.pack("<I", size) + data[entry + 28 :]
        with contextlib.suppress(Unreadable):
            assert len(plays(list(history(written(tmp_path, lying))))) <= 1


def _set_flag(path: Path, name: bytes, flag: int) -> None:
    data = bytearray(path.read_bytes())
    for magic, header_size, flags_at in ((b"PK\3\4", 30, 6), (b"PK\1\2", 46, 8)):
        start = data.index(magic)
        while data[start + header_size : start + header_size + len(name)] != name:
            start = data.index(magic, start + 1)
        data[start + flags_at] |= flag
    path.write_bytes(data)


def test_the_checksum_of_a_member_is_checked(tmp_path: Path) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("listens/2023/1.jsonl", MONTH * 2000)
    data = body.getvalue().replace(struct.pack("<I", zlib.crc32((MONTH * 2000).encode())), b"\1\2\3\4")
    items = read(tmp_path, data)
    assert len(plays(items)) > 5000
    assert reasons(items)[-1][1] == "the file is damaged: what follows can't be read"
