"""Covers where an administrator lets them be fetched: beside the page, once, in bounds, and never from within."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from msgspec import structs
from sqlalchemy import text

from app.composition import Container
from app.contracts.listens import NewListen
from app.kernel.clock import system_clock
from app.kernel.context import acting_as
from app.kernel.outgoing import Outgoing
from app.modules.catalog import covers
from app.settings import MODULE_NAMES
from app.topology import load as load_topology
from app.wsgi import create_app
from tests.support.people import new_person
from tests.support.stack import Stack
from tests.support.waiting import eventually

JPEG = b"\xff\xd8\xff\xe0" + b"a picture" * 100


class Archive(ThreadingHTTPServer):
    """Stands in for the Cover Art Archive: sends on to where a picture is, and notes what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pictures: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Archive

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        _, what, mbid, *_ = self.path.split("/")
        content = self.server.pictures.get(mbid, b"")
        self.send_response(404 if not content else 307 if what == "release" else 200)
        self.send_header("Location", f"/download/{mbid}/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def fetching(loopback: Stack, archive: Archive) -> Iterator[tuple[FlaskClient, Callable[[], None]]]:
    """Pages of the same instance with covers allowed, and the background work that fetches one."""
    settings = structs.replace(loopback.settings, fetch_covers=True, cover_archive_url=archive.url)
    container = Container(settings, load_topology("monolith"), tuple(MODULE_NAMES))
    client = create_app("gateway", settings, container=container).test_client()
    tick = container.wire("catalog").tick
    assert tick is not None
    yield client, tick
    for database in container.databases.values():
        database.dispose()


def played(stack: Stack, release_mbid: str) -> UUID:
    """Submit a listen of a release; return the recording's key when the catalog knows of it."""
    person, title = new_person(stack.services), uuid4().hex
    with acting_as(person.actor):
        listen = NewListen(datetime.now(UTC), "Ada", title, "One", extra={"release_mbid": release_mbid})
        stack.services.listens.submit(person.listener_id, [listen])
        key: UUID = stack.services.listens.history(person.listener_id).listens[0].recording_key
        eventually(lambda: bool(stack.services.catalog.get_recordings([key])), within_s=15)
    return key


def test_a_fetched_cover_takes_the_place_of_the_drawn_one(
    loopback: Stack, archive: Archive, fetching: tuple[FlaskClient, Callable[[], None]]
) -> None:
    client, tick = fetching
    mbid = str(uuid4())
    archive.pictures[mbid] = JPEG
    path = f"/cover/{played(loopback, mbid)}.svg"
    first = client.get(path)
    assert (first.content_type, archive.asked) == ("image/svg+xml", [])
    assert "immutable" not in first.headers["Cache-Control"]
    tick()
    second = client.get(path)
    assert (second.content_type, second.data) == ("image/jpeg", JPEG)
    asked = len(archive.asked)
    tick()
    client.get(path)
    assert len(archive.asked) == asked == 2


def test_what_has_no_cover_is_asked_for_once_in_a_while(
    loopback: Stack, archive: Archive, fetching: tuple[FlaskClient, Callable[[], None]]
) -> None:
    client, tick = fetching
    archive.pictures[odd := str(uuid4())] = b"<script>not a picture</script>"
    for mbid in (str(uuid4()), odd):
        path = f"/cover/{played(loopback, mbid)}.svg"
        archive.asked.clear()
        for _ in range(2):
            assert client.get(path).content_type.startswith("image/svg+xml")
            tick()
        assert [each for each in archive.asked if each.startswith("/release/")] == [f"/release/{mbid}/front-250"]


def test_what_a_client_calls_an_identifier_may_be_anything(loopback: Stack) -> None:
    key = played(loopback, "1; drop table listen")
    with loopback.database("catalog").begin() as session:
        found = session.execute(text("select count(*) from cover_source where key = :key"), {"key": key}).scalar_one()
    assert found == 0


def test_no_cover_is_fetched_from_within_the_network(loopback: Stack, archive: Archive) -> None:
    database, mbid = loopback.database("catalog"), uuid4()
    archive.pictures[str(mbid)] = JPEG
    with database.begin() as session:
        session.execute(
            text("insert into cover (release_mbid, asked_at, due_at) values (:mbid, now(), 'epoch')"), {"mbid": mbid}
        )
    covers.Fetching(database, Outgoing(), archive.url, system_clock).tick()
    assert archive.asked == []
    with database.begin() as session:
        row = session.execute(text("delete from cover where release_mbid = :mbid returning *"), {"mbid": mbid}).one()
    assert row.content is None
    assert row.due_at > datetime.now(UTC) + timedelta(minutes=5)


def test_only_so_many_covers_are_kept(loopback: Stack, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covers, "MOST_KEPT", 2)
    database, mbids = loopback.database("catalog"), [uuid4() for _ in range(3)]
    with database.begin() as session:
        session.execute(text("delete from cover"))
        for age, mbid in enumerate(mbids):
            session.execute(
                text("insert into cover (release_mbid, asked_at, due_at) values (:mbid, :at, 'epoch')"),
                {"mbid": mbid, "at": datetime.now(UTC) - timedelta(days=age)},
            )
    covers.Fetching(database, Outgoing(["127.0.0.1"]), archive.url, system_clock).tick()
    with database.begin() as session:
        kept = set(session.execute(text("delete from cover returning release_mbid")).scalars())
    assert kept == set(mbids[:2])


def test_without_leave_nothing_is_asked_for(loopback: Stack) -> None:
    assert loopback.settings.fetch_covers is False
    key = played(loopback, str(uuid4()))
    assert loopback.services.catalog.find_cover(key) is None
    reply = loopback.request("GET", f"/cover/{key}.svg", headers={}, body=None)
    assert "immutable" in reply.headers["Cache-Control"]
    with loopback.database("catalog").begin() as session:
        query = "select count(*) from cover join cover_source using (release_mbid) where key = :key"
        assert session.execute(text(query), {"key": key}).scalar_one() == 0
