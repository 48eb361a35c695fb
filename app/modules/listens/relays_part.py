"""The part of the service that is about other services: connections to them, and the work on these."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from app.contracts.listens import NewListen, SubmitResult
from app.contracts.relays import Relay, RelayCheck, RelayDirection, RelayOptions, RelayService
from app.contracts.services import Services
from app.kernel.acts import recorded
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.modules.listens.bell import RELAY
from app.modules.listens.relay_work import RelayWork
from app.modules.listens.relays import Relays, due


class RelaysPart:
    """Base of the service, which sets these."""

    database: Database
    services: Services
    clock: Clock
    relays: Relays
    ring: Callable[[str], None]

    def take_in(self, listener_id: UUID, listens: list[NewListen], client: str) -> SubmitResult:
        raise NotImplementedError

    def _recorded(self, act: str, subject: object, **details: Any) -> AbstractContextManager[None]:
        """Record an act; not who somebody is elsewhere, which would outlive their account here."""
        return recorded(self.services.accounts.record_act, act, subject, **details)

    def add_relay(
        self,
        listener_id: UUID,
        service: RelayService,
        address: str,
        user_name: str,
        credential: str,
        direction: RelayDirection = "push",
        options: RelayOptions | None = None,
    ) -> Relay:
        given = options or RelayOptions()
        with self._recorded("relay.add", service, direction=direction):
            return self.relays.add(listener_id, service, address, user_name, credential, direction, given)

    def list_relays(self, listener_id: UUID) -> list[Relay]:
        return self.relays.all_of(listener_id)

    def set_relay(
        self,
        listener_id: UUID,
        relay_id: UUID,
        is_enabled: bool | None = None,
        direction: RelayDirection | None = None,
        credential: str | None = None,
    ) -> Relay:
        is_new = True if credential is not None else None  # what it is stands nowhere
        with self._recorded(
            "relay.change", relay_id, is_enabled=is_enabled, direction=direction, new_credential=is_new
        ):
            return self.relays.change(listener_id, relay_id, is_enabled, direction, credential)

    def remove_relay(self, listener_id: UUID, relay_id: UUID) -> None:
        with self._recorded("relay.remove", relay_id):
            self.relays.remove(listener_id, relay_id)

    def retry_relay(self, listener_id: UUID, relay_id: UUID) -> Relay:
        return self.relays.retry(listener_id, relay_id)

    def test_relay(self, listener_id: UUID, relay_id: UUID) -> RelayCheck:
        return self.relays.test(listener_id, relay_id)

    def advance_relays(self) -> None:
        """Send and fetch what is due; called by a worker."""
        RelayWork(self.relays, self.take_in).advance()

    def tend_relays(self) -> None:
        """Wake a worker where something is due."""
        with self.database.begin() as session:
            is_due = bool(due(session, self.clock()))
        if is_due:
            self.ring(RELAY)
