"""The Ed25519 keys that sign access tokens: one in force, retired ones published until their tokens have expired."""

import base64
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import Jwk, JwkSet
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.kernel.sealing import CannotOpen, Sealer

log = logging.getLogger(__name__)

PUBLISHED_AFTER_RETIREMENT = timedelta(minutes=30)  # twice the longest life of a token


@dataclass(frozen=True)
class SigningKey:
    kid: str
    private_key: Ed25519PrivateKey


class SigningKeys:
    def __init__(self, database: Database, clock: Clock, sealer: Sealer) -> None:
        self.database = database
        self.clock = clock
        self.sealer = sealer
        self._opened: SigningKey | None = None

    def current(self) -> SigningKey:
        """Return the key to sign with, made when there is none yet.

        Asks the database each time, so that a rotation is in force in all processes at once.
        """
        with self.database.begin() as session:
            self._opened = self._ensure(session)
        return self._opened

    def rotate(self, session: Transaction) -> None:
        """Retire the key in force, in the caller's transaction, and make its successor."""
        _lock_keys(session)
        self._retire(session)
        self._create(session)

    def published(self) -> JwkSet:
        """Return the keys that verify tokens which may still be valid, the newest first."""
        with self.database.begin() as session:
            self._ensure(session)
            rows = session.execute(
                text(
                    """
                    select kid, public_key
                    from signing_key
                    where retired_at is null or retired_at > :since
                    order by retired_at is null desc, created_at desc, kid
                    """
                ),
                {"since": self.clock() - PUBLISHED_AFTER_RETIREMENT},
            ).all()
        return JwkSet([Jwk(kid=kid, x=x) for kid, x in rows])

    def _ensure(self, session: Transaction) -> SigningKey:
        key = self._read(session)
        if key is None:
            _lock_keys(session)  # several processes start at once; the first makes the key
            key = self._read(session)
        if key is None:
            self._retire(session)
            key = self._create(session)
        return key

    def _read(self, session: Transaction) -> SigningKey | None:
        row = session.execute(
            text("select kid, private_key from signing_key where retired_at is null order by created_at desc limit 1")
        ).one_or_none()
        if row is None:
            return None
        if self._opened is not None and self._opened.kid == row.kid:
            return self._opened
        try:
            raw = self.sealer.open(bytes(row.private_key), f"signing key {row.kid}")
        except CannotOpen:
            log.error("the signing key was sealed with another SEGUE_SECRET_KEY; a new one is made")
            return None
        return SigningKey(row.kid, Ed25519PrivateKey.from_private_bytes(raw))

    def _create(self, session: Transaction) -> SigningKey:
        key = SigningKey(secrets.token_hex(8), Ed25519PrivateKey.generate())
        session.execute(
            text(
                """
                insert into signing_key (kid, public_key, private_key, created_at)
                values (:kid, :public_key, :private_key, :now)
                """
            ),
            {
                "kid": key.kid,
                "public_key": _public_x(key.private_key),
                "private_key": self.sealer.seal(key.private_key.private_bytes_raw(), f"signing key {key.kid}"),
                "now": self.clock(),
            },
        )
        return key

    def _retire(self, session: Transaction) -> None:
        session.execute(
            text("update signing_key set retired_at = :now, private_key = null where retired_at is null"),
            {"now": self.clock()},
        )


def purge(session: Transaction, now: datetime) -> None:
    """Delete keys whose last tokens have expired."""
    session.execute(
        text("delete from signing_key where retired_at < :before"), {"before": now - 2 * PUBLISHED_AFTER_RETIREMENT}
    )


def _lock_keys(session: Transaction) -> None:
    session.execute(text("select pg_advisory_xact_lock(hashtext('accounts signing key'))"))


def _public_x(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
