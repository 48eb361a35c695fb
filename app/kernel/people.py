"""Turns people's tokens into who acts, at the gateway and behind it, whichever HTTP server there is.

The public keys of `accounts` verify access tokens anywhere; what was verified is remembered until it expires, since
verifying costs half a millisecond a request.
"""

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.kernel import context
from app.kernel.contract import DomainError, ServiceUnavailable, Unauthenticated
from app.settings import Settings

ISSUER = AUDIENCE = "segue"
API_TOKEN_PREFIX = "segue_"  # noqa: S105
FRESH_S = 900
KEYS_TTL_S = 300
SESSION_CHECK_S = 15  # an ended session is noticed by every process within 30 s
GRANT_TTL_S = 30


class AccountsPart(Protocol):
    """What authentication needs of the module `accounts`."""

    def public_keys(self) -> Any: ...
    def exchange_token(self, api_token: str) -> Any: ...
    def inactive_sessions(self, session_ids: list[UUID]) -> list[UUID]: ...
    def refresh(self, refresh_token: str) -> Any: ...


class Keys:
    """The public keys of `accounts`, kept in memory and on disk so that tokens verify while it is away."""

    def __init__(self, accounts: AccountsPart, file: Path) -> None:
        self.accounts = accounts
        self.file = file
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._document: dict[str, Any] = {"keys": []}
        self._fetched = self._tried = 0.0

    def get(self, kid: str) -> Ed25519PublicKey:
        """Return the key of an id. Raises Unauthenticated for one that is not published."""
        now = time.monotonic()
        is_stale = not self._fetched or now - self._fetched > KEYS_TTL_S or kid not in self._keys
        if is_stale and (now - self._tried > 2 or not self._fetched):
            is_new = kid not in self._keys
            self._tried = now
            self._fetch(now)
            if is_new and kid in self._keys:
                self._tried = 0.0  # only made-up ids wait: the next new key is fetched at once
        if kid not in self._keys:
            raise Unauthenticated
        return self._keys[kid]

    def document(self) -> dict[str, Any]:
        """Return the key set as published (RFC 7517)."""
        self._fetch(time.monotonic())
        return self._document

    def _fetch(self, now: float) -> None:
        try:
            with context.acting_as(context.ANONYMOUS):
                keys = self.accounts.public_keys().keys
            self._document = {"keys": [{f: getattr(k, f) for f in k.__struct_fields__} for k in keys]}
            self._write()
        except (ServiceUnavailable, DomainError):
            if self._keys:
                return
            try:
                self._document = json.loads(self.file.read_text())
            except (OSError, ValueError):
                raise ServiceUnavailable("accounts is unavailable", module="accounts") from None
        self._keys = {k["kid"]: _public_key(k) for k in self._document["keys"]}
        self._fetched = now

    def _write(self) -> None:
        """Keep a copy, all or nothing; a disk that is full costs the copy, not the request."""
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            new = self.file.with_name(f"{self.file.name}.{os.getpid()}.{threading.get_ident()}")
            new.write_text(json.dumps(self._document))
            new.rename(self.file)


def _public_key(jwk: dict[str, Any]) -> Ed25519PublicKey:
    key = jwt.PyJWK.from_dict({k: v for k, v in jwk.items() if k != "use"}).key
    if not isinstance(key, Ed25519PublicKey):
        raise Unauthenticated
    return key


Decode = Callable[[str, Keys], dict[str, Any]]


def decode(token: str, keys: Keys) -> dict[str, Any]:
    """Verify an access token and return its claims. Raises Unauthenticated or a PyJWTError."""
    header = jwt.get_unverified_header(token)
    return jwt.decode(
        token,
        keys.get(str(header.get("kid", ""))),
        algorithms=["EdDSA"],
        audience=AUDIENCE,
        issuer=ISSUER,
        # when it was issued is no limit: the clock may have been set back since
        options={"require": ["exp", "iss", "aud", "sub", "jti"], "verify_iat": False},
    )


class People:
    """Turns credentials of a request into an actor. `decode` verifies an access token with the keys."""

    def __init__(self, accounts: AccountsPart, settings: Settings, *, decode: Decode = decode) -> None:
        self.accounts = accounts
        self.decode = decode
        self.settings = settings
        self.keys = Keys(accounts, settings.data_dir / "cache" / "jwks.json")
        self._actors: dict[str, tuple[float, float, context.Actor]] = {}
        self._grants: dict[str, tuple[float, str]] = {}
        self._sessions: dict[UUID, float] = {}

    def actor_of_access_token(self, token: str) -> context.Actor:
        """Return whom an access token stands for. Raises Unauthenticated."""
        until, expires_at, actor = self._actors.get(token, (0.0, 0.0, context.ANONYMOUS))
        # by the date as well: who the token is handed on to may look at it for the first time after the clock was set
        if until > time.monotonic() and expires_at > time.time():
            return actor
        try:
            claims = self.decode(token, self.keys)
            if claims["type"] != "access":
                raise Unauthenticated("an access token is needed here")
            expires_at = float(claims["exp"])
            actor = context.Actor(
                "person",
                listener_id=UUID(claims["sub"]),
                name=claims["name"],
                is_admin=bool(claims.get("admin")),
                scopes=frozenset(claims.get("scopes", ())),
                session_id=UUID(claims["sid"]),
                is_fresh=time.time() - float(claims.get("auth_time") or 0) < FRESH_S,
                token=token,
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
            # a claim that is missing or of another kind is no better than a wrong signature
            raise Unauthenticated.by_token() from None
        if len(self._actors) > 4096:
            self._actors.clear()
        # freshness must be looked at again before the token ends
        self._actors[token] = (time.monotonic() + 60, expires_at, actor)
        return actor

    def actor_of_api_token(self, token: str) -> context.Actor:
        """Return whom an API token stands for. Raises Unauthenticated."""
        return self.actor_of_grant("api token", token, lambda: self.accounts.exchange_token(token))

    def actor_of_grant(self, kind: str, secret: str, exchange: Callable[[], Any]) -> context.Actor:
        """Return whom a secret of a kind stands for; one seen lately is good while accounts is away.

        `exchange` gives a short access token for it; secrets of different kinds never stand for each other. The actor
        can be renewed, for the token to have ended on its way to another process. Raises Unauthenticated.
        """
        digest = hashlib.sha256(f"{kind}: {secret}".encode()).hexdigest()

        def renew() -> context.Actor:
            self._grants.pop(digest, None)
            return self.actor_of_grant(kind, secret, exchange)

        access_token = self._granted(digest, exchange)
        try:
            actor = self.actor_of_access_token(access_token)
        except Unauthenticated:  # it ended early, even before it was looked at: the clock was set forward
            self._grants.pop(digest, None)
            actor = self.actor_of_access_token(self._granted(digest, exchange))
        return replace(actor, renew=renew)

    def _granted(self, digest: str, exchange: Callable[[], Any]) -> str:
        """Return a short access token for a secret; one of before while accounts is away. Raises Unauthenticated."""
        until, access_token = self._grants.get(digest, (0.0, ""))
        if until > time.monotonic():
            return access_token
        try:
            with context.acting_as(context.ANONYMOUS):
                access_token = str(exchange().access_token)
        except ServiceUnavailable:
            if not access_token:
                raise
        except DomainError as error:
            self._grants.pop(digest, None)
            raise Unauthenticated(error.message) from None
        if len(self._grants) > 4096:
            self._grants.clear()
        self._grants[digest] = (time.monotonic() + GRANT_TTL_S, access_token)
        return access_token

    def actor_of_header(self, authorization: str) -> context.Actor:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() not in {"bearer", "token"} or not token:
            raise Unauthenticated("send `Authorization: Bearer <token>`")
        if token.startswith(API_TOKEN_PREFIX):
            return self.actor_of_api_token(token)
        actor = self.actor_of_access_token(token)
        self.check_session(actor)
        return actor

    def check_session(self, actor: context.Actor) -> None:
        """Raise Unauthenticated when the actor's session was ended; asked every 15 s, passed while accounts is away."""
        sid, now = actor.session_id, time.monotonic()
        if sid is None or now - self._sessions.get(sid, -1e9) < SESSION_CHECK_S:
            return
        try:
            with context.acting_as(context.SYSTEM):
                is_ended = bool(self.accounts.inactive_sessions([sid]))
        except (ServiceUnavailable, DomainError):
            return
        if is_ended:
            raise Unauthenticated("the session has ended")
        if len(self._sessions) > 4096:
            self._sessions.clear()
        self._sessions[sid] = now
