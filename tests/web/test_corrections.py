"""Correcting on the pages: looking for what something is the same as, being told what will happen, and undoing it."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from app.contracts.catalog import Rename
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import NewListen
from app.kernel.context import acting_as
from tests.support.people import Person, new_person
from tests.support.waiting import eventually
from tests.web.conftest import HOSTILE, Site, Visit
from tests.web.looks import barriers

pytestmark = [pytest.mark.browser, pytest.mark.extended]


def played(site: Site, *pairs: tuple[str, str], person: Person | None = None) -> Person:
    """Return a listener who played recordings that the catalog knows."""
    services, now = site.stack.services, datetime.now(UTC).replace(microsecond=0)
    person = person or new_person(services)
    listens = [NewListen(now - timedelta(minutes=5 * n + 5), *pair) for n, pair in enumerate(pairs)]
    with acting_as(person.actor):
        services.listens.submit(person.listener_id, listens, client="tests")
        keys = list({recording_key(*pair) for pair in pairs})
        eventually(lambda: len(services.catalog.get_recordings(keys)) == len(keys))
    return person


def names() -> tuple[str, str]:
    mark = uuid4().hex[:8]
    return f"Beetles {mark}", f"Beatles {mark}"


def agree(page: Page) -> None:
    page.get_by_role("button", name="Correct it").click()
    expect(page.locator(".note")).to_contain_text("Done")


def shown_within(page: Page, path: str, text: str) -> None:
    """Load a page until what the followers bring is on it."""

    def is_there() -> bool:
        page.goto(path)
        return text in page.locator("main").inner_text()

    eventually(is_there, within_s=10, every_s=0.2)


@pytest.mark.parametrize("scripts", [True, False])
def test_an_artist_is_merged_after_a_search_and_put_back(scripts: bool, site: Site, visit: Visit) -> None:
    old, new = names()
    person = played(site, (old, "Help!"), (new, "Help!"), (old, "Girl"))
    page = visit(person, scripts=scripts)
    page.goto(f"/artists/{artist_key(old)}")
    page.get_by_role("link", name=re.compile(f"^Correct {old}")).click()
    page.fill("main #field-q", new)
    page.get_by_role("button", name="Look for it").click()
    page.get_by_role("link", name=f"Choose {new}").click()
    main = page.locator("main")
    expect(main).to_contain_text(f"{old} is {new}")
    expect(main).to_contain_text("It concerns 2 plays of yours")
    expect(main.get_by_text("for everyone")).to_have_count(0)
    agree(page)
    shown_within(page, f"/artists/{artist_key(old)}", "You played them 3 times")
    assert page.url.endswith(f"/artists/{artist_key(new)}")
    expect(page.get_by_role("heading", level=1)).to_have_text(new)
    page.goto("/account/corrections")
    row = page.locator("tr", has_text=old)
    expect(row).to_contain_text(new)
    row.get_by_role("button", name="Undo").click()
    expect(page.locator(".note")).to_contain_text("Undone")
    shown_within(page, f"/artists/{artist_key(old)}", "You played them 2 times")


def test_a_credit_is_split_into_the_artists_that_it_seems_to_name(site: Site, visit: Visit) -> None:
    first, second = names()
    both = f"{first} & {second}"
    person = played(site, (both, "Duet"))
    page = visit(person, scripts=False)
    page.goto(f"/artists/{artist_key(both)}/correct")
    assert page.input_value("[name=names]") == f"{first}\n{second}"
    page.get_by_label("each of them").check()
    page.get_by_role("button", name="Split").click()
    expect(page.locator("main")).to_contain_text("Plays count for each of them")
    agree(page)
    shown_within(page, f"/artists/{artist_key(second)}", "You played them 1 time")
    expect(page.locator("main")).to_contain_text("Duet")


def test_a_recording_is_the_same_as_another_from_a_row_of_the_history(site: Site, visit: Visit) -> None:
    artist, _ = names()
    person = played(site, (artist, "Son g"), (artist, "Song"))
    page = visit(person, scripts=False)
    page.goto("/history")
    page.get_by_role("link", name="Edit the listen of Son g").click()
    page.get_by_role("link", name="Correct the recording").click()
    page.fill("main #field-q", f"Song {artist}")
    page.get_by_role("button", name="Look for it").click()
    page.get_by_role("link", name=f"Choose Song by {artist}").click()
    expect(page.locator("main")).to_contain_text("It concerns 1 play of yours")
    agree(page)
    shown_within(page, "/history", "corrected")
    assert page.locator(".row__title").all_inner_texts() == ["Song", "Song"]
    corrected = page.locator(".row", has_text="corrected")
    corrected.get_by_role("button", name="Delete the listen").click()
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".row")).to_have_count(2)
    with acting_as(person.actor):
        sent = [x.sent for x in site.stack.services.listens.history(person.listener_id).listens]
    assert [x.title for x in sent if x] == ["Son g"]


def test_an_administrator_corrects_for_everyone_and_undoes_it(site: Site, visit: Visit) -> None:
    wrong, right = names()
    admin = played(site, (wrong, "Song"), person=new_person(site.stack.services, is_admin=True))
    listener = played(site, (wrong, "Song"))
    page = visit(admin, scripts=False)
    page.goto(f"/artists/{artist_key(wrong)}/correct")
    page.fill("#field-name", right)
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("for everyone here").check()
    agree(page)
    other = visit(listener, scripts=False)
    shown_within(other, "/history", right)
    page.goto("/admin/corrections")
    page.locator("tr", has_text=wrong).get_by_role("button", name="Undo").click()
    expect(page.locator(".note")).to_contain_text("for everyone")
    expect(page.locator("tr", has_text=wrong)).to_have_count(0)
    shown_within(other, "/history", wrong)
    page.goto("/admin/audit")
    expect(page.locator("tr", has_text=wrong)).to_have_count(2)


def test_what_is_refused_is_said_beside_the_question(site: Site, visit: Visit) -> None:
    old, new = names()
    person = played(site, (old, "Song"), (new, "Song"))
    page = visit(person, scripts=False)
    page.goto(f"/corrections/confirm?what=rename&key={artist_key(old)}&name=+")
    page.get_by_role("button", name="Correct it").click()
    expect(page.get_by_role("alert")).to_contain_text("a name is not empty")


def test_a_script_in_a_new_name_is_text(site: Site, visit: Visit) -> None:
    old, _ = names()
    person = played(site, (old, "Song"))
    with acting_as(person.actor):
        site.stack.services.catalog.add_correction("me", Rename("artists", artist_key(old), HOSTILE))
    page = visit(person)
    for path in ("/account/corrections", f"/artists/{artist_key(old)}/correct", f"/artists/{artist_key(old)}"):
        shown_within(page, path, HOSTILE)
        assert page.title() != "broken in"
        assert barriers(page) == []


def test_corrections_of_others_cant_be_undone_by_a_form(site: Site, visit: Visit) -> None:
    old, _ = names()
    person = played(site, (old, "Song"))
    with acting_as(person.actor):
        made = site.stack.services.catalog.add_correction("me", Rename("artists", artist_key(old), "Another"))
    page = visit(site.listener, scripts=False)
    page.goto("/account/corrections")
    token = page.locator("[name=csrf_token]").first.get_attribute("value")
    reply = page.request.post(
        "/corrections/undo", form={"csrf_token": str(token), "correction_id": str(made.correction_id)}
    )
    assert reply.status == 404
