import json
import re
from datetime import UTC, datetime
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts.playlists import Entry, Format, Playlist
from app.modules.playlists.exports import export, filename

NS = "{http://xspf.org/ns/0/}"
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ID = UUID("01234567-89ab-8cde-8123-456789abcdef")
# What PostgreSQL can keep: no NUL, no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def playlist(name: str = "A list", description: str = "") -> Playlist:
    return Playlist(ID, uuid4(), name, description, True, "manual", None, 0, AT, AT, 1)


def entry(title: str = "Song", artist: str = "Artist", release: str | None = None, ms: int | None = None) -> Entry:
    return Entry(uuid4(), title, artist, uuid4(), release, ms)


def written(format: Format, *entries: Entry, name: str = "A list", description: str = "") -> str:
    return export(playlist(name, description), list(entries), format, "https://segue.example", "ada").text


def test_jspf_has_the_form_that_listenbrainz_reads() -> None:
    document = json.loads(written("jspf", entry("Song", "Artist", "Release", 61_500), description="Made <b>by</b> me"))
    assert document == {
        "playlist": {
            "title": "A list",
            "creator": "ada",
            "annotation": "Made &lt;b&gt;by&lt;/b&gt; me",
            "date": "2026-11-24T09:30:00+00:00",
            "identifier": f"https://segue.example/playlist/{ID}",
            "extension": {
                "https://musicbrainz.org/doc/jspf#playlist": {
                    "public": True,
                    "creator": "ada",
                    "last_modified_at": "2026-11-24T09:30:00+00:00",
                    "additional_metadata": {"kind": "manual"},
                }
            },
            "track": [{"title": "Song", "creator": "Artist", "album": "Release", "duration": 61_500}],
        }
    }


def test_xspf_has_the_elements_of_its_specification() -> None:
    root = ElementTree.fromstring(written("xspf", entry("Song", "Artist", "Release", 61_500), description="<b>"))
    assert root.tag == f"{NS}playlist"
    assert root.attrib == {"version": "1"}
    assert [child.tag.removeprefix(NS) for child in root] == [
        "title",
        "creator",
        "annotation",
        "identifier",
        "date",
        "trackList",
    ]
    assert root.findtext(f"{NS}annotation") == "<b>"
    [track] = root.iter(f"{NS}track")
    assert {child.tag.removeprefix(NS): child.text for child in track} == {
        "title": "Song",
        "creator": "Artist",
        "album": "Release",
        "duration": "61500",
    }


def test_an_empty_playlist_still_has_its_track_list() -> None:
    assert ElementTree.fromstring(written("xspf")).find(f"{NS}trackList") is not None
    assert json.loads(written("jspf"))["playlist"]["track"] == []
    assert written("m3u8") == "#EXTM3U\n#PLAYLIST:A list\n"


def test_m3u8_says_seconds_and_guesses_a_path() -> None:
    assert written("m3u8", entry("Song", "Artist", "Release", 61_500), entry("Other")).splitlines()[2:] == [
        "#EXTINF:62,Artist - Song",
        "./Artist/Release/Song.mp3",
        "#EXTINF:-1,Artist - Other",
        "./Artist/Unknown/Other.mp3",
    ]


@given(texts, texts, texts)
def test_xspf_is_well_formed_whatever_the_names_hold(name: str, title: str, artist: str) -> None:
    root = ElementTree.fromstring(written("xspf", entry(title, artist), name=name, description=artist))
    [track] = root.iter(f"{NS}track")
    kept = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]", "", title)
    assert (track.findtext(f"{NS}title") or "") == kept.replace("\r\n", "\n").replace("\r", "\n")


@given(texts, texts, texts)
def test_jspf_gives_names_back_as_they_were(name: str, title: str, artist: str) -> None:
    document = json.loads(written("jspf", entry(title, artist), name=name))["playlist"]
    assert (document["title"], document["track"][0]) == (name, {"title": title, "creator": artist})


@given(texts, texts, texts, texts)
def test_m3u8_has_two_lines_for_a_track_whatever_the_names_hold(
    name: str, title: str, artist: str, release: str
) -> None:
    text = written("m3u8", entry(title, artist, release), entry(title, artist), name=name)
    lines = text.splitlines()
    assert text.endswith("\n")
    assert len(lines) == 6
    assert [line.startswith("#") for line in lines] == [True, True, True, False, True, False]
    for path in (lines[3], lines[5]):
        assert re.fullmatch(r"\./[^/\\]+/[^/\\]+/[^/\\]+\.mp3", path)
        assert ".." not in path.split("/")


def test_no_line_is_a_comment_or_an_address_that_a_name_made() -> None:
    lines = written("m3u8", entry("#1 Hit\n#EXTVLCOPT:x", "#Artist"), entry("x", "https://evil.example")).splitlines()
    assert lines[3] == "./#Artist/Unknown/#1 Hit #EXTVLCOPT_x.mp3"
    assert lines[5] == "./https___evil.example/Unknown/x.mp3"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Weekly mix, week 48 of 2026", "Weekly-mix-week-48-of-2026"),
        ("../../etc/passwd", "etc-passwd"),
        ('a"; filename="b\r\nX: y', "a-filename-b-X-y"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "gpj.exe"),
        ("音楽", "playlist"),
        ("...", "playlist"),
        ("", "playlist"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_file_is_named_in_a_way_that_is_safe_everywhere(name: str, expected: str) -> None:
    assert filename(name) == expected
    found = export(playlist(name), [], "m3u8", "", "ada")
    assert (found.filename, found.media_type) == (f"{expected}.m3u8", "audio/x-mpegurl")


@given(texts)
def test_a_files_name_is_plain(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", filename(name))
