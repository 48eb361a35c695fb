"""API tokens: shown once, stored hashed, scoped, exchanged by the gateway for short access tokens."""

import hashlib
import logging
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import (
    ALL_SCOPES,
    AccessGrant,
    ApiToken,
    InvalidToken,
    IssuedToken,
    ListenerNotFound,
    Scope,
)
from app.kernel import context
from app.kernel.contract import Forbidden, InvalidRequest, NotFound
from app.modules.accounts.access_tokens import API_GRANT_S, mint
from app.modules.accounts.names import check_text
from app.modules.accounts.parts import Part, digest, read_listener, require_recent_login, write_audit
from app.modules.accounts.sessions import has_admin_role

log = logging.getLogger(__name__)

PREFIX = "segue_"
USE_NOTED_EVERY = timedelta(minutes=1)


class ApiTokens(Part):
    def create_token(self, listener_id: UUID, name: str, scopes: list[Scope]) -> IssuedToken:
        actor = context.actor()
        require_recent_login(listener_id)
        given = [scope for scope in ALL_SCOPES if scope in scopes]
        if not given:
            raise InvalidRequest("scopes: at least one of read, write, scrobble")
        if actor.kind == "person" and not actor.scopes.issuperset(given):
            raise Forbidden("a token can't give rights that the one used here lacks")
        label, now = check_text(name, what="name", longest=100), self.clock()
        with self.database.begin() as session:
            made, token = insert_token(session, listener_id, label, given, now)
            if actor.listener_id != listener_id:
                write_audit(session, made.created_at, "token.create", subject_id=listener_id, details={"scopes": given})
        log.info("api token made", extra={"listener_id": str(listener_id), "token_id": str(made.token_id)})
        return IssuedToken(token, made)

    def list_tokens(self, listener_id: UUID) -> list[ApiToken]:
        with self.database.begin() as session:
            return read_tokens(session, listener_id)

    def revoke_token(self, listener_id: UUID, token_id: UUID) -> None:
        with self.database.begin() as session:
            revoked = session.execute(
                text("delete from api_token where token_id = :token and listener_id = :owner returning token_id"),
                {"token": token_id, "owner": listener_id},
            ).one_or_none()
        if revoked is None:
            raise NotFound

    def exchange_token(self, api_token: str) -> AccessGrant:
        return grant(self, "token_hash = :wanted", digest(api_token))


def grant(part: Part, condition: str, wanted: object) -> AccessGrant:
    """Return an access token for the API token that a condition (one of ours) finds. Raises InvalidToken."""
    now = part.clock()
    with part.database.begin() as session:
        row = session.execute(
            text(f"select token_id, listener_id, scopes, last_used_at from api_token where {condition}"),  # noqa: S608
            {"wanted": wanted},
        ).one_or_none()
        if row is None:
            raise InvalidToken
        listener = read_listener(session, row.listener_id)
        if listener.is_disabled:
            raise InvalidToken
        _note_use(session, row, now)
    # after the transaction: the signing key is read in one of its own, and two connections for each of several
    # requests at once would wait for each other
    access_token = mint(
        part.keys.current(),
        listener,
        session_id=row.token_id,
        scopes=row.scopes,
        lifetime_s=API_GRANT_S,
        now=now,
        has_admin_role=has_admin_role(listener, is_loopback=part.settings.is_loopback),
    )
    return AccessGrant(access_token, API_GRANT_S)


def insert_token(
    session: Transaction, listener_id: UUID, name: str, scopes: list[Scope], now: datetime
) -> tuple[ApiToken, str]:
    """Make an API token; return it and its secret. Raises ListenerNotFound."""
    # 6 + 43 characters: never 32, which other services take for an MD5 or a session key
    token = PREFIX + secrets.token_urlsafe(32)
    made = ApiToken(uuid4(), name, scopes, now, None)
    _insert(session, listener_id, made, token)
    return made, token


def _insert(session: Transaction, listener_id: UUID, made: ApiToken, token: str) -> None:
    md5_hash = hashlib.md5(token.encode(), usedforsecurity=False).hexdigest() if "scrobble" in made.scopes else None
    inserted = session.execute(
        text(
            """
            insert into api_token (token_id, listener_id, name, scopes, token_hash, md5_hash, created_at)
            select :token_id, listener_id, :name, :scopes, :hash, :md5_hash, :now
            from listener
            where listener_id = :listener_id
            returning token_id
            """
        ),
        {
            "token_id": made.token_id,
            "listener_id": listener_id,
            "name": made.name,
            "scopes": made.scopes,
            "hash": digest(token),
            "md5_hash": md5_hash,
            "now": made.created_at,
        },
    ).one_or_none()
    if inserted is None:
        raise ListenerNotFound


def _note_use(session: Transaction, row: Any, now: datetime) -> None:
    if row.last_used_at is None or now - row.last_used_at > USE_NOTED_EVERY:
        session.execute(
            text("update api_token set last_used_at = :now where token_id = :id"), {"id": row.token_id, "now": now}
        )


def read_tokens(session: Transaction, listener_id: UUID) -> list[ApiToken]:
    rows = session.execute(
        text(
            """
            select token_id, name, scopes, created_at, last_used_at
            from api_token
            where listener_id = :id
            order by created_at desc, token_id
            """
        ),
        {"id": listener_id},
    ).all()
    return [ApiToken(*row) for row in rows]
