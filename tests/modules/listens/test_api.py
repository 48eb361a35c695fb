"""The public routes, as scripts use them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app.contracts.identity import artist_key, identify
from tests.conftest import PublicApi
from tests.support.people import Person

KEY = identify("Ada", "Song").recording_key
AT = 1_704_067_200  # 2024-01-01T00:00:00Z


def item(**more: Any) -> dict[str, Any]:
    return {"listened_at": AT, "artist": "Ada", "title": "Song", **more}


def submit(api: PublicApi, person: Person, *items: Any, **more: Any) -> Any:
    reply = api.post("/api/v1/listens", json={"listens": list(items), **more}, token=person.token)
    assert reply.status == 200, reply.text
    return reply.json


def test_a_listen_is_submitted_read_back_and_deleted(api: PublicApi, person: Person) -> None:
    sent = item(release="Album", release_artist="Ada", duration_ms=1000, recording_mbid=str(uuid4()))
    assert submit(api, person, sent, client="script") == {"accepted": 1, "duplicate": 0, "rejected": []}
    page = api.get("/api/v1/listens", token=person.token).json
    [listen] = page["listens"]
    assert page["next"] is None
    assert (listen["listened_at"], listen["recording_key"]) == ("2024-01-01T00:00:00Z", str(KEY))
    assert (listen["release"], listen["duration_ms"], listen["client"]) == ("Album", 1000, "script")
    path = f"/api/v1/listens/{listen['listened_at']}/{KEY}"
    assert api.delete(path, token=person.token).status == 204
    again = api.delete(path, token=person.token)
    assert (again.status, again.json["code"]) == (404, "listens.listen_not_found")


def test_a_listen_can_be_deleted_by_its_unix_seconds(api: PublicApi, person: Person) -> None:
    submit(api, person, item())
    assert api.delete(f"/api/v1/listens/{AT}/{KEY}", token=person.token).status == 204
    assert api.delete(f"/api/v1/listens/yesterday/{KEY}", token=person.token).status == 422
    for never in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert api.delete(f"/api/v1/listens/{never}/{KEY}", token=person.token).status == 404


@pytest.mark.parametrize(
    "said",
    [
        AT,
        float(AT) + 0.5,
        str(AT),
        "2024-01-01T00:00:00Z",
        "2024-01-01T01:00:00+01:00",
        "2024-01-01 00:00:00.25",
        "2024-01-01",
    ],
)
def test_times_are_unix_seconds_or_iso_8601(api: PublicApi, person: Person, said: Any) -> None:
    assert submit(api, person, item(listened_at=said))["accepted"] == 1
    [listen] = api.get("/api/v1/listens", token=person.token).json["listens"]
    assert datetime.fromisoformat(listen["listened_at"]) == datetime.fromtimestamp(AT, UTC)


BAD: list[Any] = [
    5,
    None,
    [],
    "listen",
    {},
    item(artist=None),
    item(title=7),
    item(listened_at="soon"),
    item(listened_at=True),
    item(listened_at=-1),
    item(listened_at=10**30),
    item(listened_at="99999999999999999999"),
    item(listened_at="0001-01-01T00:00:00+14:00"),
    item(listened_at=None),
    item(duration_ms=2.5),
    item(duration_ms=-1),
    item(recording_mbid="x"),
    item(album="an unknown field"),
    item(extra={"a": 1}),
    item(artist=" "),
]


def test_bad_items_are_told_by_index_and_do_not_fail_the_others(api: PublicApi, person: Person) -> None:
    mixed = [each for n, bad in enumerate(BAD) for each in (item(listened_at=AT + n), bad)]
    result = submit(api, person, *mixed)
    assert (result["accepted"], result["duplicate"]) == (len(BAD), 0)
    assert [r["index"] for r in result["rejected"]] == list(range(1, 2 * len(BAD), 2))
    assert all(r["reason"] for r in result["rejected"])


def test_more_than_a_thousand_are_too_many_the_bad_ones_counted(api: PublicApi, person: Person) -> None:
    items = [item(listened_at=AT + n) if n % 2 else {} for n in range(1001)]
    reply = api.post("/api/v1/listens", json={"listens": items}, token=person.token)
    assert (reply.status, reply.json["code"]) == (413, "listens.batch_too_large")
    result = submit(api, person, *items[1:])
    assert (result["accepted"], len(result["rejected"])) == (500, 500)


def test_history_is_paged_by_next(api: PublicApi, person: Person) -> None:
    submit(api, person, *(item(listened_at=AT + n * 60) for n in range(5)))
    seen: list[str] = []
    path = "/api/v1/listens?limit=2"
    while True:
        page = api.get(path, token=person.token).json
        seen += [each["listened_at"] for each in page["listens"]]
        if page["next"] is None:
            break
        path = f"/api/v1/listens?limit=2&before={page['next']}"
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5
    newer = api.get(f"/api/v1/listens?after={AT + 120}", token=person.token).json["listens"]
    assert len(newer) == 2
    wrong = api.get("/api/v1/listens?before=never", token=person.token)
    assert (wrong.status, wrong.json["code"]) == (422, "listens.invalid_range")


def test_statistics_have_a_range_a_zone_and_a_length(api: PublicApi, person: Person) -> None:
    submit(api, person, item(), item(listened_at=AT + 600), item(listened_at=AT - 600, artist="Grace", release="Air"))
    for entity, expected in (("artists", ["Ada", "Grace"]), ("recordings", ["Song", "Song"]), ("releases", ["Air"])):
        top = api.get(f"/api/v1/statistics/{entity}?n=5", token=person.token).json
        assert [each["title"] for each in top["items"]] == expected
        assert top["total"] == len(expected)
    year = api.get("/api/v1/statistics/artists?from=2024-01-01&to=2025-01-01&n=1", token=person.token).json
    assert [(each["title"], each["plays"]) for each in year["items"]] == [("Ada", 2)]
    # the year begins five hours later in New York, and all three were in the old one
    there = "/api/v1/statistics/artists?from=2024-01-01&to=2025-01-01&tz=America/New_York"
    assert api.get(there, token=person.token).json["items"] == []
    days = api.get("/api/v1/statistics/activity?from=2023-12-31&to=2024-01-02", token=person.token).json
    assert [bucket["plays"] for bucket in days["buckets"]] == [1, 2]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("artists?range=forever", 422),
        ("artists?tz=Mars/Olympus", 422),
        ("artists?from=2025-01-01&to=2024-01-01", 422),
        ("artists?from=soon", 422),
        ("artists?n=0", 422),
        ("activity?tz=../etc/passwd", 422),
        ("activity?from=99999999999999", 422),
        ("labels", 404),
    ],
)
def test_wrong_statistics_are_a_problem(api: PublicApi, person: Person, query: str, status: int) -> None:
    reply = api.get(f"/api/v1/statistics/{query}", token=person.token)
    assert reply.status == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_feedback_is_put_and_read(api: PublicApi, person: Person) -> None:
    submit(api, person, item())
    artist = artist_key("Ada")
    assert api.put(f"/api/v1/feedback/recordings/{KEY}", json={"value": 1}, token=person.token).status == 204
    assert api.put(f"/api/v1/feedback/artists/{artist}", json={"value": -1}, token=person.token).status == 204
    loved = api.get("/api/v1/feedback?value=1", token=person.token).json["feedback"]
    assert [(each["kind"], each["key"], each["title"]) for each in loved] == [("recordings", str(KEY), "Song")]
    assert api.put(f"/api/v1/feedback/recordings/{KEY}", json={"value": 0}, token=person.token).status == 204
    assert len(api.get("/api/v1/feedback", token=person.token).json["feedback"]) == 1
    assert api.put(f"/api/v1/feedback/recordings/{KEY}", json={"value": 2}, token=person.token).status == 422
    assert api.put(f"/api/v1/feedback/releases/{KEY}", json={"value": 1}, token=person.token).status == 404
    assert api.put("/api/v1/feedback/recordings/x", json={"value": 1}, token=person.token).status == 404


def test_what_is_popular_names_no_listener(api: PublicApi, person: Person) -> None:
    reply = api.get("/api/v1/popular?kind=artists&n=3", token=person.token)
    assert reply.status == 200
    assert all(
        set(each) == {"kind", "key", "title", "artist", "artist_key", "listeners"} for each in reply.json["items"]
    )
    assert api.get("/api/v1/popular?kind=labels", token=person.token).status == 422


@pytest.mark.parametrize("path", ["listens", "statistics/artists", "statistics/activity", "feedback", "popular"])
def test_nobody_reads_without_signing_in(api: PublicApi, path: str) -> None:
    assert api.get(f"/api/v1/{path}").status == 401
