"""A module served by FastAPI, in a process that can import neither Flask nor scikit-learn.

What it answers is tested by the module's own tests, which run on this stack too; here is how it refuses.
"""

from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from app.contracts.recommendations import ItemUnknown
from app.host import serving
from app.host.places import HostError
from app.kernel.context import SYSTEM, acting_as
from app.kernel.tokens import load_signer
from app.kernel.transport import pool_for
from app.topology import TopologyError, load
from tests.conftest import PublicApi
from tests.security import test_access_matrix as matrix
from tests.support.people import new_person
from tests.support.stack import Stack

pytestmark = [pytest.mark.split, pytest.mark.extended]

OTHER = "recommendations"


def send(stack: Stack, method: str, path: str, *, token: str = "", body: bytes = b"{}"):
    """Ask the process itself, past the gateway."""
    pool = pool_for("unix:recommendations.sock", stack.settings.socket_dir)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return pool.urlopen(method, path, body=body, headers=headers, retries=False, timeout=10)


def test_it_answers_only_those_it_is_for(fastapi: Stack) -> None:
    matrix.test_a_method_answers_only_those_it_is_for(fastapi.services, OTHER)
    matrix.test_a_route_answers_only_those_it_is_for(PublicApi(fastapi), fastapi.services, OTHER)


def test_it_speaks_to_parts_of_segue_only(fastapi: Stack) -> None:
    for path in ("/rpc/recommendations/recommend", "/api/v1/recommendations", "/rpc/listens/history", "/docs"):
        reply = send(fastapi, "POST" if path.startswith("/rpc") else "GET", path)
        assert (reply.status, msgspec.json.decode(reply.data)["status"]) == (404, 404)
    token = load_signer(fastapi.settings).token("listens")
    assert send(fastapi, "POST", "/rpc/recommendations/recommend", token=token).status == 401
    with acting_as(SYSTEM), pytest.raises(ItemUnknown):
        fastapi.services.recommendations.similar("artists", uuid4(), 3)


@pytest.mark.parametrize("query", ["n=0", "n=x", "kind=albums", "unknown=1", "n=1&n=2", "kind=%00"])
def test_a_query_that_is_wrong_is_refused(fastapi: Stack, query: str) -> None:
    person = new_person(fastapi.services)
    reply = PublicApi(fastapi).get(f"/api/v1/recommendations?{query}", token=person.token)
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert reply.json["request_id"] == reply.headers["X-Request-Id"]


def test_a_body_that_is_too_long_is_refused_while_it_is_read(fastapi: Stack) -> None:
    assert send(fastapi, "GET", "/api/v1/recommendations", body=b"x" * 1_100_000).status == 413


def test_health_and_metrics_are_told(fastapi: Stack) -> None:
    assert msgspec.json.decode(send(fastapi, "GET", "/readyz?self").data)["parts"] == {"recommendations": "up"}
    assert b"segue_http_requests_total" in send(fastapi, "GET", "/metrics").data


def test_a_process_that_can_not_be_served_so_is_named(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(
        "[processes.gateway]\nmodules = ['catalog', 'listens', 'recommendations', 'training', 'playlists']\n"
        "url = 'unix:g'\n[processes.accounts]\nmodules = ['accounts']\nurl = 'unix:a'\nserver = 'fastapi'\n"
    )
    with pytest.raises(TopologyError, match=r"no services/accounts/asgi\.py"):
        load(str(file))


def test_without_the_extra_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HostError, match=r"pip install 'segue\[fastapi\]'"):
        serving.serving_command("recommendations", ["unix:x"], server="fastapi")
