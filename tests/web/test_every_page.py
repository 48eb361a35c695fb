"""What must hold on every page: no barrier that axe finds, nothing refused by the policy, no sideways scrolling."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urljoin, urlsplit

import pytest
import urllib3
from sqlalchemy import text

from app.contracts.identity import recording_key
from app.kernel.context import SYSTEM, acting_as
from tests.support.people import Person
from tests.web.conftest import HOSTILE, Site, Visit
from tests.web.looks import LOOKS, Look, barriers

pytestmark = pytest.mark.browser

OPEN = ("/login", "/register", "/register?invitation=x", "/reset", "/reset?code=x", "/docs", "/offline", "/design")
OWN = (
    "/",
    "/?novelty=0.5&obscurity=-0.5",
    "/discover",
    "/discover?artist={artist}",
    "/discover/radio?artists={artist}",
    "/history",
    "/history?q=nothing+like+that",
    "/history?client=tests&since=2020-01-01",
    "/history/edit?listened_at={listened_at}&recording_key={recording}&q=Shore",
    "/search",
    "/search?q=Shore",
    "/search?q=zzzzqqqq",
    "/artists/{artist}",
    "/artists/{artist}/correct",
    "/artists/{artist}/correct?q=Shore",
    "/recordings/{recording}/correct?q=Shore",
    "/corrections/confirm?what=rename&key={artist}&name=Another",
    "/corrections/confirm?what=merge&kind=artists&key={artist}&target={artist}",
    "/account/corrections",
    "/playlists",
    "/playlists/{playlist}",
    "/playlists/{playlist}/delete",
    "/playlists/add?artist=a&title=b",
    "/statistics",
    "/statistics?range=this_week",
    "/statistics?from=2020-01-01&to=2020-02-01",
    "/listeners/{listener}",
    "/statistics?range={year}",
    "/statistics/recordings?range={year}",
    "/year/{year}",
    "/recordings/{recording}",
    "/artists/{artist}?range={year}",
    "/compare",
    "/compare?name=nobody",
    "/account",
    "/account/delete",
    "/account/relays",
    "/account/relays/new/listenbrainz",
    "/account/relays/new/lastfm",
    "/account/relays/new/segue",
    "/account/relays/{relay}/remove",
    "/account/library",
    "/account/imports",
    "/account/players",
    "/why",
    "/api/auth/?api_key=some-application&cb=https://example.org/back",
)
ADMIN = (
    "/admin/",
    "/admin/runs",
    "/admin/runs/{run}",
    "/admin/runs/compare?run={run}",
    "/admin/models",
    "/admin/models/{model}",
    "/admin/data",
    "/admin/data/{snapshot}",
    "/admin/experiments",
    "/admin/services",
    "/admin/workers",
    "/admin/settings",
    "/admin/users",
    "/admin/users/{person}/delete?name={name}",
    "/admin/audit",
    "/admin/corrections",
    "/admin/prove",
)


MOST_SEEN = ("/login", "/", "/history", "/statistics", "/discover", "/admin/")


def address(page: str, site: Site) -> str:
    with acting_as(SYSTEM):
        made = site.stack.services.training.get_run(site.run_id)
    return page.format(
        model=made.model_id,
        snapshot=made.snapshot_id,
        artist=site.artist_key,
        recording=recording_key("Shore band 1", "Shore 1.1"),
        year=datetime.now(UTC).year,
        listened_at=quote(listened_at(site)) if "{listened_at}" in page else "",
        playlist=site.playlist_id,
        relay=site.relay_id,
        run=site.run_id,
        person=site.listener.listener_id,
        name=site.listener.name,
        listener=site.listener.name,
    )


def listened_at(site: Site) -> str:
    """Return when the listener played what the page of an edit is tried with."""
    with acting_as(site.listener.actor):
        page = site.stack.services.listens.history(site.listener.listener_id, search="Shore 1.1")
    return page.listens[0].listened_at.isoformat()


def viewer(page: str, site: Site) -> Person | None:
    return None if page in OPEN else site.admin if page in ADMIN else site.listener


@pytest.mark.parametrize("path", MOST_SEEN)
def test_a_page_has_no_barriers_on_a_phone(path: str, site: Site, visit: Visit) -> None:
    check_barriers(path, LOOKS[:1], site, visit)


@pytest.mark.extended
@pytest.mark.parametrize("path", OPEN + OWN + ADMIN)
def test_a_page_has_no_barriers_in_any_look(path: str, site: Site, visit: Visit) -> None:
    check_barriers(path, LOOKS, site, visit)


def check_barriers(path: str, looks: Sequence[Look], site: Site, visit: Visit) -> None:
    page = visit(viewer(path, site))
    reply = page.goto(address(path, site))
    assert reply is not None
    assert reply.status == 200
    assert barriers(page, looks) == []


def test_the_pages_of_errors_have_no_barriers(site: Site, visit: Visit) -> None:
    missing = urllib3.request(
        "GET", f"{site.base_url}/nowhere", headers={"Cookie": f"segue_access={site.listener.token}"}, redirect=False
    )
    assert missing.status == 404
    page = visit(site.listener)
    page.goto("/login?again=1")
    page.set_content(missing.data.decode().replace('href="/', f'href="{site.base_url}/'))
    assert barriers(page) == []


def test_nothing_in_a_page_is_inline(site: Site) -> None:
    for path in OPEN + OWN + ADMIN:
        page = get(site, path).data.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page), path


def test_every_page_speaks_german_to_whoever_asks_for_it(site: Site) -> None:
    for path in OPEN + OWN + ADMIN:
        page = get(site, path, language="de-AT, de;q=0.9, en;q=0.5").data.decode()
        assert '<html lang="de"' in page, path
        assert "Zum Inhalt springen" in page, path


def test_a_script_in_a_title_is_text(site: Site, visit: Visit) -> None:
    page = visit(site.listener)
    for path in ("/", "/history"):
        page.goto(path)
        assert page.get_by_text(HOSTILE).count() >= 1
        assert page.title() != "broken in"


def test_following_every_link_changes_nothing_and_never_fails(site: Site) -> None:
    for person in (site.listener, site.admin):
        before = counts(site)
        seen: set[str] = set()
        waiting = ["/", *(address(p, site) for p in (ADMIN if person.actor.is_admin else OWN))]
        while waiting and len(seen) < 250:
            path = waiting.pop(0)
            if path in seen:
                continue
            seen.add(path)
            reply = get(site, path, person)
            assert reply.status < 400, f"{path}: {reply.status}"
            if reply.headers["Content-Type"].startswith("text/html"):
                waiting += links(path, reply.data.decode())
        assert len(seen) > 20
        assert counts(site) == before


def get(
    site: Site, path: str, person: Person | None = None, *, compressed: bool = False, language: str = ""
) -> urllib3.BaseHTTPResponse:
    person = person or viewer(path, site)
    headers = {"Cookie": f"segue_access={person.token}"} if person else {}
    if language:
        headers["Accept-Language"] = language
    if compressed:
        headers["Accept-Encoding"] = "gzip"
    url = site.base_url + address(path, site)
    return urllib3.request("GET", url, headers=headers, redirect=False, timeout=20, preload_content=not compressed)


def links(path: str, page: str) -> list[str]:
    """Return the addresses on this site that a page leads to, one of each form of page and few of many alike."""
    found = []
    for href in re.findall(r'<a\s[^>]*href="([^"]+)"', page):
        parts = urlsplit(urljoin(path, href.replace("&amp;", "&")))
        # an export of somebody's data is written down, as it should be
        if not parts.netloc and "/admin/users/" not in parts.path:
            found.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found[:40]


COUNTED = {
    "listens": ("listen", "feedback"),
    "playlists": ("playlist",),
    "accounts": ("listener", "api_token", "audit", "session"),
    "training": ("run", "model"),
}


def counts(site: Site) -> dict[str, int]:
    found = {}
    for module, tables in COUNTED.items():
        database = site.stack.database(module)
        with database.begin() as session:
            for table in tables:
                found[f"{module}.{table}"] = session.execute(text(f"select count(*) from {table}")).scalar_one()
        database.dispose()
    return found
