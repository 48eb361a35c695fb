"""Sign-in of the Audioscrobbler protocols: an API token with the scope scrobble is the password.

Their session keys are signed, not stored: a key names an API token, and ends with it.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import (
    ALL_SCOPES,
    AccessGrant,
    AuthorizationExpired,
    AuthorizationPending,
    InvalidCredentials,
    InvalidToken,
    ScrobbleSession,
)
from app.modules.accounts.api_tokens import grant, insert_token
from app.modules.accounts.names import check_text
from app.modules.accounts.parts import Part, digest, write_audit

AUTHORIZATION_LIFETIME = timedelta(minutes=60)
APP_CHARS = 100


class Scrobblers(Part):
    def sign_in_scrobbler(self, name: str, proof: str, scheme: str, salt: str = "") -> ScrobbleSession:
        if scheme == "token":
            proof = _md5(proof)
        with self.database.begin() as session:
            found = session.execute(
                text(
                    """
                    select t.token_id, t.md5_hash, l.listener_id, l.name
                    from listener l
                    join api_token t on t.listener_id = l.listener_id
                    where lower(l.name) = lower(:name) and not l.is_disabled and t.md5_hash is not null
                    order by t.created_at desc, t.token_id
                    """
                ),
                {"name": name},
            ).all()
        for row in found:
            if any(hmac.compare_digest(each, proof.encode()) for each in _proofs(row.md5_hash, name, scheme, salt)):
                return ScrobbleSession(self._session_key(row.token_id), row.name, row.listener_id)
        raise InvalidCredentials

    def exchange_scrobble_session(self, key: str) -> AccessGrant:
        return grant(self, "token_id = :wanted and md5_hash is not null", self._token_of(key))

    def start_authorization(self, app: str) -> str:
        begun = f"{int(self.clock().timestamp()):x}.{secrets.token_hex(12)}"
        return f"{begun}.{self._sign(f'authorization {app[:APP_CHARS]} {begun}')}"

    def approve_authorization(self, listener_id: UUID, token: str, app: str, name: str) -> None:
        expires_at = self._check_authorization(token, app)
        with self.database.begin() as session:
            session.execute(text("select pg_advisory_xact_lock(hashtextextended(:token, 0))"), {"token": token})
            if _find_approval(session, token):
                return
            label = check_text(name, what="name", longest=100)
            made, _ = insert_token(session, listener_id, label, list(ALL_SCOPES), self.clock())
            session.execute(
                text(
                    """
                    insert into app_authorization (token_hash, app, token_id, expires_at)
                    values (:hash, :app, :token_id, :expires_at)
                    """
                ),
                {"hash": digest(token), "app": app[:APP_CHARS], "token_id": made.token_id, "expires_at": expires_at},
            )
            write_audit(session, self.clock(), "token.create", subject_id=listener_id, details={"app": label})

    def finish_authorization(self, token: str, app: str) -> ScrobbleSession:
        self._check_authorization(token, app)
        with self.database.begin() as session:
            row = session.execute(
                text(
                    """
                    with taken as (
                        delete from app_authorization where token_hash = :hash and app = :app returning token_id
                    )
                    select t.token_id, l.name, l.listener_id
                    from taken
                    join api_token t using (token_id)
                    join listener l on l.listener_id = t.listener_id
                    where not l.is_disabled
                    """
                ),
                {"hash": digest(token), "app": app[:APP_CHARS]},
            ).one_or_none()
        if row is None:
            raise AuthorizationPending
        return ScrobbleSession(self._session_key(row.token_id), row.name, row.listener_id)

    def _check_authorization(self, token: str, app: str) -> datetime:
        """Return when an application's token ends. Raises InvalidToken, AuthorizationExpired."""
        begun, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(f"authorization {app[:APP_CHARS]} {begun}").encode()):
            raise InvalidToken
        started_at = datetime.fromtimestamp(int(begun.partition(".")[0], 16), self.clock().tzinfo)
        if self.clock() - started_at > AUTHORIZATION_LIFETIME:
            raise AuthorizationExpired
        return started_at + AUTHORIZATION_LIFETIME

    def _session_key(self, token_id: UUID) -> str:
        return token_id.hex + self._sign(f"session {token_id.hex}")

    def _token_of(self, key: str) -> UUID:
        token, signature = key[:32], key[32:]
        if not hmac.compare_digest(signature.encode(), self._sign(f"session {token}").encode()):
            raise InvalidToken
        return UUID(token)

    def _sign(self, said: str) -> str:
        return self.sealer.mac(f"scrobbler: {said}".encode()).hex()[:32]


def _proofs(md5_hash: str, name: str, scheme: str, salt: str) -> list[bytes]:
    """Return what would prove a token: clients hash the name as typed or in lower case."""
    if scheme == "mobile":
        return [_md5(each + md5_hash).encode() for each in (name, name.lower())]
    if scheme == "handshake":
        return [_md5(md5_hash + salt).encode()]
    return [md5_hash.encode()]


def _md5(said: str) -> str:
    return hashlib.md5(said.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _find_approval(session: Transaction, token: str) -> bool:
    found = session.execute(
        text("select 1 from app_authorization where token_hash = :hash"), {"hash": digest(token)}
    ).one_or_none()
    return found is not None


def purge(session: Transaction, now: datetime) -> None:
    session.execute(text("delete from app_authorization where expires_at < :now"), {"now": now})
