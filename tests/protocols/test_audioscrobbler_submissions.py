"""The submissions protocol 1.2: words on lines, always with status 200."""

import time
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from app.bench.system import Reply
from tests.protocols.conftest import Player, listen, md5


def handshake(player: Player, base: str = "/", **changes: Any) -> list[str]:
    now = str(int(time.time()))
    given = {"hs": "true", "p": "1.2.1", "c": "tst", "v": "1", "u": player.name, "t": now}
    given = {**given, "a": md5(md5(player.token) + now), **changes}
    reply = player.stack.request("GET", f"{base}?{urlencode(given)}", headers={}, body=None)
    assert reply.status == 200
    assert reply.text.endswith("\n")
    assert reply.headers["Content-Type"].startswith("text/plain")
    return reply.text.splitlines()


def post(player: Player, url: str, pairs: list[tuple[str, Any]]) -> str:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    path = urlsplit(url).path
    reply: Reply = player.stack.request("POST", path, headers=headers, body=urlencode(pairs).encode())
    assert reply.status == 200
    return reply.text


def play(number: int, at: int, **changes: Any) -> list[tuple[str, Any]]:
    given = {"a": "An Artist", "t": f"Song {number}", "i": at, "o": "P", "r": "", "l": 200, "b": "B", "n": "", "m": ""}
    return [(f"{name}[{number}]", value) for name, value in {**given, **changes}.items()]


def test_a_handshake_gives_a_session_and_absolute_addresses(player: Player) -> None:
    ok, _session, now_playing, submission = handshake(player)
    assert ok == "OK"
    assert now_playing.startswith(player.stack.base_url)
    assert submission.startswith(player.stack.base_url)


@pytest.mark.parametrize("base", ["/", "/1.2/", "/scrobbler//"])
def test_a_handshake_works_at_any_address(player: Player, base: str) -> None:
    assert handshake(player, base)[0] == "OK"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"a": "0" * 32}, "BADAUTH"),
        ({"u": "nobody-of-this-name"}, "BADAUTH"),
        ({"t": "1000"}, "BADTIME"),
        ({"t": ""}, "BADTIME"),
        ({"p": "2.0"}, "FAILED this server speaks protocol 1.2"),
        ({"sk": "nope"}, "BADAUTH"),
    ],
)
def test_what_is_wrong_is_a_word(player: Player, changes: dict[str, str], word: str) -> None:
    assert handshake(player, **changes) == [word]


def test_a_session_of_the_web_service_goes_on_here(player: Player) -> None:
    assert handshake(player, a="x", sk=player.session(), api_key="k")[0] == "OK"


def test_plays_are_stored_once(player: Player, start: int) -> None:
    _, session, now_playing, submission = handshake(player)
    assert post(player, now_playing, [("s", session), ("a", "An Artist"), ("t", "Now"), ("l", "200")]) == "OK\n"
    assert player.get(f"/1/user/{player.name}/playing-now").json["payload"]["count"] == 1
    batch = [("s", session), *(pair for n in range(10) for pair in play(n, start + n * 300))]
    for _ in range(2):
        assert post(player, submission, batch) == "OK\n"
    found = player.listens()
    assert len(found) == 10
    assert found[0]["track_metadata"]["additional_info"]["duration_ms"] == 200_000
    assert post(player, submission, [("s", "nope"), *play(0, start)]) == "BADSESSION\n"
    assert post(player, now_playing, [("s", ""), ("a", "x"), ("t", "y")]) == "BADSESSION\n"


def test_the_last_of_two_ratings_counts(player: Player, start: int) -> None:
    _, session, _, submission = handshake(player)
    given = [("s", session), *play(0, start), ("r[0]", "L"), *play(1, start + 300, r="B")]
    assert post(player, submission, given) == "OK\n"
    found = player.get(f"/1/feedback/user/{player.name}/get-feedback?metadata=true").json["feedback"]
    assert {each["track_metadata"]["track_name"]: each["score"] for each in found} == {"Song 0": 1, "Song 1": -1}


def test_one_bad_play_does_not_make_a_client_repeat_itself(player: Player, start: int) -> None:
    _, session, _, submission = handshake(player)
    given = [("s", session), *play(0, start), *play(1, start, a=""), *play(2, 5), ("t[3]", "no time")]
    assert post(player, submission, given) == "OK\n"
    assert len(player.listens()) == 1
    many = [("s", session), *(pair for n in range(51) for pair in play(n, start + n * 300))]
    assert post(player, submission, many).startswith("FAILED ")


@pytest.mark.parametrize("client", ["mdc", "mpd"])
def test_a_client_that_tells_the_end_of_a_play_is_recognised(player: Player, start: int, client: str) -> None:
    """mpdscribble's time is when it submits: a browser that told the start of the same play told it already."""
    assert player.submit(listen(start, "Song 0", submission_client="a browser", duration=200)).status == 200
    _, session, _, submission = handshake(player, c=client)
    assert post(player, submission, [("s", session), *play(0, start + 215)]) == "OK\n"
    assert len(player.listens()) == 1
    assert post(player, submission, [("s", session), *play(0, start + 1000)]) == "OK\n"
    assert len(player.listens()) == 2
