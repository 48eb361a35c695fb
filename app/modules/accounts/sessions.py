"""Signed-in sessions: login, rotation of refresh tokens, and the ends of sessions.

A session is a chain of refresh tokens, each used once. Its successor is derived from it with a key of this instance,
so that two tabs which use the same token within the grace get the same successor and the chain stays one: whoever
uses an older link later betrays that two parties hold the chain, and the session ends.
"""

import base64
import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import (
    ALL_SCOPES,
    InvalidCredentials,
    InvalidToken,
    Listener,
    SecondFactorRequired,
    Session,
    TokenPair,
)
from app.kernel import context
from app.kernel.contract import NotFound
from app.modules.accounts import passwords, second_factor, throttling
from app.modules.accounts.access_tokens import SESSION_TOKEN_S, mint
from app.modules.accounts.names import is_name
from app.modules.accounts.parts import Part, digest, end_sessions, random_code, read_listener

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=10)  # two tabs renew at the same time
MOST_IN_GRACE = 100  # rotations of one session within the grace; more is not a browser
IDLE_LIFETIME = timedelta(days=30)
ABSOLUTE_LIFETIME = timedelta(days=180)
USED_TOKENS_KEPT = timedelta(days=30)  # how long a stolen old token is recognised as one
PREFIX = "sr_"

CREDENTIALS = """
    select l.listener_id, l.password_hash, l.is_disabled
    from listener l
    where lower(l.name) = lower(:name)
"""


class Sessions(Part):
    def login(self, name: str, password: str, otp: str = "", client: str = "", address: str = "") -> TokenPair:
        now = self.clock()
        with self.database.begin() as session:
            throttling.count_attempt(session, now, name=name, address=address)
            row = session.execute(text(CREDENTIALS), {"name": name}).one_or_none() if is_name(name) else None
        password_hash = None if row is None or row.is_disabled else row.password_hash
        if not passwords.verify_password(password_hash, password) or row is None or password_hash is None:
            log.warning("login failed", extra={"address": address, "listener_id": str(row.listener_id) if row else ""})
            raise InvalidCredentials
        new_hash = passwords.hash_password(password) if passwords.needs_rehash(password_hash) else password_hash
        with self.database.begin() as session:
            self._keep_hash(session, row.listener_id, password_hash, new_hash)
            listener = read_listener(session, row.listener_id)
            if listener.has_second_factor:
                self._check_second_factor(session, listener, otp, now)
            session_id, refresh_token = _open_session(session, listener.listener_id, client, now)
            throttling.forgive(session, name=name, address=address)
        log.info("login", extra={"address": address, "listener_id": str(listener.listener_id)})
        return self._pair(listener, session_id, refresh_token, signed_in_at=now)

    @staticmethod
    def _keep_hash(session: Transaction, listener_id: UUID, old: str, new: str) -> None:
        """Lock the account. Raises InvalidCredentials when it has changed since its password was looked at."""
        kept = session.execute(
            text(
                """
                update listener
                set password_hash = :new
                where listener_id = :id and password_hash = :old and not is_disabled
                returning listener_id
                """
            ),
            {"id": listener_id, "old": old, "new": new},
        ).one_or_none()
        if kept is None:
            raise InvalidCredentials

    def _check_second_factor(self, session: Transaction, listener: Listener, otp: str, now: datetime) -> None:
        if not otp:
            raise SecondFactorRequired
        if not second_factor.accept(session, self.sealer, listener.listener_id, otp, now):
            log.warning("second factor failed", extra={"listener_id": str(listener.listener_id)})
            raise InvalidCredentials

    def refresh(self, refresh_token: str) -> TokenPair:
        now = self.clock()
        with self.database.begin() as session:
            row = session.execute(
                text(
                    """
                    select
                        t.used_at,
                        t.session_id,
                        s.listener_id,
                        s.created_at,
                        s.last_used_at > :idle_since and s.created_at > :absolute_since as is_alive
                    from refresh_token t
                    join session s using (session_id)
                    where t.token_hash = :hash
                    for update of s, t
                    """
                ),
                {
                    "hash": digest(refresh_token),
                    "idle_since": now - IDLE_LIFETIME,
                    "absolute_since": now - ABSOLUTE_LIFETIME,
                },
            ).one_or_none()
            if row is None:
                raise InvalidToken
            listener = read_listener(session, row.listener_id)
            is_reused = row.used_at is not None and now - row.used_at > GRACE
            is_over = is_reused or not row.is_alive or listener.is_disabled
            if is_over:
                _delete_sessions(session, [row.session_id])
            elif row.used_at is None:
                successor = self._rotate(session, refresh_token, row.session_id, now)
            else:
                successor = self._newest(session, refresh_token, row.session_id)
        if is_reused:
            log.warning(
                "a used refresh token came again; its session is ended",
                extra={"listener_id": str(row.listener_id), "session_id": str(row.session_id)},
            )
        if is_over:
            raise InvalidToken
        return self._pair(listener, row.session_id, successor, signed_in_at=row.created_at)

    def _rotate(self, session: Transaction, refresh_token: str, session_id: UUID, now: datetime) -> str:
        successor = self._successor(refresh_token)
        session.execute(
            text("update refresh_token set used_at = :now where token_hash = :hash"),
            {"hash": digest(refresh_token), "now": now},
        )
        _insert_refresh_token(session, successor, session_id, now)
        session.execute(
            text("update session set last_used_at = :now where session_id = :id"), {"id": session_id, "now": now}
        )
        return successor

    def _newest(self, session: Transaction, used_token: str, session_id: UUID) -> str:
        """Return the unused end of the chain that a just used token belongs to, a few links on at most."""
        newest = session.execute(
            text("select token_hash from refresh_token where session_id = :id and used_at is null"), {"id": session_id}
        ).scalar_one()
        successor = used_token
        for _ in range(MOST_IN_GRACE):
            successor = self._successor(successor)
            if digest(successor) == bytes(newest):
                return successor
        raise InvalidToken

    def _successor(self, refresh_token: str) -> str:
        mac = self.sealer.mac(refresh_token.encode())
        return PREFIX + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def _pair(self, listener: Listener, session_id: UUID, refresh_token: str, *, signed_in_at: datetime) -> TokenPair:
        access_token = mint(
            self.keys.current(),
            listener,
            session_id=session_id,
            scopes=ALL_SCOPES,
            lifetime_s=SESSION_TOKEN_S,
            now=self.clock(),
            has_admin_role=has_admin_role(listener, is_loopback=self.settings.is_loopback),
            signed_in_at=signed_in_at,
        )
        return TokenPair(access_token, refresh_token, SESSION_TOKEN_S)

    def logout(self, refresh_token: str = "", everywhere: bool = False) -> None:
        actor = context.actor()
        with self.database.begin() as session:
            owner, session_id = actor.listener_id, actor.session_id
            if refresh_token:
                owner, session_id = _session_of(session, refresh_token)
            if everywhere and owner and (refresh_token or "write" in actor.scopes):
                end_sessions(session, owner)
            elif session_id:
                _delete_sessions(session, [session_id])
        log.info("logout", extra={"listener_id": str(owner or ""), "everywhere": everywhere})

    def list_sessions(self, listener_id: UUID) -> list[Session]:
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select session_id, client, created_at, last_used_at, session_id = :current
                    from session
                    where listener_id = :id and last_used_at > :idle_since and created_at > :absolute_since
                    order by last_used_at desc, session_id
                    limit 1000
                    """
                ),
                {
                    "id": listener_id,
                    "current": context.actor().session_id or UUID(int=0),
                    "idle_since": self.clock() - IDLE_LIFETIME,
                    "absolute_since": self.clock() - ABSOLUTE_LIFETIME,
                },
            ).all()
        return [Session(*row) for row in rows]

    def end_session(self, listener_id: UUID, session_id: UUID) -> None:
        with self.database.begin() as session:
            ended = session.execute(
                text("delete from session where session_id = :session and listener_id = :owner returning session_id"),
                {"session": session_id, "owner": listener_id},
            ).one_or_none()
        if ended is None:
            raise NotFound

    def inactive_sessions(self, session_ids: list[UUID]) -> list[UUID]:
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select given.id
                    from unnest(cast(:ids as uuid[])) as given (id)
                    left join session s   on s.session_id = given.id
                                         and s.last_used_at > :idle_since
                                         and s.created_at > :absolute_since
                    left join api_token t on t.token_id = given.id
                    left join listener l  on l.listener_id = coalesce(s.listener_id, t.listener_id)
                    where l.listener_id is null or l.is_disabled
                    """
                ),
                {
                    "ids": session_ids,
                    "idle_since": self.clock() - IDLE_LIFETIME,
                    "absolute_since": self.clock() - ABSOLUTE_LIFETIME,
                },
            ).scalars()
            return list(rows)


def has_admin_role(listener: Listener, *, is_loopback: bool) -> bool:
    """Say whether an administrator's rights are in force: beyond this machine they need a second factor."""
    return listener.is_admin and (listener.has_second_factor or is_loopback)


def _open_session(session: Transaction, listener_id: UUID, client: str, now: datetime) -> tuple[UUID, str]:
    session_id, refresh_token = uuid4(), PREFIX + random_code()
    session.execute(
        text(
            """
            insert into session (session_id, listener_id, client, created_at, last_used_at)
            values (:id, :listener_id, :client, :now, :now)
            """
        ),
        {"id": session_id, "listener_id": listener_id, "client": client.replace("\0", "")[:200], "now": now},
    )
    _insert_refresh_token(session, refresh_token, session_id, now)
    return session_id, refresh_token


def _insert_refresh_token(session: Transaction, refresh_token: str, session_id: UUID, now: datetime) -> None:
    session.execute(
        text("insert into refresh_token (token_hash, session_id, issued_at) values (:hash, :session_id, :now)"),
        {"hash": digest(refresh_token), "session_id": session_id, "now": now},
    )


def _session_of(session: Transaction, refresh_token: str) -> tuple[UUID | None, UUID | None]:
    row = session.execute(
        text(
            """
            select s.listener_id, s.session_id
            from refresh_token t
            join session s using (session_id)
            where t.token_hash = :hash
            """
        ),
        {"hash": digest(refresh_token)},
    ).one_or_none()
    return (row.listener_id, row.session_id) if row else (None, None)


def _delete_sessions(session: Transaction, session_ids: list[UUID]) -> None:
    session.execute(text("delete from session where session_id = any(:ids)"), {"ids": session_ids})


def purge(session: Transaction, now: datetime) -> None:
    """Delete sessions past their lifetime, and used tokens too old to be of interest."""
    session.execute(
        text("delete from session where last_used_at <= :idle_since or created_at <= :absolute_since"),
        {"idle_since": now - IDLE_LIFETIME, "absolute_since": now - ABSOLUTE_LIFETIME},
    )
    session.execute(text("delete from refresh_token where used_at < :before"), {"before": now - USED_TOKENS_KEPT})
