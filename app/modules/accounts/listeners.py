"""Listeners themselves: made, found, disabled, erased; and their preferences."""

import logging
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import (
    LastAdmin,
    Listener,
    ListenerErased,
    ListenerNotFound,
    NameTaken,
    Preferences,
)
from app.kernel import context, feed
from app.kernel.contract import InvalidRequest, NotFound
from app.modules.accounts import passwords, throttling
from app.modules.accounts.invitations import peek_invitation, use_invitation
from app.modules.accounts.names import check_names, is_name
from app.modules.accounts.parts import (
    LISTENER,
    Part,
    end_sessions,
    read_listener,
    require_recent_login,
    to_listener,
    write_audit,
)

log = logging.getLogger(__name__)

MAX_PAGE = 1000


class Listeners(Part):
    def register(self, name: str, password: str, invitation: str = "") -> Listener:
        now = self.clock()
        is_open = self.settings.registration == "open" and not invitation
        if not is_open:
            with self.database.begin() as session:
                peek_invitation(session, invitation, now)
        check_names([name])
        passwords.check_strength(password, name=name)
        password_hash = passwords.hash_password(password)
        with self.database.begin() as session:
            is_admin = False if is_open else use_invitation(session, invitation, now)
            listener = self._insert(session, name, password_hash, is_admin)
        log.info("registered", extra={"listener_id": str(listener.listener_id), "is_admin": is_admin})
        return listener

    def create_listener(self, name: str, password: str | None = None, is_admin: bool = False) -> Listener:
        require_recent_login()
        check_names([name])
        password_hash = None
        if password is not None:
            passwords.check_strength(password, name=name)
            password_hash = passwords.hash_password(password)
        with self.database.begin() as session:
            listener = self._insert(session, name, password_hash, is_admin)
            details = {"is_admin": is_admin}
            write_audit(session, self.clock(), "listener.create", subject_id=listener.listener_id, details=details)
        return listener

    def _insert(self, session: Transaction, name: str, password_hash: str | None, is_admin: bool) -> Listener:
        listener_id = session.execute(
            text(
                """
                insert into listener (name, password_hash, is_admin, created_at)
                values (:name, :password_hash, :is_admin, :now)
                on conflict (lower(name)) do nothing
                returning listener_id
                """
            ),
            {"name": name, "password_hash": password_hash, "is_admin": is_admin, "now": self.clock()},
        ).scalar_one_or_none()
        if listener_id is None:
            raise NameTaken
        return read_listener(session, listener_id)

    def ensure_listeners(self, names: list[str]) -> list[Listener]:
        check_names(names)
        keys = sorted({name.lower() for name in names})
        with self.database.begin() as session:
            session.execute(
                text(
                    """
                    insert into listener (name, created_at)
                    select distinct on (lower(given.name)) given.name, :now
                    from unnest(cast(:names as text[])) as given (name)
                    order by lower(given.name)
                    on conflict (lower(name)) do nothing
                    """
                ),
                {"names": names, "now": self.clock()},
            )
            rows = session.execute(text(LISTENER + "where lower(l.name) = any(:keys)"), {"keys": keys}).all()
        by_name = {row.name.lower(): to_listener(row) for row in rows}
        return [by_name[name.lower()] for name in names]

    def me(self) -> Listener:
        listener_id = context.actor().listener_id
        if listener_id is None:
            raise NotFound("the caller acts for nobody")
        with self.database.begin() as session:
            return read_listener(session, listener_id)

    def find_listener(self, name: str) -> Listener:
        if not is_name(name):
            raise ListenerNotFound
        with self.database.begin() as session:
            row = session.execute(text(LISTENER + "where lower(l.name) = lower(:name)"), {"name": name}).one_or_none()
        if row is None:
            raise ListenerNotFound
        return to_listener(row)

    def list_listeners(self, after: str = "", limit: int = 100, search: str = "") -> list[Listener]:
        if "\0" in after + search:
            raise InvalidRequest("text must not hold NUL characters")
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    LISTENER
                    + """
                    where lower(l.name) > lower(:after)
                      and (:search = '' or position(lower(:search) in lower(l.name)) > 0)
                    order by lower(l.name)
                    limit :limit
                    """
                ),
                {"after": after, "search": search, "limit": max(1, min(limit, MAX_PAGE))},
            ).all()
        return [to_listener(row) for row in rows]

    def set_disabled(self, listener_id: UUID, is_disabled: bool) -> Listener:
        require_recent_login()
        with self.database.begin() as session:
            before = read_listener(session, listener_id).is_disabled
            if is_disabled:
                _keep_an_admin(session, without=listener_id)
            session.execute(
                text("update listener set is_disabled = :is_disabled where listener_id = :id"),
                {"id": listener_id, "is_disabled": is_disabled},
            )
            if is_disabled:
                end_sessions(session, listener_id)
            listener = read_listener(session, listener_id)
            act = "listener.disable" if is_disabled else "listener.enable"
            changed = {"before": before, "after": is_disabled}
            write_audit(session, self.clock(), act, subject_id=listener_id, details=changed)
        return listener

    def set_admin(self, listener_id: UUID, is_admin: bool) -> Listener:
        require_recent_login()
        with self.database.begin() as session:
            before = read_listener(session, listener_id).is_admin
            if not is_admin:
                _keep_an_admin(session, without=listener_id)
                end_sessions(session, listener_id)  # their tokens still say administrator
            session.execute(
                text("update listener set is_admin = :is_admin where listener_id = :id"),
                {"id": listener_id, "is_admin": is_admin},
            )
            changed = {"before": before, "after": is_admin}
            write_audit(session, self.clock(), "listener.role", subject_id=listener_id, details=changed)
            return read_listener(session, listener_id)

    def delete_listener(self, listener_id: UUID) -> None:
        require_recent_login(listener_id)
        with self.database.begin() as session:
            _keep_an_admin(session, without=listener_id)
            name = session.execute(
                text("delete from listener where listener_id = :id returning name"), {"id": listener_id}
            ).scalar_one_or_none()
            if name is None:
                return  # gone already: the call may be a repetition
            throttling.forgive(session, name=name, address="")
            feed.append(session, [ListenerErased(listener_id)])
            write_audit(session, self.clock(), "listener.delete", subject_id=listener_id)
        log.info("listener erased", extra={"listener_id": str(listener_id)})

    def get_preferences(self, listener_id: UUID) -> Preferences:
        with self.database.begin() as session:
            return read_preferences(session, listener_id)

    def set_preferences(self, listener_id: UUID, preferences: Preferences) -> Preferences:
        _check_timezone(preferences.timezone)
        with self.database.begin() as session:
            stored = session.execute(
                text(
                    """
                    update listener set preferences = cast(:preferences as jsonb)
                    where listener_id = :id
                    returning listener_id
                    """
                ),
                {"id": listener_id, "preferences": msgspec.json.encode(preferences).decode()},
            ).one_or_none()
        if stored is None:
            raise ListenerNotFound
        return preferences


def read_preferences(session: Transaction, listener_id: UUID) -> Preferences:
    stored = session.execute(
        text("select preferences from listener where listener_id = :id"), {"id": listener_id}
    ).scalar_one_or_none()
    if stored is None:
        raise ListenerNotFound
    return msgspec.convert(stored, Preferences)


def _check_timezone(timezone: str) -> None:
    """Raises InvalidRequest."""
    if timezone == "UTC":  # there also where the system has no time zone data
        return
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest("timezone: an IANA name such as Europe/Berlin") from None


def _keep_an_admin(session: Transaction, *, without: UUID) -> None:
    """Raise LastAdmin when only the given listener is an administrator who can sign in. One such check at a time."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('accounts last admin'))"))
    others, is_one = session.execute(
        text(
            """
            select
                count(*) filter (where listener_id <> :id),
                count(*) filter (where listener_id  = :id) > 0
            from listener
            where is_admin and not is_disabled
            """
        ),
        {"id": without},
    ).one()
    if is_one and not others:
        raise LastAdmin
