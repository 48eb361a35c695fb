"""Who is this request from? People's access tokens, cookies and API tokens, at the gateway and behind it.

flask-jwt-extended checks the tokens, with the public keys of `accounts`; what it verified is remembered until it
expires, since verifying costs half a millisecond a request.
"""

import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import JWTManager, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from app.kernel import context
from app.kernel.contract import DomainError, Forbidden, ServiceUnavailable, Unauthenticated
from app.settings import Settings

log = logging.getLogger(__name__)

ISSUER = AUDIENCE = "segue"
API_TOKEN_PREFIX = "segue_"  # noqa: S105
FRESH_S = 900
KEYS_TTL_S = 300
SESSION_CHECK_S = 15  # an ended session is noticed by every process within 30 s
GRANT_TTL_S = 30
REFRESH_LIFETIME_S = 180 * 86400
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


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
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self._document))
        except (ServiceUnavailable, DomainError):
            if self._keys:
                return
            try:
                self._document = json.loads(self.file.read_text())
            except (OSError, ValueError):
                raise ServiceUnavailable("accounts is unavailable", module="accounts") from None
        self._keys = {k["kid"]: _public_key(k) for k in self._document["keys"]}
        self._fetched = now


def _public_key(jwk: dict[str, Any]) -> Ed25519PublicKey:
    key = jwt.PyJWK.from_dict({k: v for k, v in jwk.items() if k != "use"}).key
    if not isinstance(key, Ed25519PublicKey):
        raise Unauthenticated
    return key


class People:
    """Turns credentials of a request into an actor."""

    def __init__(self, accounts: AccountsPart, settings: Settings) -> None:
        self.accounts = accounts
        self.settings = settings
        self.keys = Keys(accounts, settings.data_dir / "cache" / "jwks.json")
        self._actors: dict[str, tuple[float, context.Actor]] = {}
        self._grants: dict[str, tuple[float, str]] = {}
        self._sessions: dict[UUID, float] = {}

    def actor_of_access_token(self, token: str) -> context.Actor:
        """Return whom an access token stands for. Raises Unauthenticated."""
        until, actor = self._actors.get(token, (0.0, context.ANONYMOUS))
        if until > time.time():
            return actor
        try:
            claims = decode_token(token)
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
        except (jwt.PyJWTError, JWTExtendedException, KeyError, ValueError, TypeError, AttributeError):
            # a claim that is missing or of another kind is no better than a wrong signature
            raise Unauthenticated("this access token is not valid, or no longer") from None
        if len(self._actors) > 4096:
            self._actors.clear()
        # freshness must be looked at again before the token ends
        self._actors[token] = (min(expires_at, time.time() + 60), actor)
        return actor

    def actor_of_api_token(self, token: str) -> context.Actor:
        """Return whom an API token stands for. Raises Unauthenticated."""
        return self.actor_of_grant("api token", token, lambda: self.accounts.exchange_token(token))

    def actor_of_grant(self, kind: str, secret: str, exchange: Callable[[], Any]) -> context.Actor:
        """Return whom a secret of a kind stands for; one seen lately is good while accounts is away.

        `exchange` gives a short access token for it; secrets of different kinds never stand for each other. Raises
        Unauthenticated.
        """
        digest = hashlib.sha256(f"{kind}: {secret}".encode()).hexdigest()
        until, access_token = self._grants.get(digest, (0.0, ""))
        if until < time.monotonic():
            try:
                with context.acting_as(context.ANONYMOUS):
                    access_token = exchange().access_token
            except ServiceUnavailable:
                if not access_token:
                    raise
            except DomainError as error:
                self._grants.pop(digest, None)
                raise Unauthenticated(error.message) from None
            if len(self._grants) > 4096:
                self._grants.clear()
            self._grants[digest] = (time.monotonic() + GRANT_TTL_S, access_token)
        return self.actor_of_access_token(access_token)

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


def install_jwt(app: Flask, people: People) -> None:
    """Set flask-jwt-extended up: EdDSA only, our issuer and audience, keys by their id."""
    app.config.update(
        JWT_ALGORITHM="EdDSA",
        JWT_DECODE_ALGORITHMS=["EdDSA"],
        JWT_DECODE_ISSUER=ISSUER,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_COOKIE_CSRF_PROTECT=False,  # app.kernel.csrf covers anonymous forms too, and outlives a token's renewal
    )
    manager = JWTManager(app)

    @manager.decode_key_loader
    def key(header: dict[str, Any], _claims: dict[str, Any]) -> Ed25519PublicKey:
        return people.keys.get(str(header.get("kid", "")))


def cookie_name(part: str, settings: Settings) -> str:
    return f"__Host-segue_{part}" if settings.uses_tls else f"segue_{part}"


def set_session_cookies(response: Response, tokens: Any, settings: Settings) -> None:
    """Keep a session's tokens in HttpOnly, SameSite=Strict cookies. `tokens` is an accounts.TokenPair."""
    options: dict[str, Any] = {"httponly": True, "samesite": "Strict", "secure": settings.uses_tls, "path": "/"}
    response.set_cookie(cookie_name("access", settings), tokens.access_token, max_age=tokens.expires_in, **options)
    response.set_cookie(cookie_name("refresh", settings), tokens.refresh_token, max_age=REFRESH_LIFETIME_S, **options)


def clear_session_cookies(response: Response, settings: Settings) -> None:
    """Forget the session in this browser, and what it cached."""
    for part in ("access", "refresh"):
        response.delete_cookie(
            cookie_name(part, settings), path="/", secure=settings.uses_tls, httponly=True, samesite="Strict"
        )
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def refresh_cookie() -> str:
    """Return the refresh token of this browser's session, or ""."""
    return request.cookies.get(cookie_name("refresh", _settings()), "")


def _settings() -> Settings:
    settings: Settings = current_app.config["SEGUE_SETTINGS"]
    return settings


def csrf_token() -> str:
    """Return the token that forms of this browser must send as `csrf_token` (or in X-CSRF-Token)."""
    if "csrf_seed" not in g:
        g.csrf_seed = request.cookies.get(cookie_name("csrf", _settings())) or secrets.token_urlsafe(24)
    return _csrf_of(g.csrf_seed)


def _csrf_of(seed: str) -> str:
    key = _settings().secret("secret_key").encode()
    return hmac.new(key, b"csrf:" + seed.encode(), hashlib.sha256).hexdigest()


def check_csrf() -> None:
    """Refuse an unsafe request that a browser may have been tricked into (signed double submit; OWASP).

    Requests with an Authorization header, or to the API with no cookie of ours, prove themselves otherwise.
    """
    if request.method in SAFE_METHODS or request.headers.get("Authorization"):
        return
    settings = _settings()
    has_cookies = any(request.cookies.get(cookie_name(p, settings)) for p in ("access", "refresh", "csrf"))
    if not has_cookies and request.path.startswith("/api/"):
        return
    origin = request.headers.get("Origin")
    is_foreign = request.headers.get("Sec-Fetch-Site") == "cross-site" or (
        origin not in (None, "null") and urlsplit(origin or "").netloc != request.host
    )
    seed = request.cookies.get(cookie_name("csrf", settings), "")
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if is_foreign or not seed or not hmac.compare_digest(sent.encode(), _csrf_of(seed).encode()):
        raise Forbidden("this form is too old or came from another site; go back, reload and try again")


def keep_csrf_cookie(response: Response) -> None:
    if "csrf_seed" in g and not request.cookies.get(cookie_name("csrf", _settings())):
        response.set_cookie(
            cookie_name("csrf", _settings()),
            g.csrf_seed,
            httponly=True,
            samesite="Strict",
            secure=_settings().uses_tls,
            path="/",
        )


def safe_next(target: str | None, default: str = "/") -> str:
    """Return a path of this site to go on to; anything that could lead elsewhere becomes `default`."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return default
    if any(ord(c) < 33 or c == "\\" for c in target):
        return default
    parts = urlsplit(target)
    return default if parts.scheme or parts.netloc else target
