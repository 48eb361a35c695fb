"""The web service 2.0: sessions, scrobbles, reads, errors by number, in XML and JSON."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from app.composition import Container
from app.kernel.context import acting_as
from tests.protocols.conftest import Player, md5, xml
from tests.support.waiting import eventually


def error(player: Player, method: str, **parameters: Any) -> int:
    reply = player.call(method, **parameters)
    assert reply.status < 500
    found: int = reply.json["error"]
    assert reply.json["message"]
    return found


def test_a_token_is_the_password_of_a_mobile_session(player: Player) -> None:
    for method in ("auth.getMobileSession", "auth.getmobilesession", "AUTH.GETMOBILESESSION"):
        session = player.call(method, username=player.name.upper(), password=player.token).json["session"]
        assert session == {"name": player.name, "key": session["key"], "subscriber": 0}
    for name in (player.name, player.name.upper()):
        proof = md5(name.lower() + md5(player.token))
        assert "session" in player.call("auth.getMobileSession", username=name, authToken=proof).json


def test_wrong_passwords_are_error_4(player: Player) -> None:
    assert error(player, "auth.getMobileSession", username=player.name, password="wrong") == 4
    assert error(player, "auth.getMobileSession", username=player.name, authToken="0" * 32) == 4
    assert error(player, "auth.getMobileSession", username="nobody", password=player.token) == 4
    assert error(player, "auth.getMobileSession", username=player.name) == 6


def test_a_token_without_the_scope_is_no_password(player: Player, services: Container) -> None:
    with acting_as(player.person.actor):
        issued = services.accounts.create_token(player.person.listener_id, "reader", ["read"])
    assert error(player, "auth.getMobileSession", username=player.name, password=issued.token) == 4


def test_a_session_ends_with_its_token(player: Player, services: Container) -> None:
    key = player.session()
    with acting_as(player.person.actor):
        for token in services.accounts.list_tokens(player.person.listener_id):
            services.accounts.revoke_token(player.person.listener_id, token.token_id)
    assert error(player, "auth.getMobileSession", username=player.name, password=player.token) == 4
    eventually(lambda: "error" in player.call("track.love", sk=key, artist="a", track="b").json, within_s=40)


def test_parameters_in_query_and_body_are_merged(player: Player) -> None:
    form = urlencode({"method": "auth.getMobileSession", "password": player.token, "api_key": "k", "format": "json"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = player.stack.request("POST", f"/2.0/?username={player.name}", headers=headers, body=form.encode())
    assert reply.json["session"]["name"] == player.name


def test_errors_have_their_numbers(player: Player) -> None:
    key = player.session()
    assert error(player, "nope.nope") == 3
    assert error(player, "track.scrobble", artist="a", track="b", timestamp=1) == 9
    assert error(player, "track.scrobble", sk="nope", artist="a", track="b", timestamp=1) == 9
    assert error(player, "track.scrobble", sk=key) == 6
    assert error(player, "track.scrobble", sk=key, artist="a", track="b") == 6
    assert error(player, "track.love", sk=key, artist="a") == 6
    assert error(player, "user.getInfo", user="nobody-of-this-name") == 6
    assert error(player, "user.getTopArtists", sk=key, period="fortnight") == 6
    assert player.call("track.scrobble", verb="GET", sk=key, artist="a", track="b", timestamp=1).json["error"] == 3
    none = player.stack.request("GET", "/2.0/", headers={}, body=None)
    assert xml(none).find("error").get("code") == "6"  # type: ignore[union-attr]


def test_xml_is_the_default_form(player: Player, start: int) -> None:
    key = player.session()
    reply = player.call(
        "track.scrobble", as_json=False, sk=key, artist="<A & B>", track='"T"', album="C", timestamp=start
    )
    assert reply.headers["Content-Type"].startswith("text/xml")
    root = xml(reply)
    assert root.get("status") == "ok"
    scrobbles = root.find("scrobbles")
    assert scrobbles is not None
    assert (scrobbles.get("accepted"), scrobbles.get("ignored")) == ("1", "0")
    assert scrobbles.findtext("scrobble/artist") == "<A & B>"
    assert scrobbles.findtext("scrobble/timestamp") == str(start)
    ignored = scrobbles.find("scrobble/ignoredMessage")
    assert ignored is not None
    assert ignored.get("code") == "0"
    failed = xml(player.call("track.scrobble", as_json=False, sk="x", artist="a", track="b", timestamp=start))
    assert failed.get("status") == "failed"


def test_a_batch_keeps_its_order_and_marks_what_it_ignores(player: Player, start: int) -> None:
    batch: dict[str, Any] = {}
    for n in range(12):
        batch |= {f"artist__{n}": "A", f"track__{n}": f"T{n}", f"timestamp__{n}": start + n * 300}
    batch |= {"artist__3": "", "timestamp__5": "2100000000", "timestamp__6": "5", "track__7": " "}
    answer = player.call("track.scrobble", sk=player.session(), **batch).json["scrobbles"]
    assert answer["@attr"] == {"accepted": 8, "ignored": 4}
    codes = [int(each["ignoredMessage"]["code"]) for each in answer["scrobble"]]
    assert codes == [0, 0, 0, 1, 0, 4, 3, 2, 0, 0, 0, 0]
    assert {each["track_metadata"]["track_name"] for each in player.listens()} == {
        f"T{n}" for n in range(12) if n not in {3, 5, 6, 7}
    }


def test_more_than_fifty_are_refused(player: Player, start: int) -> None:
    batch: dict[str, Any] = {}
    for n in range(51):
        batch |= {f"artist__{n}": "A", f"track__{n}": f"T{n}", f"timestamp__{n}": start + n}
    assert error(player, "track.scrobble", sk=player.session(), **batch) == 6
    assert player.listens() == []


def test_the_same_again_is_accepted_and_adds_nothing(player: Player, start: int) -> None:
    key = player.session()
    for _ in range(2):
        answer = player.call("track.scrobble", sk=key, artist="A", track="T", timestamp=start, duration="200").json
        assert answer["scrobbles"]["@attr"]["accepted"] == 1
    assert len(player.listens()) == 1


def test_love_and_unlove(player: Player) -> None:
    key = player.session()
    assert player.call("track.love", sk=key, artist="A", track="T").json == {}
    loved = player.call("user.getLovedTracks", verb="GET", sk=key).json["lovedtracks"]
    assert loved["@attr"]["total"] == "1"
    assert isinstance(loved["track"], dict)  # one is an object, not a list
    assert xml(player.call("track.unlove", as_json=False, sk=key, artist="A", track="T")).get("status") == "ok"
    assert player.call("user.getLovedTracks", verb="GET", sk=key).json["lovedtracks"]["track"] == []


def test_recent_tracks_begin_with_what_plays_now(player: Player, start: int) -> None:
    key = player.session()
    for n in range(5):
        player.call("track.scrobble", sk=key, artist="A", track=f"T{n}", album="B", timestamp=start + n * 300)
    now = player.call("track.updateNowPlaying", sk=key, artist="A", track="Now", duration="300").json["nowplaying"]
    assert now["track"] == {"#text": "Now", "corrected": "0"}
    recent = player.call("user.getRecentTracks", verb="GET", sk=key, limit=2, page=2).json["recenttracks"]
    assert recent["@attr"] == {"user": player.name, "page": "2", "perPage": "2", "totalPages": "3", "total": "5"}
    playing, *tracks = recent["track"]
    assert playing["@attr"] == {"nowplaying": "true"}
    assert "date" not in playing
    assert [each["name"] for each in tracks] == ["T2", "T1"]
    assert tracks[0]["artist"]["#text"] == "A"
    assert tracks[0]["album"]["#text"] == "B"
    assert tracks[0]["date"]["uts"] == str(start + 600)
    found = player.call("user.getRecentTracks", verb="GET", sk=key, **{"from": start + 300, "to": start + 600}).json
    assert [each["name"] for each in found["recenttracks"]["track"][1:]] == ["T2", "T1"]


def test_tops_and_info(player: Player, start: int) -> None:
    key = player.session()
    for n in range(3):
        player.call("track.scrobble", sk=key, artist=f"A{n % 2}", track="T", album="B", timestamp=start + n * 300)
    top = player.call("user.getTopArtists", verb="GET", sk=key).json["topartists"]
    assert [(a["name"], a["playcount"], a["@attr"]["rank"]) for a in top["artist"]] == [
        ("A0", "2", "1"),
        ("A1", "1", "2"),
    ]
    for method, name, item in (
        ("user.getTopTracks", "toptracks", "track"),
        ("user.getTopAlbums", "topalbums", "album"),
    ):
        found = player.call(method, verb="GET", sk=key, period="12month", limit=1).json[name]
        assert found[item]["artist"]["name"] == "A0"
        assert found["@attr"]["totalPages"] == "2"
    user = player.call("user.getInfo", verb="GET", sk=key).json["user"]
    assert (user["name"], user["playcount"]) == (player.name, "3")
    assert int(user["registered"]["unixtime"]) > 1_700_000_000


def test_an_application_reads_whom_it_had_a_session_of(player: Player, other: Player) -> None:
    mine = "application-" + player.name
    assert error(player, "user.getInfo", user=player.name, api_key=mine) == 6
    player.call("auth.getMobileSession", username=player.name, password=player.token, api_key=mine)
    assert player.call("user.getInfo", user=player.name, api_key=mine).json["user"]["name"] == player.name
    assert error(player, "user.getInfo", user=player.name, api_key="another") == 6
    assert error(player, "user.getInfo", user=other.name, api_key=mine) == 6


def test_web_authorisation_needs_consent_and_gives_one_session(player: Player, services: Container) -> None:
    token = player.call("auth.getToken", verb="GET", api_key="app").json["token"]
    assert error(player, "auth.getSession", token=token, api_key="app") == 14
    assert error(player, "auth.getSession", token="x", api_key="app") == 4
    with acting_as(player.person.actor):
        services.accounts.approve_authorization(player.person.listener_id, token, "app", "An app")
    assert error(player, "auth.getSession", token=token, api_key="other") == 4
    session = player.call("auth.getSession", token=token, api_key="app").json["session"]
    assert session["name"] == player.name
    assert player.call("track.love", sk=session["key"], artist="A", track="T").json == {}
    assert error(player, "auth.getSession", token=token, api_key="app") == 14


def test_control_characters_do_not_break_the_xml(player: Player, start: int) -> None:
    reply = player.call(
        "track.scrobble", as_json=False, sk=player.session(), artist="A\x0b", track="T", timestamp=start
    )
    assert xml(reply).get("status") == "ok"
    assert not re.search("[\x00-\x08\x0b]", reply.text)


@pytest.mark.parametrize("method", ["artist.getSimilar", "track.getSimilar"])
def test_what_is_similar_to_something_unknown_is_an_error(player: Player, method: str) -> None:
    assert error(player, method, artist="Nobody Knows", track="This", sk=player.session()) == 6
