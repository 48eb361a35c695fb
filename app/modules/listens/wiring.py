"""Builds the module `listens`."""

import time

from sqlalchemy.orm import Session

from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.kernel.outgoing import Outgoing
from app.kernel.sealing import Sealer
from app.modules.listens import aliases, rollups
from app.modules.listens.bell import bell
from app.modules.listens.import_files import ImportFiles
from app.modules.listens.importer import Importer
from app.modules.listens.popular import PopularCounter
from app.modules.listens.relays import Relays
from app.modules.listens.service import ListensService, forget_erased
from app.modules.listens.training_feed import Pseudonyms

SWEEP_EVERY_S = 10.0
RELAYS_EVERY_S = 2.0  # while a worker is at it, it is rung for in vain


def build(w: Wiring) -> Wired:
    files = ImportFiles(w.settings.data_dir / "imports")
    importer = Importer(w.database, w.services, w.clock, files)
    pseudonyms = Pseudonyms(w.settings.secret("pseudonym_key"))
    outgoing = Outgoing(w.settings.allow_private_hosts)
    relays = Relays(w.database, w.clock, lambda: Sealer(w.settings.secret("secret_key"), "listens"), outgoing)
    service = ListensService(w.database, w.services, w.clock, pseudonyms, importer, relays, bell(w.settings))
    erasures = Follower(
        "accounts", w.database, lambda after, limit: w.services.accounts.feed(after, limit), forget_erased, _keep
    )
    corrections = Follower(
        "catalog", w.database, lambda after, limit: w.services.catalog.feed(after, limit), aliases.apply, aliases.reset
    )
    return Wired(
        service,
        (erasures, corrections, rollups.follower(w.database)),
        Ticking(service, PopularCounter(w.database)).tick,
    )


class Ticking:
    """What is looked at every second, and what only now and then."""

    def __init__(self, service: ListensService, popular: PopularCounter) -> None:
        self.service = service
        self.popular = popular
        self._sweep_at = self._relays_at = 0.0

    def tick(self) -> None:
        self.service.tend_imports()
        if time.monotonic() >= self._sweep_at:
            self.service.sweep_imports()
            self._sweep_at = time.monotonic() + SWEEP_EVERY_S
        if time.monotonic() >= self._relays_at:
            self.service.tend_relays()
            self._relays_at = time.monotonic() + RELAYS_EVERY_S
        self.popular.tick()


def _keep(_session: Session) -> None:
    """Nothing here is derived from the feed of accounts: an erasure applied again erases nothing."""
