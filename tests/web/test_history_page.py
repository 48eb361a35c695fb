"""Mending one's history in the page: left to what one looks for, several listens at once, a listen that was another."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from app.contracts.listens import NewListen
from app.kernel.context import acting_as
from tests.support.people import Person, new_person
from tests.support.waiting import eventually
from tests.web.conftest import Site, Visit

pytestmark = [pytest.mark.browser, pytest.mark.extended]


def listener(site: Site) -> Person:
    """Return a new listener with six listens of two artists, sent by two clients."""
    person, now = new_person(site.stack.services), datetime.now(UTC).replace(microsecond=0)
    with acting_as(person.actor):
        for client, artist, first in (("phone", "Ada", 1), ("desktop", "Bob", 4)):
            listens = [NewListen(now - timedelta(minutes=9 * n), artist, f"Song {n}") for n in range(first, first + 3)]
            site.stack.services.listens.submit(person.listener_id, listens, client=client)
    return person


def titles(page: Page) -> list[str]:
    return page.locator(".row .row__title").all_inner_texts()


def test_history_is_left_to_a_client_an_artist_and_a_text(site: Site, visit: Visit) -> None:
    page = visit(listener(site), scripts=False)
    page.goto("/history")
    page.get_by_role("link", name="phone").first.click()
    assert titles(page) == ["Song 1", "Song 2", "Song 3"]
    page.get_by_label("Artist, title or release").fill("song 2")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**q=song*")
    # the text is looked for among the roll-ups, which follow
    eventually(lambda: page.reload() is not None and titles(page) == ["Song 2"], within_s=30, every_s=0.3)
    page.get_by_role("link", name="Show all").click()
    assert len(titles(page)) == 6
    page.get_by_text("By player or day").click()
    page.get_by_label("Up to the day").fill("2001-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Nothing in your history fits that.")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_several_listens_go_together_and_come_back(scripts: bool, site: Site, visit: Visit) -> None:
    page = visit(listener(site), scripts=scripts)
    page.goto("/history?client=desktop")
    boxes = page.locator("[name=listen]")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    if not scripts:
        boxes.nth(1).check()
    page.get_by_role("button", name="Delete the selected listens").click()
    expect(page.locator(".note")).to_contain_text("3 listens taken out of your history")
    expect(page.locator(".row")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".row")).to_have_count(3)
    assert titles(page) == ["Song 4", "Song 5", "Song 6"]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_listen_is_linked_to_another_recording_and_back(scripts: bool, site: Site, visit: Visit) -> None:
    page = visit(listener(site), scripts=scripts)
    page.goto("/history")
    page.get_by_role("link", name="Edit the listen of Song 1").click()
    page.get_by_label("Artist or title").fill("Shore 1.1")
    page.get_by_role("button", name="Look for it").click()
    page.locator(".row", has_text="Shore 1.1").get_by_role("button", name="It was this").click()
    expect(page.locator(".note")).to_contain_text("Shore 1.1 it is.")
    assert titles(page)[0] == "Shore 1.1"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".row .row__title").first).to_have_text("Song 1")


def test_an_edit_by_hand_says_what_is_wrong_and_keeps_the_rest(site: Site, visit: Visit) -> None:
    page = visit(listener(site), scripts=False)
    page.goto("/history")
    page.get_by_role("link", name="Edit the listen of Song 1").click()
    page.get_by_label("Title", exact=True).fill(" ")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Title", exact=True).fill("Another song")
    page.get_by_label("When it began").fill("2020-05-06T07:08:09")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".row .row__title").last).to_have_text("Another song")
    expect(page.locator(".day__name").last).to_contain_text("2020")


def test_what_plays_is_seen_while_it_plays(site: Site, visit: Visit) -> None:
    person = listener(site)
    page = visit(person)
    page.goto("/history")
    expect(page.locator(".playing")).to_have_count(0)
    with acting_as(person.actor):
        now = datetime.now(UTC)
        site.stack.services.listens.set_playing_now(person.listener_id, NewListen(now, "Ada", "This very song"))
    expect(page.locator(".playing")).to_contain_text("This very song")
    with acting_as(person.actor):
        site.stack.services.listens.submit(person.listener_id, [NewListen(now, "Ada", "This very song")])
        site.stack.services.listens.clear_playing_now(person.listener_id)
    expect(page.get_by_role("link", name="1 new listen")).to_be_visible(timeout=10_000)
