"""What every part of the module shares: its database, the clock, the settings, the sealer and the signing keys."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import Listener, ListenerNotFound
from app.contracts.services import Services
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.contract import Forbidden
from app.kernel.db import Database
from app.kernel.sealing import Sealer
from app.modules.accounts.signing_keys import SigningKeys
from app.settings import Settings

LISTENER = """
    select
        l.listener_id,
        l.name,
        l.is_admin,
        l.is_disabled,
        l.password_hash is not null as has_password,
        f.secret        is not null as has_second_factor,
        l.created_at
    from listener l
    left join second_factor f using (listener_id)
"""


@dataclass(frozen=True)
class Parts:
    settings: Settings
    database: Database
    clock: Clock
    sealer: Sealer
    keys: SigningKeys
    services: Services


class Part:
    """Base of the themed parts that the service is put together from."""

    def __init__(self, parts: Parts) -> None:
        self.settings = parts.settings
        self.database = parts.database
        self.clock = parts.clock
        self.sealer = parts.sealer
        self.keys = parts.keys
        self.services = parts.services


def read_listener(session: Transaction, listener_id: UUID) -> Listener:
    """Raises ListenerNotFound."""
    row = session.execute(text(LISTENER + "where l.listener_id = :id"), {"id": listener_id}).one_or_none()
    if row is None:
        raise ListenerNotFound
    return to_listener(row)


def to_listener(row: Any) -> Listener:
    """Make a Listener of a row whose first seven columns are those of LISTENER."""
    return Listener(*row[:7])


def random_code() -> str:
    """Return a code for a link or a session, of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Hash a code that is itself random; a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).digest()


def end_sessions(session: Transaction, listener_id: UUID, *, but: UUID | None = None) -> None:
    """End a listener's sessions, all or all but one."""
    session.execute(
        text("delete from session where listener_id = :id and session_id <> :kept"),
        {"id": listener_id, "kept": but or UUID(int=0)},
    )


def require_recent_login(listener_id: UUID | None = None) -> None:
    """Let an admin's act on others pass only within 15 minutes of signing in. Raises Forbidden.

    Parts of Segue (the command line) act for whoever runs them; what one does to oneself is guarded elsewhere.
    """
    actor = context.actor()
    if actor.kind == "person" and actor.listener_id != listener_id and not actor.is_fresh:
        raise Forbidden(
            "sign in again to do this: it needs a sign-in of the last 15 minutes", reason="login_not_recent"
        )


def write_audit(
    session: Transaction,
    at: datetime,
    act: str,
    *,
    subject_id: UUID | None = None,
    subject: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Append an act of the actor, in the transaction of the act."""
    actor = context.actor()
    session.execute(
        text(
            """
            insert into audit (at, actor_id, actor, act, subject_id, subject, details)
            values (:at, :actor_id, :actor, :act, :subject_id, :subject, cast(:details as jsonb))
            """
        ),
        {
            "at": at,
            "actor_id": actor.listener_id,
            "actor": "" if actor.listener_id else actor.name or actor.kind,
            "act": act,
            "subject_id": subject_id,
            "subject": subject,
            "details": msgspec.json.encode(details or {}).decode(),
        },
    )
