"""What the gateway adds, drops and refuses (SECURITY 1, 5-9, 22-25, 30, 31, 39)."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.kernel.headers import CONTENT_SECURITY_POLICY
from tests.conftest import PublicApi
from tests.support.people import Person
from tests.support.stack import Stack


def test_every_page_carries_the_security_headers(api: PublicApi) -> None:
    headers = api.get("/login").headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "Referrer-Policy" in headers
    assert "Permissions-Policy" in headers


def test_no_origin_may_read_the_api_by_default(api: PublicApi, person: Person) -> None:
    reply = api.get("/api/v1/me", token=person.token, headers={"Origin": "https://elsewhere.example"})
    assert reply.status == 200
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_ping_answers_whoever_is_signed_in(api: PublicApi, person: Person) -> None:
    assert api.get("/api/v1/ping", token=person.token).json == {}
    assert api.get("/api/v1/ping").status == 401


@pytest.mark.parametrize("path", ["/rpc/accounts/me", "/rpc/listens/feed", "/rpc/training/champions"])
def test_rpc_is_not_reachable_through_the_gateway(api: PublicApi, person: Person, path: str) -> None:
    assert api.post(path, json={}, token=person.token).status == 404
    assert api.post(path, json={}).status == 404


@pytest.mark.parametrize("name", ["X-Segue-Actor", "X-Actor", "X-Forwarded-For", "traceparent", "X-Segue-Timeout-Ms"])
def test_headers_that_parts_of_segue_set_are_dropped(api: PublicApi, person: Person, name: str) -> None:
    reply = api.get("/api/v1/me", token=person.token, headers={name: "1"})
    assert (reply.status, reply.json["name"]) == (200, person.name)


def forged(token: str, **changes: Any) -> dict[str, str]:
    """Return forgeries of a token, each with a name."""
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    own = Ed25519PrivateKey.generate()

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    signature = token.rsplit(".", 1)[1]
    return {
        "none": f"{part({**header, 'alg': 'none'})}.{part(claims)}.",
        "no signature": token.rsplit(".", 1)[0] + ".",
        "own key": jwt.encode(claims, own, algorithm="EdDSA", headers={"kid": header["kid"]}),
        "unknown kid": jwt.encode(claims, own, algorithm="EdDSA", headers={"kid": "unknown"}),
        "hmac with the public key": jwt.encode(
            claims, "a public key that everybody knows, 32+ bytes", algorithm="HS256", headers={"kid": header["kid"]}
        ),
        "changed claims": f"{part(header)}.{part({**claims, 'admin': True})}.{signature}",
    }


@pytest.mark.parametrize(
    "kind", ["none", "no signature", "own key", "unknown kid", "hmac with the public key", "changed claims"]
)
def test_a_forged_access_token_is_refused(api: PublicApi, person: Person, kind: str) -> None:
    assert api.get("/api/v1/me", token=forged(person.token)[kind]).status == 401


def test_a_refresh_token_is_no_access_token(api: PublicApi, person: Person) -> None:
    assert api.get("/api/v1/me", token=person.refresh_token).status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"listens": 1}',
        b'{"listens": [], "more": 1}',
        b"[" * 100_000,
        b'{"listens":[NaN]}',
        b"\xff\xfe",
        b'{"listens": [{"listened_at": 1e999, "artist": "a", "title": "b"}]}',
    ],
    ids=["empty", "null", "list", "cut", "number", "unknown field", "deep", "nan", "not utf-8", "infinity"],
)
def test_bad_json_is_a_problem_and_never_a_failure(api: PublicApi, person: Person, body: bytes) -> None:
    reply = api.post("/api/v1/listens", body=body, token=person.token)
    assert 400 <= reply.status < 500 or (reply.status == 200 and reply.json["accepted"] == 0)
    if reply.status != 200:
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert {"title", "status", "code"} <= set(reply.json)


@pytest.mark.parametrize(
    "query",
    ["limit=1000000000000000000000", "limit=-1", "limit=x", "before=%00", "nothing=1", "limit=5&limit=6", "limit=NaN"],
)
def test_bad_parameters_are_a_problem_and_never_a_failure(api: PublicApi, person: Person, query: str) -> None:
    reply = api.get(f"/api/v1/listens?{query}", token=person.token)
    assert 400 <= reply.status < 500, reply.text


def test_a_body_that_is_too_large_is_refused(api: PublicApi, person: Person) -> None:
    reply = api.post("/api/v1/playlists", body=b'{"name": "' + b"x" * 2_000_000 + b'"}', token=person.token)
    assert reply.status == 413


def test_an_unknown_route_is_a_problem_without_details(api: PublicApi) -> None:
    reply = api.get("/api/v1/nothing/here")
    assert reply.status == 404
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert "Traceback" not in reply.text


def test_a_wrong_method_says_which_are_right(api: PublicApi, person: Person) -> None:
    reply = api.put("/healthz", token=person.token)
    assert reply.status == 405
    assert "GET" in reply.headers["Allow"]


def test_a_cookie_alone_changes_nothing(api: PublicApi, person: Person) -> None:
    cookies = f"segue_access={person.token}"
    reply = api.post("/api/v1/playlists", json={"name": "x"}, headers={"Cookie": cookies})
    assert reply.status == 403
    reply = api.post("/api/v1/playlists", json={"name": "x"}, headers={"Cookie": cookies}, token=person.token)
    assert reply.status < 300, "the header alone decides"


def test_a_cross_site_form_is_refused(api: PublicApi, person: Person) -> None:
    headers = {"Cookie": f"segue_access={person.token}", "Sec-Fetch-Site": "cross-site"}
    assert api.post("/api/v1/auth/logout", json={}, headers=headers).status == 403


def test_the_published_keys_hold_no_private_part(api: PublicApi) -> None:
    keys = api.get("/.well-known/jwks.json").json["keys"]
    assert keys
    assert all("d" not in key and key["alg"] == "EdDSA" for key in keys)


def test_readiness_names_every_module(api: PublicApi, stack: Stack) -> None:
    reply = api.get("/readyz")
    assert (reply.status, reply.json["away"]) == (200, [])
    assert len(reply.json["parts"]) == 6


def test_the_description_of_the_api_is_openapi_and_has_every_route(api: PublicApi) -> None:
    from openapi_spec_validator import validate

    from app.composition import MODULES, api_of

    document = api.get("/openapi.json").json
    validate(document)
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = sum(len(api_of(module).routes) for module in MODULES)
    assert len(described) == routes
