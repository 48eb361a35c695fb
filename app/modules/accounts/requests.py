"""The last requests of players, so that a person sees why one of them doesn't get through; and who may be read."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import Listener, ListenerNotFound, TokenRequest
from app.kernel import context
from app.kernel.db import literal
from app.modules.accounts.parts import LISTENER, Part, to_listener

KEPT_PER_TOKEN = 50
KEPT_DAYS = 30
APP_SEEN = timedelta(days=1)
MAX_PAGE = 1000

NOTE = text(
    """
    insert into token_request (listener_id, token_id, at, protocol, what, client, app, address, is_accepted, outcome)
    select l.listener_id, t.token_id, r.at, r.protocol, left(r.what, 100), left(r.client, 200), left(r.app, 100),
           left(r.address, 64), r.is_accepted, left(r.outcome, 300)
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
             listener_id uuid, token_id uuid, at timestamptz, protocol text, what text, client text, app text,
             address text, is_accepted boolean, outcome text)
    left join listener l on l.listener_id = r.listener_id
    left join api_token t on t.token_id = r.token_id
    """
)
COLUMNS = "at, listener_id, token_id, protocol, what, client, app, address, is_accepted, outcome"


class Requests(Part):
    def note_requests(self, requests: list[TokenRequest]) -> None:
        if requests:
            rows = msgspec.json.encode(requests).replace(b"\\u0000", b"").decode()
            with self.database.begin() as session:
                session.execute(NOTE, {"rows": rows})

    def list_requests(self, listener_id: UUID, limit: int = 50) -> list[TokenRequest]:
        actor = context.actor()
        with_unknown = actor.is_admin and actor.listener_id == listener_id
        with self.database.begin() as session:
            return read_requests(session, listener_id, max(1, min(limit, MAX_PAGE)), with_unknown=with_unknown)

    def find_visible(self, name: str, app: str = "", address: str = "") -> Listener:
        actor = context.actor()
        with self.database.begin() as session:
            row = session.execute(
                text(
                    LISTENER.replace("l.created_at", "l.created_at, l.preferences")
                    + "where lower(l.name) = lower(:name)"
                ),
                {"name": name},
            ).one_or_none()
            if row is not None and not row.is_disabled:
                is_theirs = actor.kind == "service" or actor.is_admin or actor.listener_id == row.listener_id
                if is_theirs or row.preferences.get("is_public") or self._app_is_theirs(session, row, app, address):
                    return to_listener(row)
        raise ListenerNotFound

    def _app_is_theirs(self, session: Transaction, row: Any, app: str, address: str) -> bool:
        if not app or not address:
            return False
        found = session.execute(
            text(
                """
                select 1
                from token_request
                where listener_id = :listener and at > :since and app = :app and address = :address
                  and token_id is not null and is_accepted
                limit 1
                """
            ),
            {"listener": row.listener_id, "since": self.clock() - APP_SEEN, "app": app[:100], "address": address},
        ).one_or_none()
        return found is not None

    def search_visible(self, search: str, limit: int = 20) -> list[Listener]:
        actor = context.actor()
        escaped = literal(search)
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    LISTENER
                    + """
                    where lower(l.name) like lower(:search) and not l.is_disabled
                      and (:sees_all or l.listener_id = :me or l.preferences->>'is_public' = 'true')
                    order by lower(l.name)
                    limit :limit
                    """
                ),
                {
                    "search": f"{escaped}%",
                    "sees_all": actor.kind == "service" or actor.is_admin,
                    "me": actor.listener_id,
                    "limit": max(1, min(limit, 100)),
                },
            ).all()
        return [to_listener(row) for row in rows]

    def visible_of(self, listener_ids: list[UUID]) -> list[Listener]:
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    LISTENER
                    + """
                    where l.listener_id = any(:ids) and not l.is_disabled and l.preferences->>'is_public' = 'true'
                    """
                ),
                {"ids": listener_ids},
            ).all()
        return [to_listener(row) for row in rows]


def read_requests(session: Transaction, listener_id: UUID, limit: int, *, with_unknown: bool) -> list[TokenRequest]:
    rows = session.execute(
        text(
            f"""
            select {COLUMNS}
            from token_request
            where listener_id = :listener or (:with_unknown and listener_id is null)
            order by at desc, request_id desc
            limit :limit
            """  # noqa: S608
        ),
        {"listener": listener_id, "with_unknown": with_unknown, "limit": limit},
    ).all()
    return [TokenRequest(*row) for row in rows]


def purge(session: Transaction, now: datetime) -> None:
    """Keep the last requests of each token only."""
    session.execute(
        text(
            """
            delete from token_request
            where at < :old or request_id in (
                select request_id
                from (
                    select request_id, row_number() over (partition by listener_id, token_id order by at desc) as number
                    from token_request
                ) numbered
                where number > :kept
            )
            """
        ),
        {"old": now - timedelta(days=KEPT_DAYS), "kept": KEPT_PER_TOKEN},
    )
