"""A filled instance and a real browser for the tests of pages."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from sqlalchemy import text

from app.bench.system import Servers
from app.contracts.catalog import Tagging
from app.contracts.identity import recording_key
from app.contracts.listens import Kind, ListenerListens, NewListen
from app.contracts.playlists import NewEntry
from app.contracts.training import FINAL_STATES, Run
from app.kernel.clock import system_clock
from app.kernel.context import SYSTEM, acting_as
from app.modules.recommendations import likeness
from app.modules.training.service import TrainingService
from tests.support.people import Person, new_person, with_time_left
from tests.support.stack import Stack, loopback_stack
from tests.support.waiting import eventually

CHROMIUM = Path(os.environ.get("SEGUE_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PATIENCE_MS = 30_000  # a browser beside a suite on two cores has come to its load event after more than ten seconds
HOSTILE = "<script>document.title='broken in'</script>"

# Tells of whatever the policy refused, also where the browser's console would not.
WATCH = (
    "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP refused ' + e.violatedDirective))"
)


@dataclass(frozen=True)
class Site:
    """A running instance with a listener who has played things and an administrator."""

    stack: Stack
    listener: Person
    admin: Person
    artist_key: UUID
    playlist_id: UUID
    relay_id: UUID
    run_id: UUID

    @property
    def base_url(self) -> str:
        return self.stack.base_url


@pytest.fixture(scope="session")
def loopback(servers: Servers, folder: Path) -> Iterator[Stack]:
    """A system of the pages' own: what other tests train on the common one decides which model serves there."""
    with loopback_stack(servers, folder / "pages") as stack:
        yield stack


@pytest.fixture
def site(running_site: list[Site]) -> Site:
    """The site, with people who stay signed in: a token of its start ends after a quarter of an hour."""
    [now] = running_site
    services = now.stack.services
    running_site[0] = replace(
        now, listener=with_time_left(services, now.listener), admin=with_time_left(services, now.admin)
    )
    return running_site[0]


@pytest.fixture(scope="session")
def running_site(loopback: Stack) -> list[Site]:
    services = loopback.services
    listener, admin = new_person(services), new_person(services, is_admin=True)
    now = datetime.now(UTC).replace(microsecond=0)
    with acting_as(SYSTEM):
        for taste in ("Shore", "Orchard"):
            crowd = [
                ListenerListens(uuid4(), plays(taste, now - timedelta(days=person + 2), skip=person % 5))
                for person in range(25)
            ]
            services.listens.load(crowd, "tests")
    run = train(loopback, "recordings")
    train(loopback, "artists")
    with acting_as(listener.actor):
        own = plays("Shore", now - timedelta(hours=1))[:24]
        own.append(NewListen(now - timedelta(minutes=5), "The Quiet Ones", HOSTILE, "A release"))
        services.listens.submit(listener.listener_id, own, client="tests")
        made = services.playlists.create_playlist(
            listener.listener_id, "On the way", entries=[NewEntry("Shore band 1", f"Song {n}") for n in range(3)]
        )
        services.accounts.create_token(listener.listener_id, "a player", ["scrobble"])
        eventually(
            lambda: not services.recommendations.recommend(listener.listener_id, "recordings", 5).degraded, within_s=60
        )
        artist_key = services.listens.top(listener.listener_id, "artists").items[0].key
        eventually(lambda: bool(services.catalog.get_artists([artist_key])), within_s=20)
    offer_unplayed(loopback)
    relay_id = troubled_relay(loopback, listener)
    return [Site(loopback, listener, admin, artist_key, made.playlist_id, relay_id, run.run_id)]


def offer_unplayed(stack: Stack) -> None:
    """Let there be recordings that nobody has played, by whom people here play."""
    bands = [f"{taste} band {band}" for taste in ("Shore", "Orchard") for band in range(3)]
    tagged = [Tagging(band, f"Unheard {number}", ["live"]) for number, band in enumerate(bands)]
    database = stack.database("recommendations")
    with acting_as(SYSTEM):
        stack.services.catalog.add_tags(tagged)
        key = recording_key(bands[-1], f"Unheard {len(bands) - 1}")

        def is_alike() -> bool:
            likeness.refresh(database, system_clock)
            return bool(stack.services.recommendations.similar("recordings", key).items)

        eventually(is_alike, within_s=30, every_s=0.5)
    database.dispose()


def troubled_relay(stack: Stack, person: Person) -> UUID:
    """Connect a service that let the person in no more, after it refused a listen; and one that does nothing yet."""
    with acting_as(person.actor):
        listens = stack.services.listens
        listens.add_relay(person.listener_id, "segue", "https://segue.example", "", "token", "pull")
        relay = listens.add_relay(person.listener_id, "listenbrainz", "http://127.0.0.1:9", HOSTILE, "token", "both")
        played = NewListen(datetime.now(UTC) - timedelta(minutes=1), "The Quiet Ones", "Refused")
        listens.submit(person.listener_id, [played], client="tests")
    with stack.database("listens").begin() as session:
        session.execute(text("update relay set is_enabled = false where listener_id = :l"), {"l": person.listener_id})
        session.execute(
            text("update relay set is_enabled = true, paused = :why where relay_id = :relay"),
            {"relay": relay.relay_id, "why": HOSTILE},
        )
        session.execute(
            text("update relay_item set state = 'dead', reason = :why where relay_id = :relay"),
            {"relay": relay.relay_id, "why": HOSTILE},
        )
    return relay.relay_id


def train(stack: Stack, kind: Kind) -> Run:
    """Start a run and advance it here, as a worker would."""
    with acting_as(SYSTEM):
        run = stack.services.training.start_run(kind)
        advance(stack, run.run_id)
        return stack.services.training.get_run(run.run_id)


def advance(stack: Stack, run_id: UUID) -> None:
    with acting_as(SYSTEM):
        service = stack.services.wire("training").service
        assert isinstance(service, TrainingService)
        service.run(run_id)
        eventually(lambda: stack.services.training.get_run(run_id).state in FINAL_STATES, within_s=60)


def plays(taste: str, since: datetime, *, skip: int = -1) -> list[NewListen]:
    """Return forty plays of ten bands of one taste, without one of the songs."""
    return [
        NewListen(since - timedelta(minutes=4 * (band * 5 + song)), f"{taste} band {band}", f"{taste} {band}.{song}")
        for band in range(10)
        for song in range(5)
        if song != skip
    ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"NO BROWSER: {CHROMIUM} is missing (apt install chromium, or set SEGUE_CHROMIUM)")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


def is_trouble(message: ConsoleMessage, may_miss: bool = False) -> bool:
    """Say whether the console complains; an answer with an error's status is none by itself."""
    expected = ["the server responded with a status of 4", *(["Failed to load resource: net::"] if may_miss else [])]
    return message.type == "error" and not any(text in message.text for text in expected)


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """Open pages as a person or nobody; afterwards nothing may have been refused or have failed in the browser."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(
        person: Person | None = None, *, scripts: bool = True, width: int = 1280, may_miss: bool = False
    ) -> Page:
        """`may_miss`: the connection is cut on purpose."""
        context = browser.new_context(
            base_url=site.base_url, java_script_enabled=scripts, viewport={"width": width, "height": 900}
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        if person is not None:
            context.add_cookies([{"name": "segue_access", "value": person.token, "url": site.base_url}])
        if scripts:
            context.add_init_script(WATCH)
        page = context.new_page()
        page.on("console", lambda m: troubles.append(f"{page.url}: {m.text}") if is_trouble(m, may_miss) else None)
        page.on("pageerror", lambda error: troubles.append(f"{page.url}: {error}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles, troubles
