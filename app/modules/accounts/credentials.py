"""Passwords of accounts: proving one, changing it, and resetting a lost one by a code that an admin hands out."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import InvalidCredentials, InvalidToken, ListenerNotFound
from app.kernel import context
from app.modules.accounts import passwords, throttling
from app.modules.accounts.parts import Part, digest, end_sessions, random_code, require_recent_login, write_audit

log = logging.getLogger(__name__)

RESET_LIFETIME = timedelta(minutes=30)


@dataclass(frozen=True)
class Proven:
    name: str
    password_hash: str


def require_password(part: Part, listener_id: UUID, password: str) -> Proven:
    """Check a listener's password before a sensitive act; throttled as a login is. Raises InvalidCredentials."""
    now = part.clock()
    with part.database.begin() as session:
        row = session.execute(
            text("select name, password_hash from listener where listener_id = :id"), {"id": listener_id}
        ).one_or_none()
        if row is None:
            raise ListenerNotFound
        throttling.count_attempt(session, now, name=row.name, address="")
    if not passwords.verify_password(row.password_hash, password):
        log.warning("password check failed", extra={"listener_id": str(listener_id)})
        raise InvalidCredentials("the current password is not right")
    with part.database.begin() as session:
        throttling.forgive(session, name=row.name, address="")
    return Proven(row.name, row.password_hash)


class Credentials(Part):
    def change_password(self, listener_id: UUID, current: str, new: str) -> None:
        proven = require_password(self, listener_id, current)
        passwords.check_strength(new, name=proven.name)
        new_hash = passwords.hash_password(new)
        with self.database.begin() as session:
            _set_password(session, listener_id, new_hash, keep_session=context.actor().session_id)
            write_audit(session, self.clock(), "password.change", subject_id=listener_id)

    def create_reset(self, listener_id: UUID) -> str:
        require_recent_login()
        code, now = random_code(), self.clock()
        with self.database.begin() as session:
            made = session.execute(
                text(
                    """
                    insert into password_reset (code_hash, listener_id, expires_at)
                    select :hash, listener_id, :expires_at
                    from listener
                    where listener_id = :id
                    on conflict (listener_id) do update
                        set code_hash = excluded.code_hash, expires_at = excluded.expires_at
                    returning listener_id
                    """
                ),
                {"hash": digest(code), "id": listener_id, "expires_at": now + RESET_LIFETIME},
            ).one_or_none()
            if made is None:
                raise ListenerNotFound
            write_audit(session, now, "password.create_reset", subject_id=listener_id)
        return code

    def reset_password(self, code: str, password: str) -> None:
        now = self.clock()
        with self.database.begin() as session:
            row = session.execute(
                text(
                    """
                    select l.name
                    from password_reset r
                    join listener l using (listener_id)
                    where r.code_hash = :hash and r.expires_at > :now
                    """
                ),
                {"hash": digest(code), "now": now},
            ).one_or_none()
        if row is None:
            raise InvalidToken("this link was used, is too old, or a newer one was made")
        passwords.check_strength(password, name=row.name)
        new_hash = passwords.hash_password(password)
        with self.database.begin() as session:
            listener_id = _use_reset(session, code, now)
            _set_password(session, listener_id, new_hash)
            throttling.forgive(session, name=row.name, address="")
            write_audit(session, now, "password.reset", subject_id=listener_id)


def _use_reset(session: Transaction, code: str, now: datetime) -> UUID:
    used = session.execute(
        text("delete from password_reset where code_hash = :hash and expires_at > :now returning listener_id"),
        {"hash": digest(code), "now": now},
    ).one_or_none()
    if used is None:
        raise InvalidToken("this link was used, is too old, or a newer one was made")
    listener_id: UUID = used.listener_id
    return listener_id


def _set_password(session: Transaction, listener_id: UUID, new_hash: str, *, keep_session: UUID | None = None) -> None:
    """Store a new password; sessions but the given one, and reset codes, end with the old one."""
    session.execute(
        text("update listener set password_hash = :hash where listener_id = :id"),
        {"hash": new_hash, "id": listener_id},
    )
    session.execute(text("delete from password_reset where listener_id = :id"), {"id": listener_id})
    end_sessions(session, listener_id, but=keep_session)


def purge(session: Transaction, now: datetime) -> None:
    session.execute(text("delete from password_reset where expires_at <= :now"), {"now": now})
