"""What people come for, from its beginning to its end: with the mouse, and by the keyboard alone."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from app.contracts.listens import NewListen
from app.kernel.context import acting_as
from tests.support.people import fresh_name, new_person
from tests.support.waiting import eventually
from tests.web.conftest import Site, Visit, plays
from tests.web.test_acts import listener_with_plays
from tests.web.test_history_in import work

pytestmark = pytest.mark.browser
MOST_TABS = 300


class Hands:
    """Does on a page what a person would: with the mouse, or with Tab, letters, Space and Enter only."""

    def __init__(self, page: Page, *, by_keyboard: bool) -> None:
        self.page = page
        self.by_keyboard = by_keyboard

    def press(self, target: Locator) -> None:
        if self.by_keyboard:
            self.reach(target)
            self.page.keyboard.press("Enter")
        else:
            target.click()

    def write(self, target: Locator, text: str) -> None:
        if not self.by_keyboard:
            target.fill(text)
            return
        self.reach(target)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def reach(self, target: Locator) -> None:
        expect(target).to_be_visible()
        for _ in range(MOST_TABS):
            if target.evaluate("(element) => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{target} is not reached by the keyboard")


@pytest.fixture(params=[pytest.param(False, id="mouse"), pytest.param(True, id="keyboard", marks=pytest.mark.extended)])
def by_keyboard(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_from_the_first_visit_to_the_first_recommendation(by_keyboard: bool, site: Site, visit: Visit) -> None:
    with acting_as(site.admin.actor):
        invitation = site.stack.services.accounts.create_invitation()
    page = visit()
    hands = Hands(page, by_keyboard=by_keyboard)
    page.goto(f"/register?invitation={invitation.code}")
    name = fresh_name()
    hands.write(page.get_by_label("Name", exact=True), name)
    hands.write(page.get_by_label("Password"), "a sentence of my own choice")
    hands.press(page.get_by_role("button", name="Make the account"))
    hands.press(page.get_by_role("main").get_by_role("link", name="Bring your history").first)
    own = [
        {
            "listened_at": int(listen.listened_at.timestamp()),
            "track_metadata": {"artist_name": listen.artist, "track_name": listen.title},
        }
        for listen in plays("Orchard", datetime.now(UTC) - timedelta(days=1))[:30]
    ]
    file = page.get_by_label("File, zipped or plain")
    if by_keyboard:
        hands.reach(file)  # what its dialogue shows is the system's
    file.set_input_files({"name": "mine.json", "mimeType": "text/plain", "buffer": json.dumps(own).encode()})
    hands.press(page.get_by_role("button", name="Look at it"))
    expect(page.get_by_role("heading", name="mine.json")).to_be_visible()
    work(site)
    hands.press(page.get_by_role("button", name="Take it over"))
    expect(page.get_by_role("button", name="Take it over")).to_have_count(0)
    work(site)
    expect(page.get_by_text("Taken: 30 listens")).to_be_visible()
    hands.press(page.get_by_role("link", name="For you"))
    page.wait_for_url("**/")

    def is_there() -> bool:
        page.reload()
        return page.locator(".why__reason").count() > 0

    eventually(is_there, within_s=30)
    expect(page.locator("h3").first).to_contain_text("Orchard")


def test_a_wrong_recommendation_is_corrected_and_gone(by_keyboard: bool, site: Site, visit: Visit) -> None:
    page = visit(listener_with_plays(site))
    hands = Hands(page, by_keyboard=by_keyboard)
    page.goto("/")
    card = page.locator(".pick").first
    title = card.locator("h3").inner_text()
    hands.press(card.get_by_role("button", name=f"Hide: {title}", exact=True))
    expect(page.locator(".note")).to_contain_text("hidden")
    page.reload()
    expect(page.locator("h3", has_text=title)).to_have_count(0)


def test_the_top_artist_of_a_year_is_found(by_keyboard: bool, site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    with acting_as(person.actor):
        listens = [
            NewListen(datetime(year, 5, day, 12, tzinfo=UTC), artist, f"Song {day}")
            for year, artist, days in ((2021, "Ada", 9), (2021, "Bob", 4), (2022, "Bob", 12))
            for day in range(1, days + 1)
        ]
        site.stack.services.listens.submit(person.listener_id, listens)
    page = visit(person)
    hands = Hands(page, by_keyboard=by_keyboard)
    page.goto("/")
    hands.press(page.get_by_role("link", name="Statistics"))
    hands.press(page.get_by_text("Other days", exact=True))
    # a date field is filled part by part, in the order of the browser's language
    for label, day, keys in (("From", "2021-01-01", "01012021"), ("To", "2021-12-31", "12312021")):
        field = page.get_by_label(label, exact=True)
        if by_keyboard:
            hands.reach(field)
            page.keyboard.type(keys)
        else:
            field.fill(day)
    hands.press(page.get_by_role("main").get_by_role("button", name="Show"))
    first = page.locator("section[aria-labelledby=top-artists] .row").first
    expect(first).to_contain_text("Ada")
    expect(first).to_contain_text("9 plays")


def test_a_playlist_is_made_of_what_a_search_finds(by_keyboard: bool, site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services))
    hands = Hands(page, by_keyboard=by_keyboard)
    page.goto("/playlists")
    hands.write(page.get_by_role("main").get_by_label("Name"), "For the road")
    hands.press(page.get_by_role("button", name="Make it"))
    for wanted, misspelt in (("Shore 1.1", "Shoer 1.1"), ("Shore 2.1", "Shore 2.1")):
        hands.write(page.get_by_role("searchbox", name="Search artists and recordings").first, misspelt)
        page.keyboard.press("Enter")
        hands.press(page.get_by_role("link", name=f"Add to a playlist: {wanted}", exact=True))
        hands.press(page.locator(".row", has_text="For the road").get_by_role("button", name="Add"))
        expect(page.locator(".note")).to_contain_text(wanted)
    hands.press(page.get_by_role("link", name="Playlists"))
    hands.press(page.get_by_role("link", name="For the road"))
    titles = page.locator("ol .row__title")
    expect(titles).to_have_text(["Shore 1.1", "Shore 2.1"])
    if by_keyboard:
        hands.reach(page.get_by_role("button", name="Move Shore 2.1 up"))
        page.keyboard.press("Alt+ArrowUp")
    else:
        rows = page.locator("[data-reorder] > li")
        rows.nth(1).locator("img").drag_to(rows.nth(0).locator("img"))
    expect(titles).to_have_text(["Shore 2.1", "Shore 1.1"])


def test_what_fits_appears_while_one_types(by_keyboard: bool, site: Site, visit: Visit) -> None:
    page = visit(site.listener)
    hands = Hands(page, by_keyboard=by_keyboard)
    page.goto("/history")
    hands.write(page.get_by_role("searchbox", name="Search artists and recordings").first, "Shoer band 1")
    found = page.locator("[data-suggestions]").get_by_role("link", name="Shore band 1 Artist")
    expect(found).to_be_visible()
    if by_keyboard:
        while not found.evaluate("(element) => element === document.activeElement"):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    else:
        found.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Shore band 1")
