"""Access tokens: short JWTs that every process verifies by itself with the published keys."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

import jwt

from app.contracts.accounts import Listener
from app.modules.accounts.signing_keys import SigningKey

ISSUER = AUDIENCE = "segue"
SESSION_TOKEN_S = 900
API_GRANT_S = 300
FRESH_S = 900


def mint(
    key: SigningKey,
    listener: Listener,
    *,
    session_id: UUID,
    scopes: Sequence[str],
    lifetime_s: int,
    now: datetime,
    has_admin_role: bool,
    signed_in_at: datetime | None = None,
) -> str:
    """Return a signed access token; the claims are those that flask-jwt-extended reads, and our own.

    `signed_in_at` is when the credentials were given; None for API tokens, which are never fresh.
    """
    issued_at = int(now.timestamp())
    auth_time = int(signed_in_at.timestamp()) if signed_in_at else 0
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(listener.listener_id),
        "jti": str(uuid4()),
        "sid": str(session_id),
        "name": listener.name,
        "admin": has_admin_role,
        "scopes": list(scopes),
        "type": "access",
        "fresh": issued_at - auth_time < FRESH_S,
        "auth_time": auth_time,
        "csrf": secrets.token_hex(16),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + lifetime_s,
    }
    return jwt.encode(claims, key.private_key, algorithm="EdDSA", headers={"kid": key.kid})
