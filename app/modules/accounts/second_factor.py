"""The second factor: TOTP (RFC 6238, 30 s steps, one either way, each used once) and recovery codes."""

import base64
import hmac
import logging
import os
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import InvalidCredentials, SecondFactor
from app.kernel import context
from app.kernel.sealing import CannotOpen, Sealer
from app.modules.accounts.credentials import require_password
from app.modules.accounts.parts import Part, digest, end_sessions, write_audit

log = logging.getLogger(__name__)

STEP_S = 30
RECOVERY_CODES = 10


class SecondFactors(Part):
    def start_second_factor(self, listener_id: UUID, password: str) -> SecondFactor:
        name = require_password(self, listener_id, password).name
        secret = pyotp.random_base32()
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        with self.database.begin() as session:
            session.execute(
                text(
                    """
                    insert into second_factor (listener_id, pending_secret)
                    values (:id, :sealed)
                    on conflict (listener_id) do update set pending_secret = excluded.pending_secret
                    """
                ),
                {"id": listener_id, "sealed": self.sealer.seal(secret.encode(), _purpose(listener_id))},
            )
            session.execute(
                text("delete from recovery_code where listener_id = :id and is_pending"), {"id": listener_id}
            )
            session.execute(
                text(
                    """
                    insert into recovery_code (listener_id, code_hash, is_pending)
                    select :id, code_hash, true
                    from unnest(cast(:hashes as bytea[])) as given (code_hash)
                    """
                ),
                {"id": listener_id, "hashes": [digest(_plain(code)) for code in codes]},
            )
        uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Segue")
        return SecondFactor(secret, uri, codes)

    def confirm_second_factor(self, listener_id: UUID, otp: str) -> None:
        now = self.clock()
        with self.database.begin() as session:
            pending = session.execute(
                text("select pending_secret from second_factor where listener_id = :id for update"),
                {"id": listener_id},
            ).scalar_one_or_none()
            step = _matching_step(self.sealer, listener_id, pending, otp, now)
            if step is None:
                raise InvalidCredentials("this code does not match; the clock of the device may be wrong")
            session.execute(
                text(
                    """
                    update second_factor
                    set secret = pending_secret, pending_secret = null, last_step = :step
                    where listener_id = :id
                    """
                ),
                {"id": listener_id, "step": step},
            )
            session.execute(
                text("delete from recovery_code where listener_id = :id and not is_pending"), {"id": listener_id}
            )
            session.execute(
                text("update recovery_code set is_pending = false where listener_id = :id"), {"id": listener_id}
            )
            end_sessions(session, listener_id, but=context.actor().session_id)
            write_audit(session, now, "second_factor.confirm", subject_id=listener_id)

    def remove_second_factor(self, listener_id: UUID, password: str) -> None:
        require_password(self, listener_id, password)
        with self.database.begin() as session:
            session.execute(text("delete from second_factor where listener_id = :id"), {"id": listener_id})
            session.execute(text("delete from recovery_code where listener_id = :id"), {"id": listener_id})
            end_sessions(session, listener_id, but=context.actor().session_id)
            write_audit(session, self.clock(), "second_factor.remove", subject_id=listener_id)


def accept(session: Transaction, sealer: Sealer, listener_id: UUID, otp: str, now: datetime) -> bool:
    """Use up a code of the authenticator or a recovery code; say whether it was good."""
    row = session.execute(
        text("select secret, last_step from second_factor where listener_id = :id for update"), {"id": listener_id}
    ).one()
    step = _matching_step(sealer, listener_id, row.secret, otp, now)
    if step is not None and step > row.last_step:
        session.execute(
            text("update second_factor set last_step = :step where listener_id = :id"),
            {"id": listener_id, "step": step},
        )
        return True
    used = session.execute(
        text(
            """
            delete from recovery_code
            where listener_id = :id and code_hash = :hash and not is_pending
            returning listener_id
            """
        ),
        {"id": listener_id, "hash": digest(_plain(otp))},
    ).one_or_none()
    if used is not None:
        log.info("a recovery code was used", extra={"listener_id": str(listener_id)})
    return used is not None


def _matching_step(
    sealer: Sealer, listener_id: UUID, sealed: bytes | memoryview | None, otp: str, now: datetime
) -> int | None:
    """Return the newest 30 s step, of three, that a code belongs to."""
    if sealed is None:
        return None
    try:
        secret = sealer.open(bytes(sealed), _purpose(listener_id)).decode()
    except CannotOpen:
        log.error("a second factor was sealed with another SEGUE_SECRET_KEY", extra={"listener_id": str(listener_id)})
        return None
    totp, given = pyotp.TOTP(secret), _plain(otp)
    this_step = int(now.timestamp()) // STEP_S
    matching = [
        step
        for step in (this_step + 1, this_step, this_step - 1)
        if hmac.compare_digest(totp.generate_otp(step).encode(), given.encode())
    ]
    return matching[0] if matching else None


def _recovery_code() -> str:
    code = base64.b32encode(os.urandom(10)).decode().lower()
    return "-".join(code[i : i + 4] for i in range(0, 16, 4))


def _plain(code: str) -> str:
    return "".join(c for c in code.lower() if c.isascii() and c.isalnum())


def _purpose(listener_id: UUID) -> str:
    return f"second factor {listener_id}"
