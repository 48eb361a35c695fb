"""ListenBrainz: listens, feedback by name, playlists; what is personal stays behind."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from app.modules.listens.formats import Count, Mix, MixEntry, Opinion, Skipped
from tests.modules.listens.formats.samples import at, lines, listenbrainz, msid, plays, read, reasons

INFO = {
    "recording_mbid": msid(7),
    "release_mbid": msid(8),
    "artist_mbids": [msid(9)],
    "duration_ms": 305_000,
    "media_player": "mpd",
    "recording_msid": msid(1),
    "tags": [],
}


def test_a_listen_is_taken_with_what_is_useful(tmp_path: Path) -> None:
    (listen,) = plays(read(tmp_path, lines([listenbrainz(3, INFO)])))
    assert (listen.listened_at, listen.artist, listen.title, listen.release) == (at(3), "Björk", "Jóga 3", "Homogenic")
    assert (listen.duration_ms, listen.recording_mbid) == (305_000, UUID(msid(7)))
    assert listen.extra == {"release_mbid": msid(8), "artist_mbids": [msid(9)], "media_player": "mpd"}


@pytest.mark.parametrize(
    "key",
    [
        "ip_addr",
        "ip",
        "ipAddress",
        "client-ip",
        "user_agent",
        "user_name",
        "username",
        "device_id",
        "conn_country",
        "city",
    ],
)
def test_what_is_personal_is_left_behind(tmp_path: Path, key: str) -> None:
    info = {key: "203.0.113.7", "kept": "x", "deep": {"fine": 1, "list": [{key: "203.0.113.7", "also": 2}]}}
    (listen,) = plays(read(tmp_path, lines([listenbrainz(0, info)])))
    assert listen.extra == {"kept": "x", "deep": {"fine": 1, "list": [{"also": 2}]}}


@pytest.mark.parametrize("key", ["media_player", "music_service", "submission_client", "isrc", "tracknumber", "disc"])
def test_what_is_not_personal_is_kept(tmp_path: Path, key: str) -> None:
    (listen,) = plays(read(tmp_path, lines([listenbrainz(0, {key: "x"})])))
    assert listen.extra == {key: "x"}


@pytest.mark.parametrize(
    ("given", "duration_ms"),
    [
        ({"duration": 305}, 305_000),
        ({"duration": "305.5"}, 305_500),
        ({"duration_ms": -1}, None),
        ({"duration": {}}, None),
    ],
)
def test_durations_are_read_as_clients_write_them(tmp_path: Path, given: dict[str, object], duration_ms: int) -> None:
    (listen,) = plays(read(tmp_path, lines([listenbrainz(0, given)])))
    assert listen.duration_ms == duration_ms


@pytest.mark.parametrize("written", [1_675_184_722, 1_675_184_722.9, "1675184722"])
def test_times_may_be_numbers_fractions_or_text(tmp_path: Path, written: object) -> None:
    (listen,) = plays(read(tmp_path, lines([listenbrainz(0, listened_at=written)])))
    assert listen.listened_at == datetime(2023, 1, 31, 17, 5, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"listened_at": 0}, "its time is before October 2002"),
        ({"listened_at": 4_000_000_000}, "its time lies in the future"),
        ({"listened_at": 1e300}, "its time can't be read"),
        ({"listened_at": None}, "it has no time"),
        ({"listened_at": "yesterday"}, "its time can't be read"),
        ({"track_metadata": {"artist_name": " ", "track_name": "x"}}, "it names no artist"),
        ({"track_metadata": {"artist_name": "x"}}, "it names no recording"),
        ({"track_metadata": {"artist_name": 5, "track_name": "x"}}, "it is not as ListenBrainz writes it"),
        ({"track_metadata": {"artist_name": "x" * 11_000, "track_name": "x"}}, "longer than 10 kB"),
    ],
)
def test_a_listen_that_can_not_be_is_skipped_with_the_reason(
    tmp_path: Path, fields: dict[str, object], reason: str
) -> None:
    items = read(tmp_path, lines([listenbrainz(0), listenbrainz(1, **fields), listenbrainz(2)]))
    assert [listen.title for listen in plays(items)] == ["Jóga 0", "Jóga 2"]
    ((place, said),) = reasons(items)
    assert place == "file:2"
    assert reason in said


def test_the_artist_of_a_release_is_taken_as_submissions_tell_it(tmp_path: Path) -> None:
    infos: list[dict[str, object]] = [
        {"release_artist_name": "V"},
        {"albumartist": "V"},
        {"release_artist_names": ["V"]},
        {},
    ]
    listens = plays(read(tmp_path, lines([listenbrainz(number, info) for number, info in enumerate(infos)])))
    assert [listen.release_artist for listen in listens] == ["V", "V", "V", None]


def test_months_are_read_in_their_order_and_empty_lines_do_not_count(tmp_path: Path) -> None:
    files = {
        f"listens/{year}/{month}.jsonl": "\n" + lines([listenbrainz(month)])
        for year in (2022, 2021)
        for month in (10, 2)
    }
    items = read(tmp_path, {"user.json": "{}", **files, "pinned_recording.jsonl": ""})
    assert [item.place for item in items] == [
        *("listens/2021/2.jsonl:2", "listens/2021/10.jsonl:2", "listens/2022/2.jsonl:2", "listens/2022/10.jsonl:2"),
    ]


def test_a_broken_month_is_told_although_nothing_in_it_can_be_read(tmp_path: Path) -> None:
    items = read(
        tmp_path, {"listens/2022/1.jsonl": lines([listenbrainz(0)]), "listens/2019/1.jsonl": "\n{broken json\n"}
    )
    assert len(plays(items)) == 1
    assert reasons(items) == [("listens/2019/1.jsonl:2", "it is not valid JSON")]


@pytest.mark.parametrize(
    "wrapped", ['{"payload": {"count": 2, "listens": %s}}', '{"listen_type": "import", "payload": %s}']
)
def test_an_answer_of_the_api_and_a_submission_are_read_too(tmp_path: Path, wrapped: str) -> None:
    listens = json.dumps([listenbrainz(0), listenbrainz(1)])
    assert len(plays(read(tmp_path, wrapped % listens))) == 2


def test_feedback_finds_its_names_in_the_listens_of_the_export(tmp_path: Path) -> None:
    mapped = listenbrainz(2)
    mapped["track_metadata"]["mbid_mapping"] = {"recording_mbid": msid(50), "artists": []}
    feedback = [
        {"recording_msid": msid(1), "recording_mbid": None, "score": 1, "created": int(at(9).timestamp())},
        {"recording_msid": None, "recording_mbid": msid(50), "score": -1, "created": 1},
        {"recording_msid": msid(77), "recording_mbid": None, "score": 1, "created": 1},
        {"recording_msid": msid(1), "score": 0},
    ]
    listens = lines([listenbrainz(0), listenbrainz(1), mapped])
    items = read(tmp_path, {"listens/2023/1.jsonl": listens, "feedback.jsonl": lines(feedback) + "{\n"})
    assert [item for item in items if isinstance(item, Opinion)] == [
        Opinion("feedback.jsonl:1", "Björk", "Jóga 1", 1, at(9)),
        Opinion("feedback.jsonl:2", "Björk", "Jóga 2", -1, None),
    ]
    skipped = [item for item in items if isinstance(item, Skipped)]
    assert {(item.place, item.what) for item in skipped} == {
        *(("feedback.jsonl:3", "feedback"), ("feedback.jsonl:4", "feedback"), ("feedback.jsonl:5", "feedback")),
    }


def test_feedback_with_names_and_play_counts_of_an_own_export_are_taken(tmp_path: Path) -> None:
    feedback = [
        {"score": 1, "created": 1, "artist_name": "Björk", "track_name": "Jóga", "kind": "recordings"},
        {"score": -1, "created": 1, "artist_name": "Muse", "track_name": "", "kind": "artists"},
    ]
    counts = [
        {"artist": "Muse", "title": None, "source": "a", "plays": 9},
        {"artist": "Björk", "title": "Hunter", "source": "a", "plays": 5},
        {"artist": "Björk", "plays": 0},
        {"artist": "Björk", "title": "Hunter", "source": "b", "plays": 2},
    ]
    items = read(tmp_path, {"feedback.jsonl": lines(feedback), "playcounts.jsonl": lines(counts)})
    assert items[:3] + items[4:] == [
        Opinion("feedback.jsonl:1", "Björk", "Jóga", 1, None),
        Opinion("feedback.jsonl:2", "Muse", "", -1, None),
        Count("playcounts.jsonl:1", "Muse", "", 9),
        Count("playcounts.jsonl:2", "Björk", "Hunter", 7),
    ]
    assert reasons(items) == [("playcounts.jsonl:3", "it is no play count as Segue writes it")]


def test_playlists_are_taken_with_their_entries(tmp_path: Path) -> None:
    track = {"title": "Jóga", "creator": "Björk", "album": "Homogenic", "duration": 305_000, "identifier": "x"}
    extension = {"https://musicbrainz.org/doc/jspf#playlist": {"public": True}}
    jspf = {
        "playlist": {"title": "Winter", "annotation": "cold", "track": [track, {"title": "?"}], "extension": extension}
    }
    items = read(tmp_path, {"playlists/1.jspf": json.dumps(jspf), "playlists/2.jspf": "{"})
    assert items[0] == Mix(
        "playlists/1.jspf", "Winter", "cold", True, [MixEntry("Björk", "Jóga", "Homogenic", 305_000)]
    )
    assert items[1:] == [Skipped("playlists/2.jspf", "it is not valid JSON", "playlist")]
