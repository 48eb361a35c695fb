"""Spotify: the start of plays, what is dropped and why, duplicates between files, nothing personal."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from app.modules.listens.formats import Mix, MixEntry, Opinion, Skipped
from app.modules.listens.formats.seen import FIRST_SLOTS, Seen
from tests.modules.listens.formats.samples import account, at, plays, read, reasons, spotify

EXTENDED = "Spotify Extended Streaming History/Streaming_History_Audio_{}.json"


def test_a_play_is_taken_from_its_start_and_without_anything_personal(tmp_path: Path) -> None:
    (listen,) = plays(read(tmp_path, json.dumps([spotify(3)])))
    assert (listen.listened_at, listen.artist, listen.title, listen.release) == (at(3), "Björk", "Jóga 3", "Homogenic")
    link = "https://open.spotify.com/track/0000000000000000000003"
    assert listen.extra == {"duration_played": 180, "spotify_id": link}
    assert listen.duration_ms is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ms_played": 29_999, "skipped": True}, "it was skipped within 30 seconds"),
        ({"ms_played": 29_999, "reason_end": "fwdbtn"}, "it was skipped within 30 seconds"),
        ({"ms_played": 29_999, "reason_end": None}, "it was skipped within 30 seconds"),
        ({"ms_played": 0}, "it was skipped at once"),
        ({"ms_played": None}, "it doesn't say how long it was played"),
        ({"ms_played": -5}, "it doesn't say how long it was played"),
        ({"ms_played": 10**12}, "it claims to have been played for more than a day"),
        ({"incognito_mode": True}, "it was played in a private session"),
        ({"master_metadata_track_name": None, "episode_name": "Ep"}, "it is a podcast"),
        ({"master_metadata_track_name": None, "audiobook_title": "B"}, "it is an audiobook"),
        ({"master_metadata_track_name": None}, "it names no recording"),
        ({"master_metadata_album_artist_name": [1]}, "it names no artist"),
        ({"ts": "1970-01-01T00:00:00Z"}, "its time is before October 2002"),
        ({"ts": "2023-02-31T00:00:00Z"}, "its time can't be read"),
        ({"ts": None}, "it has no time"),
    ],
)
def test_what_is_no_listen_is_skipped_in_plain_words(tmp_path: Path, fields: dict[str, object], reason: str) -> None:
    items = read(tmp_path, json.dumps([spotify(0), spotify(1, **fields), spotify(2)]))
    assert [listen.title for listen in plays(items)] == ["Jóga 0", "Jóga 2"]
    assert reasons(items) == [("file:2", reason)]


def test_a_short_track_that_was_played_to_its_end_counts(tmp_path: Path) -> None:
    items = read(tmp_path, json.dumps([spotify(0, ms_played=12_000), spotify(1, ms_played=29_000, skipped=False)]))
    assert len(plays(items)) == 2


def test_the_same_play_in_two_files_is_told_as_a_duplicate(tmp_path: Path) -> None:
    def end(seconds: int) -> str:
        return (at(1) + timedelta(seconds=180 + seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    first = [spotify(number) for number in range(200)]
    second = [spotify(1, ts=end(30)), spotify(1, ts=end(-31)), spotify(1, ms_played=180_001), spotify(2, ts=end(0))]
    items = read(tmp_path, {EXTENDED.format(2): json.dumps(first), EXTENDED.format(10): json.dumps(second)})
    assert len(plays(items)) == 203
    assert [place for place, _ in reasons(items)] == [EXTENDED.format(10) + ":1"]
    assert items[0].place == EXTENDED.format(2) + ":1"  # by number, not by letter


def test_account_data_is_taken_and_short_plays_are_not(tmp_path: Path) -> None:
    items = read(tmp_path, json.dumps([account(0), account(1, msPlayed=9_000)]), "StreamingHistory_music_0.json")
    (listen,) = plays(items)
    assert abs(listen.listened_at - at(0)) <= timedelta(minutes=1)
    assert (listen.artist, listen.title, listen.release) == ("Björk", "Jóga 0", None)
    assert [reason for _, reason in reasons(items)] == ["it was played for less than 30 seconds"]


def test_account_data_beside_the_extended_history_adds_only_what_that_lacks(tmp_path: Path) -> None:
    files = {
        "MyData/StreamingHistory_music_0.json": json.dumps([account(0), account(1), account(50)]),
        EXTENDED.format(0): json.dumps([spotify(0), spotify(1)]),
    }
    assert [listen.title for listen in plays(read(tmp_path, files))] == ["Jóga 0", "Jóga 1", "Jóga 50"]


def test_videos_are_left_out_and_liked_songs_and_playlists_are_taken(tmp_path: Path) -> None:
    track = {"trackName": "Jóga", "artistName": "Björk", "albumName": "Homogenic", "trackUri": "spotify:track:1"}
    playlist = {"name": "Winter", "lastModifiedDate": "2023-01-01", "items": [{"track": track}, {"track": None}]}
    liked = {"artist": "Björk", "album": "Homogenic", "track": "Hunter", "uri": "spotify:track:2"}
    files = {
        "Streaming_History_Video_2020.json": json.dumps([spotify(5)]),
        "MyData/Playlist1.json": json.dumps({"playlists": [playlist]}),
        "MyData/YourLibrary.json": json.dumps({"tracks": [liked], "albums": [{"artist": "x"}]}),
        "MyData/Identity.json": json.dumps({"displayName": "Alice"}),
        EXTENDED.format(0): json.dumps([spotify(0)]),
    }
    items = read(tmp_path, files)
    assert len(plays(items)) == 1
    assert items[1:] == [
        Skipped("Streaming_History_Video_2020.json", "it holds videos", "file"),
        Opinion("MyData/YourLibrary.json:1", "Björk", "Hunter", 1, None),
        Mix("MyData/Playlist1.json:1", "Winter", "", False, [MixEntry("Björk", "Jóga", "Homogenic", None)]),
    ]


def test_a_playlist_of_ten_thousand_tracks_is_taken_whole(tmp_path: Path) -> None:
    track = {"trackName": "Jóga", "artistName": "Björk", "albumName": "Homogenic", "trackUri": "spotify:track:1"}
    playlist = {"name": "Long", "lastModifiedDate": "2023-01-01", "items": [{"track": track}] * 10_000}
    (mix,) = read(tmp_path, json.dumps({"playlists": [playlist]}, indent=2))
    assert isinstance(mix, Mix)
    assert len(mix.entries) == 10_000


def test_plays_are_remembered_while_the_table_grows() -> None:
    seen = Seen()
    count = FIRST_SLOTS * 2
    assert not any(seen.before(number % 500, 1_000_000 + 40 * number, 30) for number in range(count))
    assert all(seen.before(number % 500, 1_000_030 + 40 * number, 30) for number in range(0, count, 97))
    assert not seen.before(1, 1_000_071, 30)
