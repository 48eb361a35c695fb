"""A library in the pages: connected, pushed to and played from, on a real Subsonic server and a real browser."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from app.contracts.listens import NewListen
from app.contracts.playlists import NewEntry
from app.kernel.context import acting_as
from app.modules.playlists import streaming
from tests.support.people import Person, new_person
from tests.support.subsonic import PASSWORD, TONES, USER, Odd, Supysonic, running_odd
from tests.support.waiting import eventually
from tests.web.conftest import Site, Visit
from tests.web.looks import barriers

pytestmark = [pytest.mark.browser, pytest.mark.extended]

WIND = "Play: Wind"


@pytest.fixture
def owner(site: Site, supysonic: Supysonic) -> Person:
    """Somebody whose library is connected, who played of it, and has a playlist."""
    services, person = site.stack.services, new_person(site.stack.services)
    with acting_as(person.actor):
        start = datetime.now(UTC) - timedelta(hours=3)
        played = [("The High Wires", "Wind"), ("Low Bells", "Bell 1"), ("Nobody", "Nothing")]
        services.listens.submit(
            person.listener_id, [NewListen(start + timedelta(minutes=9 * n), *names) for n, names in enumerate(played)]
        )
        services.playlists.create_playlist(
            person.listener_id, "On the road", entries=[NewEntry(*names) for names in played]
        )
        services.playlists.connect_library(person.listener_id, supysonic.url, USER, PASSWORD, pushes_weekly=False)
        eventually(lambda: services.playlists.get_library(person.listener_id).state == "ready", within_s=30)
    return person


@pytest.fixture
def odd() -> Iterator[Odd]:
    with running_odd(Odd(songs=[{"id": "1", "title": "Wind", "artist": "The High Wires", "album": "x"}])) as server:
        yield server


@pytest.mark.parametrize("scripts", [True, False])
def test_a_library_is_connected_and_disconnected_in_the_page(
    scripts: bool, site: Site, supysonic: Supysonic, visit: Visit
) -> None:
    page = visit(new_person(site.stack.services), scripts=scripts)
    page.goto("/account")
    page.get_by_role("link", name="Your music library").click()
    page.fill("[name=address]", f"{supysonic.url}/app/#/album")
    page.fill("[name=user_name]", USER)
    page.fill("[name=password]", "wrong")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("That server does not know this name and password.")
    assert page.input_value("[name=address]") == f"{supysonic.url}/app/#/album"
    assert page.input_value("[name=password]") == ""
    assert page.is_checked("[name=pushes_weekly]")
    page.uncheck("[name=pushes_weekly]")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name=supysonic.url)).to_be_visible()
    songs = re.compile(rf"Songs\s*{len(TONES)}")
    if scripts:  # the page follows by itself
        expect(page.locator(".library-state")).to_contain_text(songs)
    else:
        eventually(lambda: page.reload() and page.locator(".library-state").count(), within_s=15, every_s=0.5)
        expect(page.locator(".library-state")).to_contain_text(songs)
    assert PASSWORD not in page.content()
    page.get_by_role("button", name="Push it each week").click()
    page.get_by_role("button", name="Stop it").click()
    expect(page.get_by_role("button", name="Push it each week")).to_be_visible()
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_role("button", name="Disconnect it").click()
    expect(page.get_by_role("heading", name="Connect a server")).to_be_visible()


def test_a_playlist_is_pushed_from_its_page(owner: Person, visit: Visit) -> None:
    page = visit(owner)
    page.goto("/playlists")
    page.get_by_role("link", name="On the road").click()
    page.get_by_role("button", name="Push to Subsonic").click()
    expect(page.locator(".note")).to_have_text("2 of 3 matched.")
    expect(page.get_by_role("heading", name="On Subsonic")).to_be_visible()
    page.get_by_text("1 recording not in your library").click()
    expect(page.locator("details")).to_contain_text("Nothing Nobody")
    assert barriers(page) == []


def test_only_what_is_in_the_library_has_a_button_to_play_it(owner: Person, visit: Visit, site: Site) -> None:
    page = visit(owner)
    for path in ("/history", "/"):
        page.goto(path)
        expect(page.get_by_role("link", name=WIND).first).to_be_visible()
        assert page.get_by_role("link", name="Play: Nothing").count() == 0
    other = visit(site.listener)
    other.goto("/history")
    assert other.locator("[data-play]").count() == 0


def test_a_recording_plays_in_the_page_and_on_the_next_one(owner: Person, visit: Visit) -> None:
    page = visit(owner)
    page.goto("/history")
    link = page.get_by_role("link", name=WIND)
    link.focus()
    page.keyboard.press("Enter")
    player = page.get_by_role("region", name="Player")
    expect(player).to_be_visible()
    expect(player).to_contain_text("Wind")
    expect(player).to_contain_text("The High Wires")
    eventually(lambda: now(page) > 0.2, within_s=30)
    assert abs(page.evaluate("document.querySelector('audio').duration") - 40) < 0.5
    page.evaluate("document.querySelector('audio').currentTime = 35")
    eventually(lambda: now(page) > 35.1, within_s=30)
    assert barriers(page) == []
    expect(link).to_have_attribute("aria-current", "true")
    link.click()
    eventually(lambda: page.evaluate("document.querySelector('audio').paused"))
    page.goto("/playlists")
    expect(player).to_contain_text("Wind")
    page.evaluate("document.querySelector('audio').play()")
    eventually(lambda: now(page) > 35, within_s=30)
    player.get_by_role("button", name="Close the player").click()
    expect(player).to_be_hidden()
    page.goto("/history")
    expect(player).to_be_hidden()


def now(page: Page) -> float:
    return float(page.evaluate("document.querySelector('audio').currentTime"))


def test_what_is_played_in_the_page_is_told_as_by_any_player(owner: Person, visit: Visit, site: Site) -> None:
    listens = site.stack.services.listens
    page = visit(owner)
    page.goto("/history")
    page.get_by_role("link", name=WIND).click()
    with acting_as(owner.actor):
        before = listens.count(owner.listener_id)
        eventually(lambda: listens.get_playing_now(owner.listener_id) is not None, within_s=30)
        page.evaluate("document.querySelector('audio').playbackRate = 8")
        eventually(lambda: now(page) > 10, within_s=30)
        page.goto("/playlists")  # half of its 40 seconds are heard on two pages
        assert listens.count(owner.listener_id) == before
        page.evaluate("document.querySelector('audio').play()")
        page.evaluate("document.querySelector('audio').playbackRate = 8")
        eventually(lambda: listens.count(owner.listener_id) == before + 1, within_s=30)
        [told] = listens.history(owner.listener_id, limit=1).listens
    assert (told.artist, told.title, told.client) == ("The High Wires", "Wind", "segue")
    assert abs((datetime.now(UTC) - told.listened_at).total_seconds()) < 60


def test_the_next_recording_follows_by_itself(owner: Person, visit: Visit) -> None:
    page = visit(owner)
    page.goto("/history")
    page.get_by_role("link", name="Play: Bell 1").click()  # a second long; Wind was played before it
    player = page.get_by_role("region", name="Player")
    expect(player).to_contain_text("Bell 1")
    expect(player).to_contain_text("Wind")


def test_what_can_not_be_played_says_so(site: Site, odd: Odd, visit: Visit) -> None:
    services, person = site.stack.services, new_person(site.stack.services)
    with acting_as(person.actor):
        services.listens.submit(person.listener_id, [NewListen(datetime.now(UTC), "The High Wires", "Wind")])
        services.playlists.connect_library(person.listener_id, odd.url, USER, PASSWORD, pushes_weekly=False)
        eventually(lambda: services.playlists.get_library(person.listener_id).state == "ready", within_s=30)
    odd.error = {"code": 70, "message": "gone"}
    context = visit(person).context
    page = context.new_page()  # the refused sound is an error on its console
    page.goto("/history")
    page.get_by_role("link", name=WIND).click()
    expect(page.get_by_role("region", name="Player")).to_contain_text("This can't be played just now.")


def test_the_pages_of_a_connected_library_have_no_barriers(owner: Person, visit: Visit) -> None:
    page = visit(owner)
    for path in ("/account/library", "/account/library/disconnect"):
        reply = page.goto(path)
        assert reply is not None
        assert reply.status == 200
        assert barriers(page) == [], path


def test_a_long_recording_comes_in_parts_to_its_end(
    owner: Person, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "PART_BYTES", 50_000)  # a seventh of it
    page = visit(owner)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/stream/" in request.url else None)
    page.goto("/history")
    page.get_by_role("link", name=WIND).click()
    page.evaluate("document.querySelector('audio').playbackRate = 16")
    eventually(lambda: page.evaluate("document.querySelector('audio').ended"), within_s=30)
    assert now(page) > 39
    assert len(asked) > 3
