"""Builds the module `listens`."""

import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from app.kernel.clock import Clock
from app.kernel.db import Database
from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.kernel.outgoing import Outgoing
from app.kernel.sealing import Sealer
from app.modules.listens.bell import RELAY, bell
from app.modules.listens.popular import PopularCounter
from app.modules.listens.relays import Relays, due
from app.modules.listens.service import ListensService, forget_erased
from app.modules.listens.training_feed import Pseudonyms

RING_EVERY_S = 2.0  # while a worker is at it, it is rung for in vain


def build(w: Wiring) -> Wired:
    outgoing = Outgoing(w.settings.allow_private_hosts)
    relays = Relays(w.database, w.clock, lambda: Sealer(w.settings.secret("secret_key"), "listens"), outgoing)
    service = ListensService(w.database, w.clock, Pseudonyms(w.settings.secret("pseudonym_key")), relays)
    popular, relay_bell = PopularCounter(w.database), RelayBell(w.database, w.clock, bell(w.settings))

    def tick() -> None:
        popular.tick()
        relay_bell.tick()

    erasures = Follower(
        "accounts", w.database, lambda after, limit: w.services.accounts.feed(after, limit), forget_erased, _keep
    )
    return Wired(service, (erasures,), tick)


class RelayBell:
    """Rings for the workers while connections to other services have something to do."""

    def __init__(self, database: Database, clock: Clock, ring: Callable[[str], None]) -> None:
        self.database = database
        self.clock = clock
        self.ring = ring
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next:
            return
        with self.database.begin() as session:
            is_due = bool(due(session, self.clock()))
        if is_due:
            self.ring(RELAY)
            self._next = time.monotonic() + RING_EVERY_S


def _keep(_session: Session) -> None:
    """Nothing here is derived from the feed of accounts: an erasure applied again erases nothing."""
