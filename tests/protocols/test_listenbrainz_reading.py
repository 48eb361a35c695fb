"""Reading back by the protocol: pages, feedback, statistics, playlists, and whose data it is."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.composition import Container
from app.contracts.accounts import Preferences
from app.kernel.context import acting_as
from tests.protocols.conftest import Player, listen
from tests.support.waiting import eventually

MBID = "98255a8c-017a-4bc7-8dd6-1fa36124572b"


def times(listens: list[dict[str, Any]], start: int) -> list[int]:
    return [each["listened_at"] - start for each in listens]


def test_pages_lie_between_exclusive_bounds_newest_first(player: Player, start: int) -> None:
    player.submit(*(listen(start + n * 10, f"Song {n}") for n in range(40)))
    assert len(player.listens()) == 25
    assert times(player.listens("count=3"), start) == [390, 380, 370]
    assert times(player.listens(f"max_ts={start + 390}&count=2"), start) == [380, 370]
    assert times(player.listens(f"min_ts={start + 10}&count=2"), start) == [30, 20]
    assert times(player.listens(f"min_ts={start}&max_ts={start + 30}"), start) == [20, 10]
    assert len(player.listens("count=5000")) == 40
    assert player.listens("count=0") == []
    payload = player.get(f"/1/user/{player.name.upper()}/listens?count=1").json["payload"]
    assert payload["count"] == 1
    assert payload["user_id"] == player.name
    assert (payload["oldest_listen_ts"], payload["latest_listen_ts"]) == (start, start + 390)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("count=-1", "Number of items requested should be positive"),
        ("max_ts=10&min_ts=10", "max_ts should be greater than min_ts"),
        ("max_ts=x", "Invalid max_ts argument"),
        ("count=x", "Invalid count argument"),
    ],
)
def test_wrong_bounds_are_refused(player: Player, query: str, message: str) -> None:
    reply = player.get(f"/1/user/{player.name}/listens?{query}")
    assert reply.status == 400
    assert message in reply.json["error"]


READS = (
    "listens",
    "listen-count",
    "playing-now",
    "similar-users",
    "playlists",
    "playlists/createdfor",
)


@pytest.mark.parametrize("what", READS)
def test_somebody_else_sees_a_public_profile_only(
    player: Player, other: Player, services: Container, what: str
) -> None:
    path = f"/1/user/{player.name}/{what}"
    assert player.get(path).status == 200
    for token in ("own", None):
        hidden = other.get(path, token=token)
        assert (hidden.status, hidden.json["error"]) == (404, f"Cannot find user: {player.name}")
    with acting_as(player.person.actor):
        services.accounts.set_preferences(player.person.listener_id, Preferences(is_public=True))
    for token in ("own", None):
        assert other.get(path, token=token).status == 200


def test_an_unknown_person_is_404(player: Player) -> None:
    reply = player.get("/1/user/nobody-of-this-name/listens")
    assert (reply.status, reply.json) == (404, {"code": 404, "error": "Cannot find user: nobody-of-this-name"})


def test_a_listen_is_deleted_and_deleting_again_is_ok(player: Player, start: int) -> None:
    player.submit(listen(start))
    msid = player.listens()[0]["recording_msid"]
    for _ in range(2):
        assert player.post("/1/delete-listen", {"listened_at": start, "recording_msid": msid}).json == {"status": "ok"}
    assert player.listens() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"recording_msid": MBID}, "Listen timestamp missing."),
        ({"listened_at": 1}, "Recording MSID missing."),
        ({"listened_at": 1, "recording_msid": "x"}, "x: Recording MSID format invalid."),
        ({"listened_at": "x", "recording_msid": MBID}, "x: Listen timestamp invalid."),
    ],
)
def test_what_names_no_listen_is_refused(player: Player, body: Any, message: str) -> None:
    reply = player.post("/1/delete-listen", body)
    assert (reply.status, reply.json["error"]) == (400, message)


def test_tokens_are_validated_without_failing(player: Player) -> None:
    assert player.get("/1/validate-token?token=" + player.token, token=None).json["valid"] is True
    wrong = player.get("/1/validate-token?token=nope", token=None)
    assert (wrong.status, wrong.json) == (200, {"code": 200, "message": "Token invalid.", "valid": False})
    none = player.get("/1/validate-token", token=None)
    assert (none.status, none.json["error"]) == (400, "You need to provide an Authorization token.")


def test_every_answer_is_open_to_all_origins_and_tells_the_rate(player: Player) -> None:
    for reply in (player.get("/1/validate-token"), player.get("/1/nope"), player.post("/1/submit-listens", b"{")):
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        for name in ("Limit", "Remaining", "Reset-In", "Reset"):
            assert int(reply.headers[f"X-RateLimit-{name}"]) > 0
    preflight = player.send("OPTIONS", "/1/submit-listens", token=None)
    assert preflight.status == 200
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert preflight.headers["Access-Control-Max-Age"] == "21600"


def test_importers_keep_a_mark_that_only_moves_forward(player: Player) -> None:
    path = f"/1/latest-import?user_name={player.name}&service=lastfm"
    assert player.get(path).json["latest_import"] == 0
    for ts in (1000, 500):
        assert player.post("/1/latest-import", {"ts": ts, "service": "lastfm"}).json == {"status": "ok"}
    assert player.get(path).json == {
        "musicbrainz_id": player.name,
        "latest_import": 1000,
        "status": None,
        "error": None,
    }
    assert player.post("/1/latest-import", {"ts": "x"}).json["error"] == "Invalid data sent"


def test_love_by_msid_and_mbid(player: Player, services: Container, start: int) -> None:
    player.submit(listen(start, "Known", recording_mbid=MBID))
    msid = player.listens()[0]["recording_msid"]
    with acting_as(player.person.actor):
        eventually(lambda: bool(services.catalog.find_identifiers([UUID(MBID)])))
    assert love(player, {"recording_mbid": MBID, "score": 1})
    assert feedback(player) == [(msid, MBID, 1)]
    assert love(player, {"recording_msid": msid, "score": -1})
    assert feedback(player) == [(msid, MBID, -1)]
    assert feedback(player, "score=1") == []
    asked = f"get-feedback-for-recordings?recording_msids={msid}&recording_mbids={uuid4()}"
    found = player.get(f"/1/feedback/user/{player.name}/{asked}").json["feedback"]
    assert [each["score"] for each in found] == [-1, 0]
    posted = player.post(
        f"/1/feedback/user/{player.name}/get-feedback-for-recordings", {"recording_mbids": [MBID]}
    ).json["feedback"]
    assert [each["score"] for each in posted] == [-1]
    for path in (f"recording/{MBID}/get-feedback-mbid", f"recording/{msid}/get-feedback"):
        assert [each["score"] for each in player.get("/1/feedback/" + path).json["feedback"]] == [-1]
    assert love(player, {"recording_msid": msid, "score": 0})
    assert feedback(player) == []


def love(player: Player, body: dict[str, Any]) -> bool:
    return bool(player.post("/1/feedback/recording-feedback", body).json == {"status": "ok"})


def feedback(player: Player, query: str = "") -> list[tuple[str, str, int]]:
    found = player.get(f"/1/feedback/user/{player.name}/get-feedback?{query}").json
    assert found["count"] == found["total_count"] == len(found["feedback"])
    return [(each["recording_msid"], each["recording_mbid"], each["score"]) for each in found["feedback"]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"recording_msid": MBID, "score": 1, "more": 1}, "JSON document may only contain recording_msid"),
        ({"score": 1}, "JSON document must contain either recording_msid or recording_mbid"),
        ({"recording_msid": MBID}, "JSON document must contain either recording_msid or recording_mbid"),
        ({"recording_msid": MBID, "score": 5}, "Feedback can have a value of 1, 0 or -1."),
        ({"recording_msid": "x", "score": 1}, "recording_msid MSID format invalid."),
    ],
)
def test_what_is_no_feedback_is_refused(player: Player, body: Any, message: str) -> None:
    reply = player.post("/1/feedback/recording-feedback", body)
    assert reply.status == 400
    assert reply.json["error"].startswith(message)


def test_a_score_that_is_none_is_refused(player: Player) -> None:
    reply = player.get(f"/1/feedback/user/{player.name}/get-feedback?score=5")
    assert (reply.status, reply.json["error"]) == (400, "Score can have a value of 1 or -1.")


def test_ratings_of_recommendations_are_feedback(player: Player, start: int) -> None:
    player.submit(listen(start))
    mbid = player.listens()[0]["recording_msid"]  # the instance's own identifier stands in
    rate = "/1/recommendation/feedback/"
    assert player.post(rate + "submit", {"recording_mbid": mbid, "rating": "hate"}).json == {"status": "ok"}
    found = player.get(f"{rate}user/{player.name}").json
    assert [(each["recording_mbid"], each["rating"]) for each in found["feedback"]] == [(mbid, "hate")]
    assert player.post(rate + "delete", {"recording_mbid": mbid}).json == {"status": "ok"}
    assert player.get(f"{rate}user/{player.name}").json["total_count"] == 0
    assert player.post(rate + "submit", {"recording_mbid": mbid, "rating": "meh"}).status == 400


# every word of the protocol
RANGES = ["this_week", "this_month", "this_year", "week", "month", "quarter", "year", "half_yearly", "all_time"]


@pytest.mark.parametrize("what", ["artists", "releases", "release-groups", "recordings"])
def test_tops_count_what_was_played(player: Player, start: int, what: str) -> None:
    player.submit(*(listen(start + n * 300, f"Song {n % 2}", f"Artist {n % 2}") for n in range(5)))
    payload = player.get(f"/1/stats/user/{player.name}/{what}?count=1").json["payload"]
    key = what.replace("-", "_")
    (first,) = payload[key]
    assert first["listen_count"] == 3
    assert first["artist_name"] == "Artist 0"
    assert payload["count"] == 1
    assert payload[f"total_{key.removesuffix('s')}_count"] == 2
    assert payload["range"] == "all_time"
    second = player.get(f"/1/stats/user/{player.name}/{what}?offset=1").json["payload"][key]
    assert [each["listen_count"] for each in second] == [2]


@pytest.mark.parametrize("range", RANGES)
def test_every_range_answers(player: Player, start: int, range: str) -> None:
    for what in ("artists", "recordings", "listening-activity", "daily-activity", "artist-map", "genre-activity"):
        reply = player.get(f"/1/stats/user/{player.name}/{what}?range={range}")
        assert (reply.status, reply.body) == (204, b"")
    player.submit(listen(start))
    statuses = {
        what: player.get(f"/1/stats/user/{player.name}/{what}?range={range}").status
        for what in ("artists", "recordings", "listening-activity", "daily-activity")
    }
    assert set(statuses.values()) <= {200, 204}
    assert player.get(f"/1/stats/user/{player.name}/artists?range=all_time").status == 200


def test_a_range_that_is_none_is_refused(player: Player) -> None:
    reply = player.get(f"/1/stats/user/{player.name}/artists?range=fortnight")
    assert (reply.status, reply.json["error"]) == (400, "Invalid range: fortnight")


def test_activity_is_cut_into_periods_and_hours(player: Player) -> None:
    monday = 1_600_041_600  # 2020-09-14, a Monday, at midnight
    player.submit(listen(monday + 3600 * 5), listen(monday + 3600 * 5 + 60, "B"), listen(monday + 86_400, "C"))
    activity = player.get(f"/1/stats/user/{player.name}/listening-activity").json["payload"]["listening_activity"]
    assert {each["time_range"]: each["listen_count"] for each in activity if each["listen_count"]} == {"2020": 3}
    days = player.get(f"/1/stats/user/{player.name}/daily-activity").json["payload"]["daily_activity"]
    assert len(days) == 7
    assert all(len(hours) == 24 for hours in days.values())
    assert days["Monday"][5] == {"hour": 5, "listen_count": 2}
    assert days["Tuesday"][0]["listen_count"] == 1


def test_figures_of_everybody_name_nobody(player: Player, start: int) -> None:
    player.submit(listen(start))
    for what in ("artists", "releases", "recordings", "listening-activity"):
        reply = player.get(f"/1/stats/sitewide/{what}")
        assert reply.status == 200
        assert player.name not in reply.text
        assert player.get(f"/1/stats/sitewide/{what}", token=None).status == 401


def jspf(title: str = "Mine", *tracks: dict[str, Any], public: bool | None = True) -> dict[str, Any]:
    extension = {} if public is None else {"https://musicbrainz.org/doc/jspf#playlist": {"public": public}}
    return {"playlist": {"title": title, "extension": extension, "track": list(tracks)}}


def track(title: str, mbid: str = MBID) -> dict[str, Any]:
    return {"identifier": [f"https://musicbrainz.org/recording/{mbid}"], "title": title, "creator": "An Artist"}


def titles(player: Player, mbid: str) -> list[str]:
    return [each["title"] for each in player.get(f"/1/playlist/{mbid}").json["playlist"]["track"]]


def test_a_playlist_is_made_changed_copied_and_deleted(player: Player) -> None:
    made = player.post("/1/playlist/create", jspf("Mine", track("One"), track("Two"), track("Three"))).json
    mbid = made["playlist_mbid"]
    assert made["status"] == "ok"
    (listed,) = player.get(f"/1/user/{player.name}/playlists").json["playlists"]
    assert listed["playlist"]["title"] == "Mine"
    assert listed["playlist"]["track"] == []
    assert listed["playlist"]["identifier"].endswith(f"/playlist/{mbid}")
    assert player.post(f"/1/playlist/{mbid}/item/move", {"mbid": mbid, "from": 0, "to": 1, "count": 2}).json == {
        "status": "ok"
    }
    assert titles(player, mbid) == ["Three", "One", "Two"]
    assert player.post(f"/1/playlist/{mbid}/item/add/1", jspf("x", track("New"))).status == 200
    assert player.post(f"/1/playlist/{mbid}/item/add", jspf("x", track("Last"))).status == 200
    assert titles(player, mbid) == ["Three", "New", "One", "Two", "Last"]
    assert player.post(f"/1/playlist/{mbid}/item/delete", {"index": 1, "count": 2}).status == 200
    assert titles(player, mbid) == ["Three", "Two", "Last"]
    assert player.post(f"/1/playlist/edit/{mbid}", jspf("Renamed", public=False)).status == 200
    copied = player.post(f"/1/playlist/{mbid}/copy").json["playlist_mbid"]
    assert titles(player, copied) == titles(player, mbid)
    assert player.get(f"/1/playlist/{mbid}/xspf").headers["Content-Type"].startswith("application/xspf+xml")
    found = player.get(f"/1/user/{player.name}/playlists/search?query=renam").json
    assert found["playlist_count"] == 2
    assert player.post(f"/1/playlist/{mbid}/delete").json == {"status": "ok"}
    assert player.get(f"/1/playlist/{mbid}").status == 404


def test_playlists_of_others_are_public_or_not_there(player: Player, other: Player) -> None:
    private = player.post("/1/playlist/create", jspf(public=False)).json["playlist_mbid"]
    public = player.post("/1/playlist/create", jspf(public=True)).json["playlist_mbid"]
    assert other.get(f"/1/playlist/{private}").status == 404
    assert other.get(f"/1/playlist/{public}", token=None).status == 200
    for act in ("delete", "item/delete", "item/add"):
        assert other.post(f"/1/playlist/{private}/{act}", {"index": 0, "count": 1}).status == 404
        assert other.post(f"/1/playlist/{public}/{act}", {"index": 0, "count": 1}).status == 403


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "must contain a playlist element"),
        (jspf(""), "title"),
        (jspf(public=None), "public"),
        (jspf("x", {"title": "a", "creator": "b"}), "identifier field having recording MBID"),
        (jspf("x", {"identifier": ["https://musicbrainz.org/recording/" + str(uuid4())]}), "is not known here"),
    ],
)
def test_what_is_no_playlist_is_refused(player: Player, body: Any, part: str) -> None:
    reply = player.post("/1/playlist/create", body)
    assert reply.status == 400
    assert part in reply.json["error"]


def test_an_identifier_that_is_none_is_refused(player: Player) -> None:
    reply = player.get("/1/playlist/nope")
    assert (reply.status, reply.json["error"]) == (400, "Provided playlist ID is invalid.")


def test_recommendations_have_an_identifier_each(player: Player, start: int) -> None:
    player.submit(*(listen(start + n * 300, f"Song {n}") for n in range(3)))
    reply = player.get(f"/1/cf/recommendation/user/{player.name}/recording?count=5")
    assert reply.status in {200, 204}
    if reply.status == 200:
        payload = reply.json["payload"]
        assert payload["count"] == len(payload["mbids"]) <= 5
        assert all(len(each["recording_mbid"]) == 36 for each in payload["mbids"])


def test_listeners_alike_are_named_where_they_are_public(
    player: Player, other: Player, services: Container, start: int
) -> None:
    artist = f"Artist of {player.name}"
    for each in (player, other):
        each.submit(*(listen(start + n * 300, f"Song {n}", artist) for n in range(3)))
    with acting_as(other.person.actor):
        services.accounts.set_preferences(other.person.listener_id, Preferences(is_public=True))

    def near() -> dict[str, float]:
        found = player.get(f"/1/user/{player.name}/similar-users").json["payload"]
        return {each["user_name"]: each["similarity"] for each in found}

    eventually(lambda: near().get(other.name, 0) > 0.99)
    pair = player.get(f"/1/user/{player.name}/similar-to/{other.name}").json["payload"]
    assert pair == {"user_name": other.name, "similarity": pytest.approx(1.0)}
    assert player.get(f"/1/user/{player.name}/similar-to/nobody").status == 404
    assert other.name in [
        u["user_name"] for u in player.get("/1/search/users/?search_term=" + other.name).json["users"]
    ]


def test_services_are_ones_own_business(player: Player, other: Player) -> None:
    assert player.get(f"/1/user/{player.name}/services").json == {"user_name": player.name, "services": []}
    assert other.get(f"/1/user/{player.name}/services").status == 403


def test_an_endpoint_that_is_none_is_told_in_the_protocols_form(player: Player) -> None:
    for method in ("GET", "POST", "DELETE"):
        reply = player.send(method, "/1/no/such/thing")
        assert reply.status == 404
        assert json.loads(reply.body)["code"] == 404
