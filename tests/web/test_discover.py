"""Steering, walking the map, what is made each week, and what a stranger sees of somebody: in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from app.kernel.context import acting_as
from tests.support.people import Person
from tests.support.waiting import eventually
from tests.web.conftest import Site, Visit
from tests.web.test_acts import listener_with_plays

pytestmark = [pytest.mark.browser, pytest.mark.extended]

CLICKS = "**/api/v1/recommendations/clicks"


def impressions(site: Site, person: Person) -> dict[tuple[str, str], dict[str, object]]:
    """Return what is kept of what a person was shown, by kind and key."""
    with acting_as(person.actor):
        kept = site.stack.services.recommendations.export_listener(person.listener_id)["impressions"]
    return {(each["kind"], each["key"]): each for each in kept}


def test_what_a_page_shows_and_what_came_of_it_count_for_the_model_that_chose_it(site: Site, visit: Visit) -> None:
    person = listener_with_plays(site)
    page = visit(person)
    page.goto("/")
    cards = page.locator("main [data-shown]")
    keys = {(str(c.get_attribute("data-shown")), str(c.get_attribute("data-key"))) for c in cards.all()}
    shown = impressions(site, person)
    assert set(shown) == keys
    with acting_as(person.actor):
        served = site.stack.services.recommendations.shelves(person.listener_id).models
    assert {each["model"] for each in shown.values() if each["shelf"] == "new_artists"} == {served["artists"]}
    assert {each["model"] for each in shown.values() if each["shelf"] == "popular"} <= {"popular"}
    card = cards.first
    chosen = (str(card.get_attribute("data-shown")), str(card.get_attribute("data-key")))
    with page.expect_response(CLICKS) as told:
        card.get_by_role("link", name=re.compile("^More like this")).click()
    assert told.value.status == 204
    expect(page.get_by_role("heading", level=1, name="Radio")).to_be_visible()
    page.goto("/")
    page.locator(f"[data-key='{chosen[1]}']").get_by_role("button", name=re.compile("^Love: ")).click()
    expect(page.locator(".note")).to_contain_text("You love")
    eventually(lambda: impressions(site, person)[chosen]["opinion"] == 1, within_s=10)
    clicked = {key for key, each in impressions(site, person).items() if each["clicked_at"]}
    assert clicked == {chosen}


def test_what_nobody_here_has_played_is_offered_with_its_reasons_and_hidden_at_once(site: Site, visit: Visit) -> None:
    person = listener_with_plays(site)
    page = visit(person)
    page.goto("/")
    shelf = page.get_by_role("region", name="Not played here yet")
    titles = sorted(shelf.locator("h3").all_inner_texts())
    assert titles == ["Unheard 3", "Unheard 4", "Unheard 5"]
    expect(shelf.locator(".pick").first.locator(".why__reason").first).to_contain_text(re.compile(r"Orchard \d\.\d"))
    with acting_as(person.actor):
        unplayed = site.stack.services.recommendations.shelves(person.listener_id).unplayed
    shown = impressions(site, person)
    assert {shown["recordings", str(item.key)]["model"] for item in unplayed} == {"unplayed"}
    shelf.get_by_role("button", name="Hide: Unheard 3").click()
    expect(page.locator(".note")).to_contain_text("Unheard 3 is hidden")
    expect(shelf.locator("h3")).to_have_count(2)
    shelf.get_by_role("link", name="More like this: Unheard 4").click()
    expect(page.get_by_role("heading", level=1, name="Radio")).to_be_visible()


def test_sliders_act_when_they_are_let_go_and_stand_in_the_address(site: Site, visit: Visit) -> None:
    page = visit(site.listener)
    page.goto("/")
    page.evaluate("window.isSame = true")
    slider = page.get_by_role("slider", name="Familiar to new")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/?novelty=0.25")
    expect(page.get_by_role("link", name="As it was")).to_be_visible()
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("/$"))
    expect(page.get_by_role("link", name="As it was")).to_have_count(0)
    assert page.evaluate("window.isSame"), "the page was loaded anew"


def test_the_map_is_zoomed_moved_and_walked(site: Site, visit: Visit) -> None:
    page = visit(site.listener)
    page.goto("/discover")
    drawing = page.locator("svg.map__drawing")
    whole = view(page)
    page.get_by_role("button", name="Nearer").click()
    near = view(page)
    assert near[2] == pytest.approx(0.75 * whole[2])
    box = drawing.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 65, box["y"] + 45, steps=3)
    page.mouse.up()
    moved = view(page)
    assert moved[0] < near[0]
    assert moved[1] < near[1]
    page.get_by_role("button", name="All of it").click()
    assert view(page) == whole
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    assert view(page)[2] < whole[2]
    artist = drawing.get_by_role("link").nth(1)
    name = str(artist.get_attribute("aria-label"))
    artist.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=f"Radio from {name}")).to_be_visible()


def view(page: Page) -> list[float]:
    return [float(word) for word in str(page.locator("svg.map__drawing").get_attribute("viewBox")).split()]


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_made_each_week_is_kept_by_its_week(scripts: bool, site: Site, visit: Visit) -> None:
    page = visit(listener_with_plays(site), scripts=scripts)
    for word, name in (("This week's jams", "Weekly jams"), ("This week's exploration", "Weekly exploration")):
        page.goto("/discover")
        page.get_by_role("button", name=word).click()
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_have_text(re.compile(rf"{name}, week \d+ of \d{{4}}"))
        assert page.locator("main ol > li, main ul.rows > li").count() >= 5
        made = heading.inner_text()
        page.goto("/discover")
        expect(page.get_by_role("link", name=made)).to_be_visible()


def test_a_stranger_sees_a_profile_only_while_its_owner_wants_it(site: Site, visit: Visit) -> None:
    person = listener_with_plays(site)
    own, stranger = visit(person), visit()
    address = f"/listeners/{person.name}"
    reply = stranger.goto(address)
    assert reply is not None
    assert reply.status == 404
    assert "Orchard" not in stranger.content()
    own.goto("/account")
    own.get_by_label("My listening is public here").check()
    own.locator("form:has([name=is_public]) button").first.click()
    expect(own.locator(".note")).to_be_visible()
    stranger.goto(address)
    expect(stranger.get_by_role("heading", level=1)).to_have_text(person.name)
    expect(stranger.locator(".row__title", has_text="Orchard").first).to_be_visible()
    assert not stranger.locator("main form, main button").count(), "a stranger can change something"
    own.goto("/account")
    own.get_by_label("My listening is public here").uncheck()
    own.locator("form:has([name=is_public]) button").first.click()
    expect(own.locator(".note")).to_be_visible()
    reply = stranger.goto(address)
    assert reply is not None
    assert reply.status == 404
