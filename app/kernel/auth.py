"""Who is this request from? Cookies, forms and flask-jwt-extended, where pages and people's requests arrive.

Which tokens stand for whom is `app.kernel.people`.
"""

import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import JWTManager, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from app.kernel.contract import Forbidden, Unauthenticated
from app.kernel.people import AUDIENCE, ISSUER, Keys, People, decode
from app.settings import Settings

REFRESH_LIFETIME_S = 180 * 86400
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def decode_access_token(token: str, keys: Keys) -> dict[str, Any]:
    """Verify an access token with flask-jwt-extended, as `install_jwt` set it up. Raises Unauthenticated."""
    try:
        claims: dict[str, Any] = decode_token(token)
    except jwt.ImmatureSignatureError:
        return decode(token, keys)  # the clock was set back, which flask-jwt-extended can't be told to let pass
    except JWTExtendedException:
        raise Unauthenticated.by_token() from None
    return claims


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
