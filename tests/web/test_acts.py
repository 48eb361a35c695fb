"""What people do on the pages, in a real browser: with scripts, without, and with the keyboard alone."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from app.kernel.context import ANONYMOUS, acting_as
from tests.support.people import PASSWORD, Person, fresh_name, new_person
from tests.support.waiting import eventually
from tests.web.conftest import HOSTILE, Site, Visit, plays

pytestmark = [pytest.mark.browser, pytest.mark.extended]


def test_signing_in_needs_only_the_keyboard(site: Site, visit: Visit) -> None:
    page = visit()
    page.goto("/history")
    assert page.url.endswith("/login?next=/history")
    tab_to(page, "#field-name")
    page.keyboard.type(site.listener.name)
    tab_to(page, "#field-password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="History")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"


def tab_to(page: Page, selector: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by the keyboard")


def test_a_wrong_password_is_said_beside_the_form(site: Site, visit: Visit) -> None:
    page = visit(scripts=False)
    page.goto("/login")
    page.fill("[name=name]", site.listener.name)
    page.fill("[name=password]", "not this one")
    page.click("main button")
    expect(page.get_by_role("alert")).to_have_text("That name and password do not go together.")
    assert page.input_value("[name=name]") == site.listener.name
    assert page.input_value("[name=password]") == ""


def test_an_invitation_opens_one_registration_and_a_taken_name_is_said(site: Site, visit: Visit) -> None:
    page = visit(site.admin)
    page.goto("/admin/users")
    page.get_by_role("button", name="Make an invitation").click()
    link = page.locator("[data-copy-source]").inner_text()
    guest = visit(scripts=False)
    guest.goto(link)
    guest.fill("[name=name]", site.listener.name)
    guest.fill("[name=password]", "a sentence of my own choice")
    guest.click("main button")
    expect(guest.get_by_role("alert")).to_have_text("Somebody has this name already.")
    name = fresh_name()
    guest.fill("[name=name]", name)
    guest.fill("[name=password]", "a sentence of my own choice")
    guest.click("main button")
    expect(guest.get_by_role("heading", level=1)).to_have_text(f"For you, {name}")
    expect(guest.get_by_role("heading", name="First steps")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_love_and_hide_count_at_once_and_can_be_undone(scripts: bool, site: Site, visit: Visit) -> None:
    person = listener_with_plays(site)
    page = visit(person, scripts=scripts)
    page.goto("/")
    card = page.locator(".pick").first
    title = card.locator("h3").inner_text()
    card.get_by_role("button", name=f"Hide: {title}").click()
    note = page.locator(".note")
    expect(note).to_contain_text(f"{title} is hidden")
    expect(page.locator("h3", has_text=re.compile(f"^{re.escape(title)}$"))).to_have_count(0)
    note.get_by_role("button", name="Undo").click()
    expect(page.locator(".note")).to_contain_text("neither loved nor hidden")
    assert feedback(site, person) == []
    page.locator(".pick").first.get_by_role("button", name=re.compile("^Love: ")).click()
    expect(page.locator(".note")).to_contain_text("You love")
    assert [item.value for item in feedback(site, person)] == [1]


def test_a_card_says_which_plays_it_came_from(site: Site, visit: Visit) -> None:
    page = visit(site.listener)
    page.goto("/")
    reasons = page.locator(".segue .why__reason")
    expect(reasons.first).to_contain_text(re.compile(r"Shore \d\.\d.*\d+\s?%", re.DOTALL))


@pytest.mark.parametrize("scripts", [True, False])
def test_a_listen_is_deleted_and_put_back(scripts: bool, site: Site, visit: Visit) -> None:
    person = listener_with_plays(site)
    page = visit(person, scripts=scripts)
    page.goto("/history")
    row = page.locator(".row").first
    title = row.locator(".row__title").inner_text()
    before = page.locator(".row").count()
    row.get_by_role("button", name="Delete the listen").click()
    expect(page.locator(".note")).to_contain_text(f"{title} is no longer in your history")
    expect(page.locator(".row")).to_have_count(before - 1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".row")).to_have_count(before)
    expect(page.locator(".row").first.locator(".row__title")).to_have_text(title)


def test_history_goes_back_in_pages_and_forth_again(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    with acting_as(person.actor):
        for days in range(3):
            listens = plays("Orchard", datetime.now(UTC) - timedelta(days=days, minutes=7 * days))
            site.stack.services.listens.submit(person.listener_id, listens, client="tests")
    page = visit(person, scripts=False)
    page.goto("/history")
    newest = page.locator(".row").first.inner_text()
    page.get_by_role("link", name="Older").click()
    second = page.locator(".row").first.inner_text()
    page.get_by_role("link", name="Older").click()
    assert len({newest, second, page.locator(".row").first.inner_text()}) == 3
    page.get_by_role("link", name="Newer").click()
    assert page.locator(".row").first.inner_text() == second
    page.get_by_role("link", name="Newer").click()
    assert page.locator(".row").first.inner_text() == newest


@pytest.mark.parametrize("scripts", [True, False])
def test_a_playlist_is_made_put_in_order_and_deleted(scripts: bool, site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services), scripts=scripts)
    page.goto("/playlists")
    page.fill("main [name=name]", HOSTILE)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    for title in ("One", "Two", "Three"):
        page.fill("#field-artist", "Somebody")
        page.fill("#field-title", title)
        page.get_by_role("button", name="Add it").click()
        expect(page.locator(".note")).to_contain_text(title)
    page.wait_for_load_state()  # a page is read before its scripts have run
    titles = page.locator("ol .row__title")
    page.get_by_role("button", name="Move Three up").click()
    expect(titles).to_have_text(["One", "Three", "Two"])
    if scripts:
        expect(page.get_by_role("button", name="Move Three up")).to_be_focused()
        page.keyboard.press("Alt+ArrowUp")
    else:
        page.get_by_role("button", name="Move Three up").click()
    expect(titles).to_have_text(["Three", "One", "Two"])
    page.get_by_role("button", name="Take out One").click()
    expect(titles).to_have_text(["Three", "Two"])
    page.get_by_role("button", name="Undo").click()
    expect(titles).to_have_text(["Three", "One", "Two"])
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete the playlist").click()
    expect(page.locator(".note")).to_contain_text("deleted")
    expect(page.locator("ul.rows .row")).to_have_count(0)


def test_a_playlist_is_taken_along(site: Site, visit: Visit) -> None:
    page = visit(site.listener)
    page.goto(f"/playlists/{site.playlist_id}")
    for form in ("JSPF", "XSPF", "M3U8"):
        with page.expect_download() as download:
            page.get_by_role("link", name=form).click()
        assert download.value.suggested_filename.endswith(form.lower())


def test_a_token_is_shown_once(site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services), scripts=False)
    page.goto("/account")
    page.fill("#field-name", "a script of mine")
    page.get_by_role("button", name="Make a token").click()
    token = page.locator("[data-copy-source]").inner_text()
    assert token.startswith("segue_")
    page.goto("/account")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator(".note")).to_contain_text("revoked")


def test_the_theme_and_time_zone_that_were_chosen_hold(site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services), scripts=False)
    page.goto("/account")
    page.get_by_label("Dark").check()
    page.select_option("[name=timezone]", "Asia/Tokyo")
    page.locator("form", has=page.locator("[name=timezone]")).get_by_role("button").click()
    expect(page.locator("html[data-theme=dark]")).to_have_count(1)
    page.goto("/statistics")
    expect(page.get_by_text("in the time zone Asia/Tokyo")).to_be_visible()
    expect(page.locator("html[data-theme=dark]")).to_have_count(1)


def test_changing_the_password_keeps_this_browser_signed_in(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    page = visit(person, scripts=False)
    page.goto("/account")
    page.fill("[name=current]", PASSWORD)
    page.fill("[name=new]", "quite another sentence than before")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator(".note")).to_contain_text("changed")
    with acting_as(ANONYMOUS):
        site.stack.services.accounts.login(person.name, "quite another sentence than before")


def test_leaving_takes_the_name_and_everything(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    page = visit(person, scripts=False)
    page.goto("/account/delete")
    page.fill("#field-name", "somebody else")
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was deleted")
    page.fill("#field-name", person.name)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", name="Farewell")).to_be_visible()
    page.goto("/history")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_signing_out_ends_the_session(site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services), scripts=False)
    page.goto("/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def listener_with_plays(site: Site) -> Person:
    """Return a new listener who played some of what the others of their taste did."""
    services = site.stack.services
    person = new_person(services)
    now = datetime.now(UTC).replace(microsecond=0)
    with acting_as(person.actor):
        services.listens.submit(person.listener_id, plays("Orchard", now)[:30], client="tests")
        eventually(
            lambda: not services.recommendations.recommend(person.listener_id, "recordings", 5).degraded, within_s=20
        )
    return person


def feedback(site: Site, person: Person) -> list[object]:
    with acting_as(person.actor):
        return [f for f in site.stack.services.listens.get_feedback(person.listener_id) if f.value]
