from typing import Any

import pytest

from tests.conftest import PublicApi
from tests.support.people import Person

ENTRY = {"artist": "An artist", "title": "A song"}


@pytest.fixture
def path(api: PublicApi, person: Person) -> str:
    created = api.post("/api/v1/playlists", json={"name": "A list", "entries": [ENTRY]}, token=person.token)
    assert created.status == 201
    return f"/api/v1/playlists/{created.json['playlist_id']}"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 201},
        {"name": "nul\0"},
        {"name": 7},
        {"name": "x", "owner_id": "00000000-0000-8000-8000-000000000000"},
        {"name": "x", "entries": [{"artist": "a"}]},
        {"name": "x", "entries": [{"artist": "a", "title": "\u200b"}]},
        {"name": "x", "entries": [{**ENTRY, "duration_ms": -1}]},
        {"name": "x", "entries": [{**ENTRY, "duration_ms": 10**12}]},
        {"name": "x", "entries": [{**ENTRY, "title": "x" * 1001}]},
        {"name": "x", "entries": [ENTRY] * 2001},
        [],
    ],
    ids=lambda body: str(body)[:40],
)
def test_a_playlist_that_can_not_be_is_refused_with_a_reason(api: PublicApi, person: Person, body: Any) -> None:
    reply = api.post("/api/v1/playlists", json=body, token=person.token)
    assert reply.status == 422
    assert reply.json["code"] in {"invalid_request", "playlists.invalid_playlist"}


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"name":"\\ud800"}', b'{"name":"\xed\xa0\x80"}', b"[" * 5000])
def test_a_body_that_is_no_json_is_refused(api: PublicApi, person: Person, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert api.send("POST", "/api/v1/playlists", token=person.token, body=body, headers=headers).status == 422


@pytest.mark.parametrize("move", [(0, 1), (1, 0), (-1, 0), (0, 3000)])
def test_a_move_from_or_to_nowhere_is_refused(api: PublicApi, person: Person, path: str, move: tuple[int, int]) -> None:
    source, target = move
    reply = api.post(f"{path}/moves", json={"source": source, "target": target}, token=person.token)
    assert reply.status == 422


def test_an_edit_of_an_older_revision_conflicts(api: PublicApi, person: Person, path: str) -> None:
    added = api.post(f"{path}/entries", json={"entries": [ENTRY], "position": 0}, token=person.token).json
    assert added["revision"] == 2
    move = {"source": 0, "target": 1, "revision": 1}
    reply = api.post(f"{path}/moves", json=move, token=person.token)
    assert (reply.status, reply.json["code"]) == (409, "playlists.edit_conflict")
    assert api.post(f"{path}/moves", json={**move, "revision": 2}, token=person.token).json["revision"] == 3


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("jspf", "application/json"), ("xspf", "application/xspf+xml"), ("m3u8", "audio/x-mpegurl")],
)
def test_a_file_is_downloaded_and_never_shown(
    api: PublicApi, person: Person, path: str, form: str, media_type: str
) -> None:
    reply = api.get(f"{path}/export?format={form}", token=person.token)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert reply.headers["Content-Disposition"] == f'attachment; filename="A-list.{form}"'
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("query", ["format=pls", "format=", "form=jspf", "format=jspf&format=xspf"])
def test_another_format_is_refused(api: PublicApi, person: Person, path: str, query: str) -> None:
    assert api.get(f"{path}/export?{query}", token=person.token).status == 422


def test_names_come_back_as_they_were_sent(api: PublicApi, person: Person) -> None:
    entry = {
        "artist": '<script>alert("x")</script>',
        "title": "\N{RIGHT-TO-LEFT OVERRIDE}two\nlines 🎶",
        "release": " ",
    }
    sent = {"name": "\u202e<b>'\"&", "description": "a\tb\nc", "entries": [entry]}
    playlist_id = api.post("/api/v1/playlists", json=sent, token=person.token).json["playlist_id"]
    found = api.get(f"/api/v1/playlists/{playlist_id}", token=person.token).json
    assert (found["playlist"]["name"], found["playlist"]["description"]) == (sent["name"], sent["description"])
    [kept] = found["entries"]
    assert (kept["artist"], kept["title"], kept["release"]) == (entry["artist"], entry["title"], None)
