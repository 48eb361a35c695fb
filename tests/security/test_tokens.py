"""What passes for an access token, and what doesn't (lines 22, 23)."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.composition import Container
from app.kernel.clock import system_clock
from app.kernel.context import acting_as
from app.kernel.db import Database
from app.kernel.sealing import Sealer
from app.kernel.tokens import load_signer
from app.modules.accounts.signing_keys import SigningKey, SigningKeys
from tests.conftest import PublicApi
from tests.support.people import Person
from tests.support.stack import Stack


@pytest.fixture
def key(stack: Stack, database: Callable[..., Database]) -> SigningKey:
    """The real key in force: so a forged token is refused for the one thing that is wrong with it."""
    sealer = Sealer(stack.settings.secret("secret_key"), "accounts")
    return SigningKeys(database("accounts"), system_clock, sealer).current()


def good_claims(person: Person) -> dict[str, Any]:
    now = int(time.time())
    return jwt.decode(person.token, options={"verify_signature": False}) | {"jti": str(uuid4()), "exp": now + 600}


def signed(key: SigningKey, claims: dict[str, Any], **headers: Any) -> str:
    return jwt.encode(claims, key.private_key, algorithm="EdDSA", headers={"kid": key.kid} | headers)


def test_a_token_of_the_right_making_passes(api: PublicApi, person: Person, key: SigningKey) -> None:
    assert api.get("/api/v1/me", token=signed(key, good_claims(person))).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody"},
        {"aud": "listens"},
        {"type": "refresh"},
        {"exp": 1_000_000_000},
        {"nbf": 4_000_000_000},
        {"sub": "x"},
        {"sid": None},
        {"sid": "22fec9a5-e357-4959-936a-1fde0e2b2408"},  # nobody's session
    ],
    ids=lambda change: f"{change}",
)
def test_a_wrong_claim_is_refused(api: PublicApi, person: Person, key: SigningKey, change: dict[str, Any]) -> None:
    assert api.get("/api/v1/me", token=signed(key, good_claims(person) | change)).status == 401


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp", "sid", "name"])
def test_a_missing_claim_is_refused(api: PublicApi, person: Person, key: SigningKey, missing: str) -> None:
    claims = good_claims(person)
    del claims[missing]
    assert api.get("/api/v1/me", token=signed(key, claims)).status == 401


def test_an_unsigned_token_is_refused(api: PublicApi, person: Person, key: SigningKey) -> None:
    for algorithm in ("none", "None", "NONE"):
        header, claims = (
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in ({"alg": algorithm, "typ": "JWT", "kid": key.kid}, good_claims(person))
        )
        for token in (f"{header}.{claims}.", f"{header}.{claims}.{person.token.rpartition('.')[2]}"):
            assert api.get("/api/v1/me", token=token).status == 401


def test_the_public_key_is_no_shared_secret(api: PublicApi, person: Person, key: SigningKey) -> None:
    raw = key.private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    token = jwt.encode(good_claims(person), raw, algorithm="HS256", headers={"kid": key.kid})
    assert api.get("/api/v1/me", token=token).status == 401


def test_somebody_elses_key_is_refused_under_any_name(api: PublicApi, person: Person, key: SigningKey) -> None:
    own = Ed25519PrivateKey.generate()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(own.public_key()))
    for headers in ({"kid": key.kid}, {"kid": "unknown"}, {}, {"kid": key.kid, "jwk": jwk}):
        token = jwt.encode(good_claims(person), own, algorithm="EdDSA", headers=headers)
        assert api.get("/api/v1/me", token=token).status == 401


def test_a_changed_token_is_refused(api: PublicApi, person: Person) -> None:
    header, claims, signature = person.token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"admin": True}
    forged = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    assert api.get("/api/v1/me", token=f"{header}.{forged}.{signature}").status == 401


def test_kinds_of_tokens_are_not_interchangeable(
    api: PublicApi, services: Container, person: Person, stack: Stack
) -> None:
    with acting_as(person.actor):
        api_token = services.accounts.create_token(person.listener_id, "x", ["read"]).token
    service_token = load_signer(stack.settings).token("accounts")
    for token in (person.refresh_token, service_token, "segue_" + "x" * 43):
        assert api.get("/api/v1/me", token=token).status == 401
    for token in (person.token, api_token, service_token):
        assert api.post("/api/v1/auth/refresh", json={"refresh_token": token[:200]}).status == 401
    assert api.get("/api/v1/me", token=api_token).status == 200
