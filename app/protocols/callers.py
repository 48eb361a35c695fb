"""Who a request of a player is from, and whose listening it may read."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from flask import g, request

from app.contracts.accounts import Listener, TokenRequest
from app.contracts.services import Services
from app.kernel import context
from app.kernel.people import People
from app.protocols.journal import Journal


class Callers:
    """Turns tokens and session keys into actors, and notes what came of their requests."""

    def __init__(self, services: Services, people: People) -> None:
        self.services = services
        self.people = people
        self.journal = Journal(services)

    def of_token(self, token: str) -> context.Actor:
        """Return whom a token stands for. Raises Unauthenticated."""
        return self.people.actor_of_header(f"Bearer {token}")

    def of_session(self, key: str) -> context.Actor:
        """Return whom an Audioscrobbler session stands for. Raises Unauthenticated."""
        exchange = self.services.accounts.exchange_scrobble_session
        return self.people.actor_of_grant("scrobble session", key, lambda: exchange(key))

    def act_as(self, actor: context.Actor) -> None:
        """Run the rest of this request as `actor`."""
        if manager := g.pop("acting", None):
            manager.__exit__(None, None, None)
        g.acting = context.acting_as(actor)
        g.acting.__enter__()

    def note(
        self, protocol: str, what: str, *, is_accepted: bool, outcome: str, app: str = "", at_once: bool = False
    ) -> None:
        """Note this request and what came of it; `at_once` where the next request depends on it."""
        actor = context.actor()
        entry = TokenRequest(
            at=datetime.now(UTC),
            listener_id=actor.listener_id,
            token_id=actor.session_id,
            protocol=protocol,
            what=what,
            client=request.headers.get("User-Agent", ""),
            app=app,
            address=request.remote_addr or "",
            is_accepted=is_accepted,
            outcome=outcome,
        )
        if at_once:
            self.journal.write([entry])
        else:
            self.journal.note(entry)

    @contextlib.contextmanager
    def reading(self, name: str, *, app: str = "") -> Iterator[Listener]:
        """Run a block that reads a listener whom the actor may read. Raises ListenerNotFound."""
        address = (request.remote_addr or "") if app else ""
        listener = self.services.accounts.find_visible(name, app, address)
        actor = context.actor()
        with context.acting_as(actor if actor.listener_id == listener.listener_id else context.SYSTEM):
            yield listener
