"""Connecting other services in the page, with and without scripts."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from app.contracts.listens import NewListen
from app.kernel.context import SYSTEM, acting_as
from app.modules.listens.service import ListensService
from tests.modules.listens.others import FakeListenBrainz, running
from tests.support.people import new_person
from tests.web.conftest import Site, Visit

pytestmark = [pytest.mark.browser, pytest.mark.extended]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_service_is_connected_paused_and_removed(scripts: bool, site: Site, visit: Visit) -> None:
    person, lb = new_person(site.stack.services), FakeListenBrainz()
    with running(lb):
        page = visit(person, scripts=scripts)
        page.goto("/account")
        page.get_by_role("link", name="Other services").click()
        expect(page.get_by_text("Nothing is connected yet")).to_be_visible()
        page.get_by_role("link", name="ListenBrainz").click()
        page.get_by_label("Token").fill(lb.token)
        page.get_by_text("It is at another address").click()
        page.get_by_label("Address").fill(lb.address)
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_text(f"It works: you are {lb.name} there.")).to_be_visible()
        assert lb.token not in page.content()
        with acting_as(person.actor):
            played = NewListen(datetime.now(UTC) - timedelta(minutes=1), "Ada", "Song")
            site.stack.services.listens.submit(person.listener_id, [played])
        page.reload()
        expect(page.get_by_text("On the way: 1 listen")).to_be_visible()
        advance(site)
        page.reload()
        expect(page.get_by_text("It works.", exact=True)).to_be_visible()
        assert len(lb.listens) == 1
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("You paused it.")).to_be_visible()
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("It goes on.")).to_be_visible()
        page.get_by_role("link", name="Remove").click()
        page.get_by_role("button", name="Remove the connection").click()
        expect(page.get_by_text("Nothing is connected yet")).to_be_visible()


def test_a_wrong_token_is_said_at_once_and_can_be_replaced(site: Site, visit: Visit) -> None:
    person, lb = new_person(site.stack.services), FakeListenBrainz()
    with running(lb):
        page = visit(person)
        page.goto("/account/relays/new/segue")
        page.get_by_label("Address").fill(lb.address)
        page.get_by_label("Token").fill("a wrong one")
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_text("the token is not valid there")).to_be_visible()
        with acting_as(person.actor):
            played = NewListen(datetime.now(UTC) - timedelta(minutes=1), "Ada", "Song")
            site.stack.services.listens.submit(person.listener_id, [played])
        advance(site)
        page.reload()
        expect(page.get_by_text("It waits for you")).to_be_visible()
        page.get_by_label("New token").fill(lb.token)
        page.get_by_role("button", name="Use it").click()
        expect(page.get_by_text("It works: you are")).to_be_visible()
        advance(site)
    assert len(lb.listens) == 1


def test_what_is_missing_is_said_and_what_was_entered_stays(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    page = visit(person, scripts=False)
    page.goto("/account/relays/new/lastfm")
    page.get_by_label("Your name there").fill("ada")
    page.get_by_label("API key", exact=True).fill("a key")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("alert")).to_contain_text("sending needs your password")
    assert page.get_by_label("Your name there").input_value() == "ada"


def advance(site: Site) -> None:
    """Do what a worker does."""
    service = site.stack.services.wire("listens").service
    assert isinstance(service, ListensService)
    with acting_as(SYSTEM):
        service.advance_relays()
