"""The service of `accounts`: its themed parts in one object, and what reaches across them."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.contracts.accounts import JwkSet, ListenerErased
from app.contracts.events import FeedPage
from app.kernel import feed
from app.modules.accounts import credentials, invitations, requests, scrobblers, sessions, signing_keys, throttling
from app.modules.accounts.api_tokens import ApiTokens, read_tokens
from app.modules.accounts.audit import Audit
from app.modules.accounts.credentials import Credentials
from app.modules.accounts.erasures import Erasures
from app.modules.accounts.invitations import Invitations
from app.modules.accounts.listeners import Listeners, read_preferences
from app.modules.accounts.parts import read_listener, require_recent_login, write_audit
from app.modules.accounts.requests import Requests, read_requests
from app.modules.accounts.scrobblers import Scrobblers
from app.modules.accounts.second_factor import SecondFactors
from app.modules.accounts.sessions import Sessions

MAX_FEED_PAGE = 10_000


class AccountsService(
    Listeners, Credentials, Sessions, ApiTokens, Scrobblers, Requests, SecondFactors, Invitations, Audit, Erasures
):
    """Implements `app.contracts.accounts.Accounts`; the docstrings are there."""

    _erasures = msgspec.json.Decoder(ListenerErased)

    def public_keys(self) -> JwkSet:
        return self.keys.published()

    def rotate_keys(self) -> JwkSet:
        require_recent_login()
        with self.database.begin() as session:
            self.keys.rotate(session)
            write_audit(session, self.clock(), "keys.rotate")
        return self.keys.published()

    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        with self.database.begin() as session:
            listener = read_listener(session, listener_id)
            preferences = read_preferences(session, listener_id)
            tokens = read_tokens(session, listener_id)
            requests_seen = read_requests(session, listener_id, 1000, with_unknown=False)
            acts = session.execute(
                text("select at, act, subject, details from audit where actor_id = :id order by at, audit_id"),
                {"id": listener_id},
            ).all()
        exported: dict[str, Any] = msgspec.to_builtins(
            {
                "listener": listener,
                "preferences": preferences,
                "sessions": self.list_sessions(listener_id),
                "api_tokens": tokens,
                "requests": requests_seen,
                "acts": [dict(row._mapping) for row in acts],
            }
        )
        return exported

    def feed(self, after: str, limit: int = 1000) -> FeedPage[ListenerErased]:
        events, cursor = feed.read(self.database, after, max(1, min(limit, MAX_FEED_PAGE)))
        return FeedPage([self._erasures.decode(event) for event in events], cursor)

    def purge(self) -> None:
        """Delete what has expired. Not part of the contract: the process that leads calls it now and then."""
        now = self.clock()
        with self.database.begin() as session:
            for part in (sessions, credentials, invitations, throttling, signing_keys, scrobblers, requests):
                part.purge(session, now)
