"""Songs are played through the service."""

import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from app.composition import Container
from app.contracts.identity import recording_key
from app.contracts.playlists import NotInLibrary
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.modules.playlists.libraries import BELL, WIND, connected, song, stream
from tests.support.people import Person, new_person
from tests.support.subsonic import TONES, Odd, Supysonic
from tests.support.waiting import eventually


def test_a_recording_is_played_through_the_service(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    tone = next(tone for tone in TONES if tone.title == "Wind")
    file = (supysonic.music / tone.path).read_bytes()
    whole = stream(api, person, WIND)
    assert whole.status == 200
    assert whole.data == file
    assert whole.headers["Content-Type"] == "audio/x-wav"
    assert whole.headers["Content-Length"] == str(len(file))
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Cache-Control"] == "private, no-store"
    for asked, content in (
        ("bytes=100-199", file[100:200]),
        ("bytes=300000-", file[300000:]),
        ("bytes=-50", file[-50:]),
        ("bytes=0-0", file[:1]),
    ):
        part = stream(api, person, WIND, Range=asked)
        assert part.status == 206
        assert part.data == content
        assert part.headers["Content-Length"] == str(len(content))
        assert part.headers["Content-Range"].endswith(f"/{len(file)}")
    beyond = stream(api, person, WIND, Range="bytes=99999999-")
    assert (beyond.status, beyond.data) == (416, b"")


def test_the_session_of_the_page_is_enough_to_play(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    assert stream(api, None, BELL, Cookie=f"segue_access={person.token}").status == 200
    assert stream(api, None, BELL).status == 401


def test_nobody_plays_from_another_library(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic, odd: Odd
) -> None:
    connected(services, person, supysonic.url)
    other = new_person(services)
    assert stream(api, other, BELL).json()["code"] == "playlists.library_not_connected"
    connected(services, other, odd.url)
    assert stream(api, other, BELL).json()["code"] == "playlists.not_in_library"
    with acting_as(SYSTEM), pytest.raises(NotInLibrary):
        services.playlists.stream_source(other.listener_id, "no such song")


def test_an_error_that_comes_as_success_is_one(services: Container, api: PublicApi, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    kinds = {
        "application/json": b'{"subsonic-response": {"status": "failed", "error": {"code": 70}}}',
        "text/xml; charset=utf-8": b"<subsonic-response status='failed'/>",
        "text/html": b"<script>alert(1)</script>",
    }
    for kind, content in kinds.items():
        odd.stream = lambda handler, kind=kind, content=content: handler.send(kind, content)
        reply = stream(api, person, recording_key("Ada", "Song 1"))
        assert (reply.status, reply.headers["Content-Type"]) == (502, "application/problem+json")
        problem = reply.json()
        assert problem["code"] == "playlists.library_failed"
        assert content.decode() not in str(problem)


def test_what_no_browser_plays_is_asked_for_as_mp3(
    services: Container, api: PublicApi, person: Person, odd: Odd
) -> None:
    odd.songs = [song(1, path="Ada/Album/1.flac"), song(2, path="Ada/Album/2.WMA"), song(3)]
    odd.stream = lambda handler: handler.send("audio/mpeg", b"sound")
    connected(services, person, odd.url)
    for number in (1, 2, 3):
        assert stream(api, person, recording_key("Ada", f"Song {number}")).data == b"sound"
    asked = [query for method, query in odd.asked if method == "stream"]
    assert [query.get("format") for query in asked] == [None, ["mp3"], None]


def test_a_song_that_breaks_off_does_not_look_whole(
    services: Container, api: PublicApi, person: Person, odd: Odd
) -> None:
    def break_off(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/mpeg")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"a" * 100_000)
        handler.close_connection = True

    connected(services, person, odd.url)
    odd.stream = break_off
    with pytest.raises(urllib3.exceptions.HTTPError):
        assert stream(api, person, recording_key("Ada", "Song 1")).data


class Tap:
    """A song that flows for as long as somebody listens."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.ended = threading.Event()

    def __call__(self, handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/mpeg")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        try:
            handler.wfile.write(b"a" * 65_536)
            self.may_go_on.wait(10)
            while True:
                handler.wfile.write(b"b" * 65_536)
        except OSError:
            self.ended.set()


def test_the_first_sounds_come_before_the_last_are_there_and_an_end_is_passed_on(
    services: Container, api: PublicApi, person: Person, odd: Odd
) -> None:
    connected(services, person, odd.url)
    odd.stream = tap = Tap()
    place = urlsplit(api.stack.base_url)
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=10) as listener:
        key = recording_key("Ada", "Song 1")
        listener.sendall(
            f"GET /api/v1/playlists/library/stream/{key} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Authorization: Bearer {person.token}\r\n\r\n".encode()
        )
        received = b""
        while b"aaaa" not in received:
            received += listener.recv(4096)
        assert received.startswith(b"HTTP/1.1 200")
        tap.may_go_on.set()
        while b"bbbb" not in received:
            received = received[-8:] + listener.recv(65_536)
    assert tap.ended.wait(10)


def test_one_listener_takes_only_so_many_streams(services: Container, api: PublicApi, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    odd.stream = tap = Tap()
    key = recording_key("Ada", "Song 1")
    running = [stream(api, person, key) for _ in range(3)]
    assert [each.status for each in running] == [200] * 3
    refused = stream(api, person, key)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    tap.may_go_on.set()
    for each in running:
        each.close()
    assert eventually(lambda: stream(api, person, key).status == 200, within_s=10)
