"""Last.fm, Maloja, Koito, YouTube Music, Rockbox, iTunes and plain tables."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.modules.listens.formats import Count, Opinion
from tests.modules.listens.formats.samples import (
    at,
    history,
    itunes,
    koito,
    lastfm,
    lastfm_page,
    maloja,
    msid,
    plays,
    read,
    reasons,
    rockbox,
    table,
    written,
    youtube,
)

NOW_PLAYING = "it has no time: it was playing when the file was made"


def test_lastfm_without_a_header(tmp_path: Path) -> None:
    rows = [['Guns; N\' "Roses"', "Live, at\n<home>", "Jóga", "31 Jan 2023 17:05"], ["Now", "", "Playing", ""]]
    items = read(tmp_path, table(rows))
    (listen,) = plays(items)
    assert listen.listened_at == datetime(2023, 1, 31, 17, 5, tzinfo=UTC)
    assert (listen.artist, listen.title, listen.release) == ('Guns; N\' "Roses"', "Jóga", "Live, at\n<home>")
    assert reasons(items) == [("file:3", NOW_PLAYING)]


@pytest.mark.parametrize(
    "header",
    [
        "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid",
        "Artist;Album;AlbumId;Track;Date#alice",
    ],
)
def test_lastfm_with_a_header(tmp_path: Path, header: str) -> None:
    delimiter = ";" if ";" in header else ","
    cells = {"uts": "1675184722", "artist": "Björk", "Artist": "Björk", "album": "Homogenic", "Album": "Homogenic"}
    cells |= {"track": "Jóga", "Track": "Jóga", "track_mbid": msid(1), "Date#alice": "1675184722000"}
    row = delimiter.join(cells.get(column, "") for column in header.split(delimiter))
    items = read(tmp_path, f"{header}\r\n{row}\r\n\r\n{row.replace('16751', 'x')}\r\n")
    (listen,) = plays(items)
    assert (listen.listened_at, listen.artist, listen.title, listen.release) == (at(0), "Björk", "Jóga", "Homogenic")
    assert listen.extra == ({"lastfm_track_mbid": msid(1)} if "uts" in header else None)
    assert [place for place, _ in reasons(items)] == ["file:4"]


def test_lastfm_pages_and_a_single_track_in_place_of_a_list(tmp_path: Path) -> None:
    playing = {"artist": {"#text": "N"}, "name": "now", "album": {"#text": ""}, "@attr": {"nowplaying": "true"}}
    pages = [lastfm_page(range(2)), {"track": lastfm(2)}, {"track": [playing]}, {"track": []}, lastfm_page(range(3, 5))]
    items = read(tmp_path, json.dumps(pages))
    assert [listen.title for listen in plays(items)] == [f"Jóga {number}" for number in range(5)]
    assert plays(items)[0].extra == {"lastfm_artist_mbid": msid(9)}
    assert reasons(items) == [("file:4", NOW_PLAYING)]


def test_lastfm_scrobbles_of_lastfmstats(tmp_path: Path) -> None:
    scrobble = {"track": "Jóga", "artist": "Björk", "album": "Homogenic", "albumId": "", "date": 1675184722000}
    (listen,) = plays(read(tmp_path, json.dumps({"username": "a", "scrobbles": [scrobble]})))
    assert (listen.listened_at, listen.title) == (at(0), "Jóga")


def test_maloja_joins_artists_and_keeps_their_list(tmp_path: Path) -> None:
    scrobbles = [maloja(0), maloja(1, artists=["A", "B, C"], album=None), maloja(2, artists="A", length=None)]
    flat = {"time": int(at(3).timestamp()), "artists": ["A"], "title": "old", "album": None, "length": 9}
    listens = plays(read(tmp_path, json.dumps({"scrobbles": [*scrobbles, flat]})))
    assert [listen.artist for listen in listens] == ["Björk", "A, B, C", "A", "A"]
    assert listens[0].extra == {"duration_played": 300}
    assert listens[1].extra == {"artist_names": ["A", "B, C"], "duration_played": 300}
    assert [listen.release for listen in listens] == ["Homogenic", None, "Homogenic", None]
    assert [listen.duration_ms for listen in listens] == [305_000, 305_000, None, 9_000]
    assert listens[0].release_artist == "Björk"


def test_koito_takes_the_primary_alias_and_the_primary_artist_first(tmp_path: Path) -> None:
    def artist(name: str, number: int, *, is_primary: bool) -> dict[str, Any]:
        return {"mbid": msid(number), "is_primary": is_primary, "aliases": [{"alias": name, "is_primary": True}]}

    both = [artist("Guest", 1, is_primary=False), artist("Host", 2, is_primary=True)]
    track = {"mbid": msid(3), "duration": 0, "aliases": [{"alias": "only", "is_primary": False}]}
    items = read(
        tmp_path, json.dumps({"listens": [koito(0), koito(1, artists=both, track=track), koito(2, artists=[])]})
    )
    first, second = plays(items)
    assert (first.listened_at, first.artist, first.title, first.release) == (at(0), "Björk", "Jóga 0", "Homogenic")
    assert (first.duration_ms, first.extra) == (305_000, None)
    assert (second.artist, second.title, second.recording_mbid) == ("Host, Guest", "only", UUID(msid(3)))
    assert second.extra == {"artist_names": ["Host", "Guest"], "artist_mbids": [msid(2), msid(1)]}
    assert reasons(items) == [("file:3", "it names no artist")]


@pytest.mark.parametrize(
    "verb",
    ["Watched {}", "Vous avez regardé {}", "{} angesehen", "「{}」を視聴しました", "Вы посмотрели видео {}", "{}"],
)
def test_youtube_titles_lose_the_verb_around_them(tmp_path: Path, verb: str) -> None:
    (listen,) = plays(read(tmp_path, json.dumps([youtube(0, verb)])))
    assert (listen.listened_at, listen.artist, listen.title) == (at(0), "Björk", "Jóga 0")
    assert listen.extra == {"origin_url": "https://music.youtube.com/watch?v=Tic-1NV2bBs"}


@pytest.mark.parametrize("verb", ["Nimeangalia {}", "{} aufgelauscht"])
def test_youtube_titles_in_a_language_nobody_listed_are_told_by_what_they_share(tmp_path: Path, verb: str) -> None:
    entries = [youtube(number, verb, title=verb.format(f"{number} Jóga {number}")) for number in range(12)]
    found = history(written(tmp_path, json.dumps(entries)))
    assert [listen.title for listen in plays(list(found))] == [f"{number} Jóga {number}" for number in range(12)]
    assert len(found.notes) == 1


def test_youtube_videos_and_what_was_removed_are_skipped(tmp_path: Path) -> None:
    items = read(tmp_path, json.dumps([youtube(0), youtube(1, header="YouTube"), youtube(2, subtitles=None)]))
    assert reasons(items) == [
        ("file:2", "it was watched in YouTube, not in YouTube Music"),
        ("file:3", "it has been removed from YouTube: nothing tells whose it was"),
    ]


def test_rockbox_in_utc(tmp_path: Path) -> None:
    log = "#AUDIOSCROBBLER/1.1\r\n#TZ/UTC\r\n#CLIENT/Rockbox\r\n" + rockbox(0) + rockbox(1, "S") + "a\tb\n"
    items = read(tmp_path, log)
    (listen,) = plays(items)
    assert (listen.listened_at, listen.artist, listen.title, listen.release) == (at(0), "Björk", "Jóga 0", "Homogenic")
    assert (listen.duration_ms, listen.recording_mbid) == (305_000, UUID(msid(0)))
    assert reasons(items) == [("file:5", "it was skipped in the player"), ("file:6", "it has too few columns")]


def test_rockbox_without_a_zone_is_read_in_the_listeners(tmp_path: Path) -> None:
    path = written(tmp_path, "#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n" + rockbox(0))
    found = history(path, timezone="America/New_York")
    assert plays(list(found))[0].listened_at == at(0) + timedelta(hours=5)
    assert found.notes == ["The player kept no time zone: its times are taken as those of America/New_York."]


def test_itunes_counts_plays_and_tells_love(tmp_path: Path) -> None:
    played = {"Artist": "Björk", "Album Artist": "Various", "Play Count": 7, "Play Date UTC": datetime(2023, 1, 1)}
    items = read(
        tmp_path,
        itunes(
            {**played, "Name": "Jóga & <Hunter>", "Loved": True},
            {**played, "Name": "Unravel", "Play Count": 0, "Disliked": True},
            {**played, "Name": "Talk", "Podcast": True},
            {"Name": "nobody's", "Play Count": 3},
        ),
    )
    assert [item for item in items if isinstance(item, Count | Opinion)] == [
        Opinion("file:1", "Björk", "Jóga & <Hunter>", 1, None),
        Count("file:1", "Björk", "Jóga & <Hunter>", 7),
        Opinion("file:2", "Björk", "Unravel", -1, None),
    ]
    assert reasons(items) == [
        ("file:2", "it was never played"),
        ("file:3", "it is no music: Podcast"),
        ("file:4", "it names no artist"),
    ]


def test_itunes_adds_up_what_is_one_recording(tmp_path: Path) -> None:
    tracks = [{"Name": name, "Artist": "Björk", "Play Count": 3} for name in ("Jóga", "Hunter", "JÓGA", "jóga")]
    assert read(tmp_path, itunes(*tracks)) == [
        Count("file:2", "Björk", "Hunter", 3),
        Count("file:1", "Björk", "Jóga", 9),
    ]


@pytest.mark.parametrize("broken", ["<string>AT&T</string>", "<string>open", "</integer>", "<string>&lol;</string>"])
def test_itunes_a_broken_track_costs_only_itself(tmp_path: Path, broken: str) -> None:
    library = itunes(*({"Name": f"Jóga {number}", "Artist": "Björk", "Play Count": 1} for number in range(4)))
    items = read(tmp_path, library.replace(b"<string>J\xc3\xb3ga 1</string>", broken.encode()))
    assert [item.title for item in items if isinstance(item, Count)] == ["Jóga 0", "Jóga 2", "Jóga 3"]
    assert reasons(items) == [("file:2", "it is not valid XML")]


def test_itunes_tells_that_the_end_is_missing(tmp_path: Path) -> None:
    library = itunes(*({"Name": f"Jóga {number}", "Artist": "Björk", "Play Count": 1} for number in range(4)))
    cut = library[: library.index("Jóga 3".encode())]
    items = read(tmp_path, cut)
    assert len([item for item in items if isinstance(item, Count)]) == 3
    assert [reason for _, reason in reasons(items)] == ["the file ends before its list does: what followed is missing"]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1675184722", at(0)),
        ("1675184722000", at(0)),
        ("2023-01-31T17:05:22Z", at(0)),
        ("2023-01-31T19:05:22+02:00", at(0)),
        ("2023-01-31 18:05:22", at(0)),
        ("31 Jan 2023, 18:05:22", at(0)),
    ],
)
def test_tables_take_times_as_people_write_them_in_the_listeners_zone(
    tmp_path: Path, time: str, expected: datetime
) -> None:
    content = f'Played at\tArtist Name\tTrack\tAlbum\tDuration\n{time}\tBjörk\t7" mix\t"H"\t305\n'
    (listen,) = plays(read(tmp_path, content, timezone="Europe/Berlin"))
    assert (listen.listened_at, listen.artist, listen.title, listen.release) == (expected, "Björk", '7" mix', "H")
    assert listen.duration_ms == 305_000


def test_a_table_without_a_header_is_time_artist_title_release(tmp_path: Path) -> None:
    (listen,) = plays(read(tmp_path, "1675184722\tBjörk\tJóga\tHomogenic\n"))
    assert (listen.listened_at, listen.title, listen.release) == (at(0), "Jóga", "Homogenic")


def test_a_table_with_plays_and_no_times_holds_counts(tmp_path: Path) -> None:
    items = read(tmp_path, "artist,track,plays\nBjörk,Jóga,12\nBjörk,Hunter,0\nBjörk\n")
    assert items[0] == Count("file:2", "Björk", "Jóga", 12)
    assert reasons(items) == [("file:3", "it was never played"), ("file:4", "it has too few columns")]


def test_a_quote_that_never_closes_costs_only_its_line(tmp_path: Path) -> None:
    rows = [f"Björk,Homogenic,Jóga {number},31 Jan 2023 17:{number:02}" for number in range(40)]
    rows[5] = 'Björk,"Homogenic,Jóga 5,31 Jan 2023 17:05'
    items = read(tmp_path, "\n".join(rows))
    assert len(plays(items)) == 39
    assert reasons(items) == [("file:6", "a quote in it is never closed")]
