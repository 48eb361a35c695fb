"""A page with a part of the service away: it still comes, says what is missing, and shows what there is."""

from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.composition import Container
from app.kernel.binding import loopback as bind
from app.kernel.contract import Contract, DeadlineExceeded, ServiceUnavailable
from app.settings import MODULE_NAMES
from app.topology import load as load_topology
from app.wsgi import create_app
from tests.web.conftest import Site

PAGES = (
    ("recommendations", "/", "popular here"),
    ("recommendations", "/artists/{artist}", "Similar artists are away just now"),
    ("listens", "/", "Your history is away just now"),
    ("listens", "/history", "Your history is away just now"),
    ("listens", "/statistics", "Plays can't be counted just now"),
    ("listens", "/artists/{artist}", "Your plays are away just now"),
    ("listens", "/search?q=Shore", "Shore band"),
    ("catalog", "/", "you played"),
    ("catalog", "/search?q=Shore", "Search is away just now"),
    ("catalog", "/artists/{artist}", "The catalog is away just now"),
    ("playlists", "/playlists", "Playlists are away just now"),
    ("playlists", "/", "you played"),
    ("accounts", "/account", "Accounts are away just now"),
    ("accounts", "/", "you played"),
)
ADMIN_PAGES = (
    ("training", "/admin/", "Training is away"),
    ("training", "/admin/runs", "Training is away just now"),
    ("training", "/admin/models", "Training is away just now"),
    ("accounts", "/admin/users", "Accounts are away just now"),
    ("accounts", "/admin/audit", "The audit trail is away just now"),
)


def client_without(site: Site, victim: str, error: type[Exception], *, is_admin: bool = False) -> FlaskClient:
    """Return a client of the same instance where every call to one module fails."""

    def bind_most(contract: Contract, service: object) -> Any:
        if contract.name != victim:
            return bind(contract, service)

        def fail(*args: Any, **kwargs: Any) -> Any:
            raise error(f"{victim} is unavailable")

        return SimpleNamespace(**dict.fromkeys(contract.methods, fail))

    container = Container(site.stack.settings, load_topology("monolith"), tuple(MODULE_NAMES), bind=bind_most)
    app = create_app("gateway", site.stack.settings, container=container)
    client = app.test_client()
    client.set_cookie("segue_access", (site.admin if is_admin else site.listener).token)
    return client


@pytest.mark.parametrize("error", [ServiceUnavailable, DeadlineExceeded])
@pytest.mark.parametrize(("victim", "path", "words"), PAGES)
def test_a_page_comes_without_a_part(victim: str, path: str, words: str, error: type[Exception], site: Site) -> None:
    reply = client_without(site, victim, error).get(path.format(artist=site.artist_key))
    assert reply.status_code == 200
    assert words in reply.text


@pytest.mark.parametrize(("victim", "path", "words"), ADMIN_PAGES)
def test_the_dashboard_comes_without_a_part(victim: str, path: str, words: str, site: Site) -> None:
    reply = client_without(site, victim, ServiceUnavailable, is_admin=True).get(path)
    assert reply.status_code == 200
    assert words in reply.text


def test_an_act_on_an_absent_part_says_so(site: Site) -> None:
    client = client_without(site, "playlists", ServiceUnavailable)
    page = client.get("/playlists/add?artist=a&title=b")
    assert "Playlists are away just now" in page.text
    reply = client.get(f"/playlists/{site.playlist_id}")
    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) > 0
    assert "A part of Segue is away" in reply.text
