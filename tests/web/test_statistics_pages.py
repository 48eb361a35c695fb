"""Pages of statistics: any span by its address, items with one's own history, the picture of a year, two listeners."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from app.contracts.accounts import Preferences
from app.contracts.identity import artist_key, identify, release_key
from app.contracts.listens import NewListen
from app.kernel.context import acting_as
from tests.conftest import PublicApi
from tests.support.people import Person, new_person
from tests.support.waiting import eventually

MARCH = datetime(2025, 3, 3, 18, tzinfo=UTC)
NASTY = '<b>Ada</b> & "Co"'


@pytest.fixture
def listener(api: PublicApi) -> Person:
    person = new_person(api.stack.services)
    days = [MARCH + timedelta(days=n) for n in range(4)] + [MARCH - timedelta(days=20)]
    with acting_as(person.actor):
        api.stack.services.listens.submit(
            person.listener_id,
            [NewListen(at, NASTY, "One", release="Air") for at in days] + [NewListen(MARCH, "Bob", "Two")],
        )
    return person


def page(api: PublicApi, person: Person, path: str, status: int = 200) -> str:
    reply = api.get(path, token=person.token)
    assert reply.status == status, reply.text[:500]
    return reply.text


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_every_span_has_an_address_and_its_neighbours(api: PublicApi, listener: Person) -> None:
    march = page(api, listener, "/statistics?range=2025-03")
    assert "March 2025" in text_of(march)
    assert "range=2025-02" in march
    assert "range=2025-04" in march
    assert "5 plays" in text_of(march)
    week = page(api, listener, "/statistics?range=2025-W10")
    assert "3 Mar 2025 – 9 Mar 2025" in text_of(week)
    days = page(api, listener, "/statistics?from=2025-03-04&to=2025-03-05")
    assert "2 plays" in text_of(days)
    assert "6 plays" in text_of(page(api, listener, "/statistics"))
    for wrong in ("range=2025-13", "range=never", "from=2025-03-05&to=2025-03-04", "from=nothing"):
        page(api, listener, f"/statistics?{wrong}", 422)


def test_a_top_list_shows_how_ranks_changed(api: PublicApi, listener: Person) -> None:
    shown = page(api, listener, "/statistics/artists?range=2025-03")
    assert NASTY not in shown
    assert "same rank" in shown
    assert text_of(shown).count("new") >= 1
    page(api, listener, "/statistics/genres", 404)


def test_an_item_has_a_page_with_ones_own_history(api: PublicApi, listener: Person) -> None:
    keys = identify(NASTY, "One")
    for path in (
        f"/artists/{keys.artist_key}",
        f"/recordings/{keys.recording_key}",
        f"/releases/{release_key(NASTY, 'Air')}",
    ):
        shown = text_of(page(api, listener, path))
        assert "5 times" in shown
        assert "First played 11 Feb 2025" in shown
        assert "4 plays" in text_of(page(api, listener, f"{path}?range=2025-03"))
    page(api, listener, f"/recordings/{identify('Nobody at All', 'Nothing Whatever').recording_key}", 404)


def test_the_picture_of_a_year_is_a_drawing_without_scripts(api: PublicApi, listener: Person) -> None:
    assert "Your year in music" in page(api, listener, "/year/2025")
    reply = api.get("/year/2025.svg", token=listener.token)
    assert reply.headers["Content-Type"].startswith("image/svg+xml")
    drawn = ElementTree.fromstring(reply.text)
    assert any(NASTY in (each.text or "") for each in drawn.iter())
    assert not any(each.tag.endswith(("script", "style", "foreignObject")) for each in drawn.iter())
    page(api, listener, "/year/1999", 404)


def test_two_who_allow_it_are_compared(api: PublicApi, listener: Person) -> None:
    other = new_person(api.stack.services)
    path = f"/compare?name={other.name}"
    assert "nobody of that name" in text_of(page(api, listener, path))
    for person in (listener, other):
        with acting_as(person.actor):
            api.stack.services.accounts.set_preferences(person.listener_id, Preferences(is_public=True))
    with acting_as(other.actor):
        api.stack.services.listens.submit(other.listener_id, [NewListen(MARCH, "Bob", "Two")])
    assert "Artists of both 1" in text_of(page(api, listener, path))
    eventually(lambda: other.name in page(api, listener, f"/artists/{artist_key('Bob')}"))
