"""submit-listens: each rule of the protocol with its message."""

import time
from typing import Any
from uuid import UUID

import pytest

from tests.protocols.conftest import Player, listen

AT = 1_700_000_000
TRACK = {"artist_name": "An Artist", "track_name": "A Song"}
ONE = {"listened_at": AT, "track_metadata": TRACK}


def single(**changes: Any) -> dict[str, Any]:
    return {"listen_type": "single", "payload": [{**ONE, **changes}]}


def track(**changes: Any) -> dict[str, Any]:
    given = {**TRACK, **changes}
    return single(track_metadata={name: value for name, value in given.items() if value is not ...})


def info(**values: Any) -> dict[str, Any]:
    return track(additional_info=values)


MBID = "98255a8c-017a-4bc7-8dd6-1fa36124572b"

REFUSED: list[tuple[Any, str]] = [
    (b"{", "Cannot parse JSON document: "),
    (b"", "Cannot parse JSON document: "),
    (b"\xff\xfe", "Cannot parse JSON document: "),
    ([], "Invalid JSON document submitted. Top level of JSON document should be a json object."),
    ({"payload": [ONE]}, "Invalid JSON document submitted."),
    ({"listen_type": "single"}, "Invalid JSON document submitted."),
    ({"listen_type": "single", "payload": {}}, "The payload in the JSON document should be a list of listens."),
    ({"listen_type": "single", "payload": []}, "JSON document does not contain any listens"),
    (
        {"listen_type": "import", "payload": [ONE] * 1001},
        "Too many listens. You may not submit more than 1000 listens at once.",
    ),
    (info(note="x" * 11_000), "JSON document is too large. Each listens may not be larger than 10240 bytes."),
    ({"listen_type": "other", "payload": [ONE]}, "JSON document requires a valid listen_type key."),
    (
        {"listen_type": "single", "payload": [ONE, ONE]},
        "JSON document contains more than listen for a single/playing_now. It should contain only one.",
    ),
    ({"listen_type": "single", "payload": [None]}, "Listen is empty and cannot be validated."),
    (
        {"listen_type": "single", "payload": [{"track_metadata": TRACK}]},
        "JSON document must contain the key listened_at at the top level.",
    ),
    (single(listened_at="soon"), "JSON document must contain an int value for listened_at."),
    (single(listened_at=None), "JSON document must contain an int value for listened_at."),
    (single(listened_at=int(time.time()) + 7200), "Value for key listened_at is too high."),
    (single(listened_at=1_033_430_399), "Value for key listened_at is too low."),
    (single(listened_at=-1), "Value for key listened_at is too low."),
    (single(more=1), "JSON document may only contain listened_at and track_metadata top level keys"),
    (
        {"listen_type": "single", "payload": [{"listened_at": AT}]},
        "JSON document must contain the key track_metadata at the top level.",
    ),
    (single(track_metadata=None), "JSON document may not have track_metadata set to null."),
    (
        {"listen_type": "playing_now", "payload": [ONE]},
        "JSON document must not contain listened_at while submitting playing_now.",
    ),
    (
        {"listen_type": "playing_now", "payload": [{"track_metadata": TRACK, "more": 1}]},
        "JSON document may only contain track_metadata as top level key when submitting playing_now.",
    ),
    (track(track_name=...), "JSON document does not contain required field track_metadata.track_name."),
    (track(artist_name=...), "JSON document does not contain required field track_metadata.artist_name."),
    (track(artist_name=["a"]), "track_metadata.artist_name must be a single string."),
    (track(track_name=" \t"), "field track_metadata.track_name is empty."),
    (track(release_name=7), "track_metadata.release_name must be a single string."),
    (info(tags=["t"] * 51), "JSON document may not contain more than 50 items"),
    (info(tags=["t" * 65]), "JSON document may not contain track_metadata.additional_info.tags longer than 64"),
    (info(duration=1, duration_ms=1), "JSON document should not contain both duration and duration_ms."),
    (info(duration=0), "Value for duration is invalid, should be a positive integer."),
    (info(duration_ms="long"), "Value for duration_ms is invalid, should be a positive integer."),
    (info(duration=2_073_601), "Value for duration is too large, max permitted value is 2073600"),
    (info(duration_ms=2_073_600_001), "Value for duration_ms is too large, max permitted value is 2073600000"),
    (info(recording_mbid="nope"), "recording_mbid MBID format invalid."),
    (info(release_mbid=5), "release_mbid MBID format invalid."),
    (info(artist_mbids=[MBID, "x"]), "artist_mbids MBID format invalid."),
    (info(artist_mbids="x"), "artist_mbids MBID format invalid."),
    (track(track_name="a\0b"), "contains a unicode null."),
    (info(note={"deep": ["x\0"]}), "contains a unicode null."),
]


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_breaks_a_rule_is_refused_with_its_message(player: Player, body: Any, message: str) -> None:
    reply = player.post("/1/submit-listens", body)
    assert reply.status == 400
    assert reply.json["code"] == 400
    assert message in reply.json["error"]
    assert player.get(f"/1/user/{player.name}/listen-count").json == {"payload": {"count": 0}}


def test_one_bad_listen_fails_the_whole_request(player: Player, start: int) -> None:
    assert player.submit(listen(start), listen(start + 60, " ")).status == 400
    assert player.listens() == []


def test_a_body_beyond_the_limit_is_refused(player: Player) -> None:
    reply = player.post("/1/submit-listens", b" " * 10_240_001)
    assert (reply.status, reply.json["error"]) == (400, "Payload too large. Payload cannot exceed 10240000 bytes")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "You need to provide an Authorization header."),
        ({"Authorization": "Token"}, "Provided Authorization header is invalid."),
        ({"Authorization": "Token segue_nope"}, "Invalid authorization token."),
        ({"Authorization": "Token nope"}, "Invalid authorization token."),
    ],
)
def test_credentials_come_first(player: Player, headers: dict[str, str], message: str) -> None:
    reply = player.post("/1/submit-listens", b"{", token=None, headers=headers)
    assert (reply.status, reply.json) == (401, {"code": 401, "error": message})


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer", "Anything"])
def test_the_scheme_may_be_any_word(player: Player, scheme: str) -> None:
    reply = player.get("/1/validate-token", token=None, headers={"Authorization": f"{scheme} {player.token}"})
    assert reply.json == {"code": 200, "message": "Token valid.", "valid": True, "user_name": player.name}


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_the_content_type_does_not_matter(player: Player, start: int, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    body = {"listen_type": "single", "payload": [listen(start)]}
    assert player.post("/1/submit-listens", body, headers=headers).json == {"status": "ok"}
    assert len(player.listens()) == 1


def test_a_listen_comes_back_as_it_was_sent(player: Player, start: int) -> None:
    given = {"media_player": "mpv", "my_own_key": {"x": [1, None]}, "tags": ["a"], "tracknumber": "3", "isrc": "X"}
    assert (
        player.submit(listen(start, "Só", "Ártist", duration_ms="200000.7", recording_mbid=MBID, **given)).status == 200
    )
    (found,) = player.listens()
    assert found["listened_at"] == start
    assert found["user_name"] == player.name
    metadata = found["track_metadata"]
    assert (metadata["artist_name"], metadata["track_name"], metadata["release_name"]) == ("Ártist", "Só", "A Release")
    assert given.items() <= metadata["additional_info"].items()
    assert metadata["additional_info"]["duration_ms"] == 200_000
    assert UUID(found["recording_msid"]) == UUID(metadata["additional_info"]["recording_msid"])
    assert metadata["mbid_mapping"]["recording_mbid"] == MBID


def test_empty_identifiers_and_releases_are_dropped(player: Player, start: int) -> None:
    given = listen(start, recording_mbid="", release_mbid=None, artist_mbids=["", None])
    given["track_metadata"]["release_name"] = " "
    assert player.submit(given).status == 200
    metadata = player.listens()[0]["track_metadata"]
    assert metadata["release_name"] is None
    assert not {"recording_mbid", "release_mbid", "artist_mbids"} & metadata["additional_info"].keys()


def test_times_may_be_numbers_in_texts(player: Player, start: int) -> None:
    given = listen(start)
    given["listened_at"] = str(start)
    assert player.submit(given).status == 200
    assert player.listens()[0]["listened_at"] == start


def test_the_same_again_is_ok_and_adds_nothing(player: Player, start: int) -> None:
    batch = [listen(start + n * 300, f"Song {n}") for n in range(50)]
    for _ in range(2):
        assert player.submit(*batch).json == {"status": "ok"}
    assert player.get(f"/1/user/{player.name}/listen-count").json == {"payload": {"count": 50}}


def test_two_tracks_in_the_same_second_are_two(player: Player, start: int) -> None:
    assert player.submit(listen(start, "One"), listen(start, "Two")).status == 200
    assert len(player.listens()) == 2


def test_what_plays_now_is_told_replaced_and_never_a_listen(player: Player) -> None:
    def now_playing() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = player.get(f"/1/user/{player.name}/playing-now").json["payload"]["listens"]
        return found

    def say(title: str, **more: Any) -> Any:
        payload = [{"track_metadata": {**TRACK, "track_name": title, "additional_info": more}}]
        return player.post("/1/submit-listens?return_msid=true", {"listen_type": "playing_now", "payload": payload})

    assert UUID(say("First", duration=300).json["recording_msid"])
    assert say("Second").json["status"] == "ok"
    (found,) = now_playing()
    assert found["playing_now"] is True
    assert found["track_metadata"]["track_name"] == "Second"
    assert "listened_at" not in found
    assert player.listens() == []
    assert player.post("/1/playing-now/delete").json["status"] == "ok"
    assert now_playing() == []
    say("Short", duration_ms=1)
    time.sleep(0.05)
    assert now_playing() == []
