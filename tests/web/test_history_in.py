"""Bringing a history in, connecting a player, letting an application in, and leaving: with and without scripts."""

import json
from pathlib import Path

import pytest
import urllib3
from playwright.sync_api import Page, expect

from app.kernel.context import SYSTEM, acting_as
from tests.support.people import new_person
from tests.support.waiting import eventually
from tests.web.conftest import HOSTILE, Site, Visit

pytestmark = [pytest.mark.browser, pytest.mark.extended]
START = 1_600_000_000


def history(count: int, title: str = "Song") -> bytes:
    listens = [
        {
            "listened_at": START + n * 300,
            "track_metadata": {"artist_name": f"Artist {n % 3}", "track_name": f"{title} {n}"},
        }
        for n in range(count)
    ]
    return json.dumps(listens).encode()


def choose(page: Page, data: bytes, name: str = "history.json") -> None:
    page.goto("/account/imports")
    page.get_by_label("File, zipped or plain").set_input_files({"name": name, "mimeType": "text/plain", "buffer": data})
    page.get_by_role("button", name="Look at it").click()


def work(site: Site) -> None:
    """Do what a worker would."""
    with acting_as(SYSTEM):
        site.stack.services.wire("listens").service.advance_imports()  # type: ignore[attr-defined]


def see(page: Page, text: str, *, scripts: bool) -> None:
    if not scripts:
        page.reload()
    expect(page.get_by_text(text).first).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_history_is_looked_at_taken_over_and_taken_out(scripts: bool, site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    page = visit(person, scripts=scripts)
    page.goto("/history")
    page.get_by_role("link", name="bring your history").click()
    choose(page, history(20, HOSTILE))
    expect(page.get_by_role("heading", name="history.json")).to_be_visible()  # a worker may be at it already
    work(site)
    see(page, "Waits for your word", scripts=scripts)
    if scripts:
        page.reload()
    expect(page.get_by_text("Artist 0 (7)")).to_be_visible()
    with acting_as(person.actor):
        assert site.stack.services.listens.summary(person.listener_id).plays == 0
    page.get_by_role("button", name="Take it over").click()
    expect(page.get_by_role("button", name="Take it over")).to_have_count(0)
    work(site)
    see(page, "Taken: 20 listens", scripts=scripts)
    report = page.get_by_role("link", name="Report, row by row").get_attribute("href")
    cookie = {"Cookie": f"segue_access={person.token}"}
    reply = urllib3.request("GET", site.base_url + str(report), headers=cookie)
    assert len(reply.data.decode().splitlines()) == 21
    assert reply.headers["Content-Disposition"].startswith("attachment")
    page.goto("/history")
    expect(page.get_by_text(f"{HOSTILE} 19", exact=True)).to_be_visible()
    page.goto("/account/imports")
    page.get_by_role("button", name="Take all of it out again").click()
    expect(page.get_by_role("button", name="Take all of it out again")).to_have_count(0)
    work(site)
    see(page, "Taken out again", scripts=scripts)
    page.goto("/history")
    expect(page.get_by_text("Nothing played yet.")).to_be_visible()


def test_a_file_that_is_none_is_told_so(site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services))
    choose(page, b"no history", "notes.txt")
    work(site)
    expect(page.get_by_text("Could not be taken")).to_be_visible()
    page.goto("/account/imports")
    page.get_by_role("button", name="Look at it").click()  # without a file the browser holds the form back
    expect(page.get_by_role("heading", name="Bring your history")).to_be_visible()


def test_an_import_is_discarded(site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services))
    choose(page, history(5))
    work(site)
    expect(page.get_by_text("Waits for your word")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("Stopped")).to_be_visible()


def test_a_player_is_connected_and_its_first_listen_seen_live(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    page = visit(person)
    page.goto("/account")
    page.get_by_role("link", name="Connect a player").click()
    page.get_by_text("Web Scrobbler", exact=True).click()
    page.locator("details[open] form button").click()
    expect(page.get_by_text("Waiting for the first request")).to_be_visible()
    address, token = page.locator("section[aria-labelledby=chosen] .secret__value").all_inner_texts()
    assert address == f"{site.base_url}/1/submit-listens"

    def send(with_token: str) -> int:
        listen = {"listened_at": START, "track_metadata": {"artist_name": "Ada", "track_name": "First"}}
        body = json.dumps({"listen_type": "single", "payload": [listen]}).encode()
        reply = urllib3.request("POST", address, body=body, headers={"Authorization": f"Token {with_token}"})
        return reply.status

    assert send(token + "x") == 401
    assert send(token) == 200
    expect(page.get_by_text("It works: the first listen is here")).to_be_visible()
    expect(page.get_by_role("cell", name="POST /1/submit-listens").first).to_be_visible()
    expect(page.get_by_text("taken").first).to_be_visible()


def test_an_application_is_let_in(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)

    def call(method: str, **parameters: str) -> dict[str, object]:
        fields = {"method": method, "api_key": "an-app", "format": "json", **parameters}
        found: dict[str, object] = urllib3.request("GET", site.base_url + "/2.0/", fields=fields).json()
        return found

    token = str(call("auth.getToken")["token"])
    page = visit(person)
    page.goto(f"/api/auth?api_key=an-app&token={token}&cb=https://example.org/done?x=1")
    expect(page.get_by_text("example.org")).to_be_visible()
    page.get_by_label("What you call it").fill("My player")
    page.get_by_role("button", name="Let it in").click()
    onward = page.get_by_role("link", name="Go on at example.org").get_attribute("href")
    assert onward == f"https://example.org/done?x=1&token={token}"
    assert call("auth.getSession", token=token)["session"]["name"] == person.name  # type: ignore[index]
    page.goto("/account")
    expect(page.get_by_role("rowheader", name="My player")).to_be_visible()


@pytest.mark.parametrize("callback", ["javascript:alert(1)", "//evil", "ftp://a/b", "https://a@b/"])
def test_an_application_leads_nowhere_odd(callback: str, site: Site, visit: Visit) -> None:
    page = visit(new_person(site.stack.services))
    page.goto("/api/auth/?api_key=an-app&cb=" + callback)
    page.get_by_role("button", name="Let it in").click()
    expect(page.get_by_role("heading", name="is let in")).to_be_visible()
    assert page.get_by_role("link", name="Go on").count() == 0


def test_a_person_who_leaves_sees_when_nothing_is_left(site: Site, visit: Visit, tmp_path: Path) -> None:
    person = new_person(site.stack.services)
    page = visit(person)
    page.goto("/account/delete")
    page.get_by_label("Your name, to be sure").fill(person.name)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", name="Farewell")).to_be_visible()
    expect(page.get_by_text("Nothing of yours is left in any part")).to_be_visible(timeout=30_000)
    eventually(lambda: urllib3.request("GET", page.url).status == 200)
