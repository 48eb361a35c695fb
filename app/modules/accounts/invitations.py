"""Invitations: codes that open one registration, among them the link that makes the first administrator."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import Invitation, RegistrationClosed
from app.modules.accounts.parts import Part, digest, random_code, require_recent_login, write_audit

INVITATION_LIFETIME = timedelta(days=7)
SETUP_LIFETIME = timedelta(hours=1)

HAS_ADMIN = "select exists (select from listener where is_admin)"


class Invitations(Part):
    def create_invitation(self, is_admin: bool = False) -> Invitation:
        if is_admin:
            require_recent_login()
        now = self.clock()
        invitation = Invitation(random_code(), is_admin, now + INVITATION_LIFETIME)
        with self.database.begin() as session:
            _insert(session, invitation, is_setup=False)
            write_audit(session, now, "invitation.create", details={"is_admin": is_admin})
        return invitation

    def create_setup_code(self) -> str | None:
        now = self.clock()
        invitation = Invitation(random_code(), True, now + SETUP_LIFETIME)
        with self.database.begin() as session:
            if session.execute(text(HAS_ADMIN)).scalar_one():
                return None
            session.execute(text("delete from invitation where is_setup"))
            _insert(session, invitation, is_setup=True)
        return invitation.code


def peek_invitation(session: Transaction, code: str, now: datetime) -> None:
    """Raise RegistrationClosed when a code opens nothing, before the costly part of a registration."""
    known = session.execute(
        text("select 1 from invitation where code_hash = :hash and expires_at > :now"),
        {"hash": digest(code), "now": now},
    ).one_or_none()
    if known is None:
        raise RegistrationClosed


def use_invitation(session: Transaction, code: str, now: datetime) -> bool:
    """Use a code up; return whether it makes an administrator. Raises RegistrationClosed."""
    used = session.execute(
        text(
            """
            delete from invitation
            where code_hash = :hash and expires_at > :now
            returning is_admin, is_setup
            """
        ),
        {"hash": digest(code), "now": now},
    ).one_or_none()
    if used is None or (used.is_setup and session.execute(text(HAS_ADMIN)).scalar_one()):
        raise RegistrationClosed
    is_admin: bool = used.is_admin
    return is_admin


def _insert(session: Transaction, invitation: Invitation, *, is_setup: bool) -> None:
    session.execute(
        text(
            """
            insert into invitation (code_hash, is_admin, is_setup, expires_at)
            values (:hash, :is_admin, :is_setup, :expires_at)
            """
        ),
        {
            "hash": digest(invitation.code),
            "is_admin": invitation.is_admin,
            "is_setup": is_setup,
            "expires_at": invitation.expires_at,
        },
    )


def purge(session: Transaction, now: datetime) -> None:
    session.execute(text("delete from invitation where expires_at <= :now"), {"now": now})
