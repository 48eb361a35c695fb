"""Files are told by what is in them, whatever they are called."""

import gzip
import json
from pathlib import Path

import pytest

from app.modules.listens.formats import FORMATS, Count, Play, Unreadable, open_history, recognise
from tests.modules.listens.formats.samples import every_format, history, itunes, read, spotify, written

KINDS = list(every_format())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_is_recognised_and_read_whole(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, every_format()[kind], "x.dat")
    assert recognise(path) == kind.partition(" ")[0]
    taken = [item for item in history(path) if isinstance(item, Play | Count)]
    assert len(taken) == 20
    assert len({item.place for item in taken}) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_is_the_same_in_a_zip_and_gzipped(tmp_path: Path, kind: str) -> None:
    content = every_format()[kind]
    if isinstance(content, dict):
        return
    data = content.encode() if isinstance(content, str) else content
    plain = list(history(written(tmp_path, data, "x")))
    gzipped = list(history(written(tmp_path, gzip.compress(data), "x.gz")))
    zipped = read(tmp_path, {"folder/x": data, "folder/cover.jpg": b"\xff\xd8\0\0"}, "x.zip")
    assert gzipped == plain
    assert [item._replace(place=item.place.removeprefix("folder/")) for item in zipped] == plain


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_is_read_again_in_the_same_order_with_progress(tmp_path: Path, kind: str) -> None:
    found = history(written(tmp_path, every_format()[kind]))
    assert found.done == 0
    first = list(found)
    assert 0 < found.done <= found.size
    assert list(found) == first
    assert found.client == f"import:{found.format}"
    assert found.format in FORMATS


def test_a_format_that_is_told_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "date,artist,album,track\n31 Jan 2023 17:05,Björk,,Jóga\n")
    assert open_history(path).format == "lastfm"
    assert open_history(path, "tsv").format == "tsv"


@pytest.mark.parametrize("format", ["spotify", "itunes", "winamp"])
def test_a_file_of_another_format_than_told_is_refused(tmp_path: Path, format: str) -> None:
    with pytest.raises(Unreadable):
        open_history(written(tmp_path, every_format()["koito"]), format)


def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="time zone"):
        open_history(written(tmp_path, every_format()["koito"]), timezone="Middle/Earth")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"hello", "no listening history"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"Rar!\x1a\x07", "RAR archive"),
        (b"PK\x05\x06" + bytes(18), "zip is empty"),
        (b"PK\x03\x04 and the rest is missing", "incomplete"),
        (itunes({"Name": "x"}).replace(b"<plist", b'<!ENTITY a "b"><plist'), "entities"),
    ],
)
def test_what_can_not_be_read_is_refused_with_a_line_for_a_person(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        recognise(written(tmp_path, content))


def test_the_format_with_the_most_history_is_taken_from_a_mixed_zip(tmp_path: Path) -> None:
    files = {"a.json": every_format()["youtube"], "b.json": f"[{','.join([_text(spotify())] * 60)}]"}
    assert recognise(written(tmp_path, files)) == "spotify"


def _text(record: object) -> str:
    return json.dumps(record)
