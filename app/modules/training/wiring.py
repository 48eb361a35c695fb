"""Builds the module `training`."""

import time
from uuid import UUID

from sqlalchemy.orm import Session

from app.contracts.events import FeedPage
from app.contracts.listens import TrainingEvent
from app.kernel import context
from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.modules.training import gate, gauges, grid
from app.modules.training.audited import AuditedTraining
from app.modules.training.bell import bell
from app.modules.training.erasures import note
from app.modules.training.keys import Keys, own_signature, signer
from app.modules.training.model_store import ModelStore
from app.modules.training.service import TrainingService
from app.modules.training.snapshot_files import Seal
from app.modules.training.snapshot_store import SnapshotStore
from app.modules.training.snapshots import Snapshots
from app.modules.training.steps import Options
from app.modules.training.storage import storage_of

REAP_EVERY_S = 5.0


def build(w: Wiring) -> Wired:
    def pull(after: str, limit: int) -> FeedPage[TrainingEvent]:
        # for nobody: whoever asks for a snapshot may not read the feed themselves
        with context.acting_as(context.SYSTEM):
            page: FeedPage[TrainingEvent] = w.services.listens.training_feed(after, limit)
            return page

    def pull_erasures(after: str, limit: int) -> FeedPage[UUID]:
        page = w.services.accounts.feed(after, limit)
        erased = [event.listener_id for event in page.events]
        return FeedPage(w.services.listens.pseudonyms_of(erased) if erased else [], page.cursor)

    options = Options(gate.load(w.settings.gate_file), grid.load(w.settings.grid_file), w.settings.price_kwh)
    seal = Seal(signer(w.settings), own_signature(w.settings))
    storage = storage_of(w.settings)
    store = SnapshotStore(w.settings.data_dir / "snapshots", storage, seal)
    service = AuditedTraining(
        w.database,
        Snapshots(w.database, store, pull, kept=w.settings.snapshots_kept),
        ModelStore(w.settings.data_dir / "models", storage, seal.sign),
        bell(w.settings),
        options,
        keys=Keys(w.database, w.settings),
        recommendations=lambda: w.services.recommendations,
    )
    service.accounts = w.services.accounts
    erasures = Follower("accounts", w.database, pull_erasures, note, _keep)
    return Wired(service, (erasures,), tick=Tending(service).tick)


def _keep(_session: Session) -> None:
    """Nothing is forgotten before a replay: an erasure noted again is noted already."""


class Tending:
    """What the tick does: takes out the erased, watches what serves and is tried, and now and then reaps runs, so that
    they are rescued also where no beat runs."""

    def __init__(self, service: TrainingService) -> None:
        self.service = service
        self._next = 0.0

    def tick(self) -> None:
        self.service.erasures.apply()
        self.service.watch.look()
        if time.monotonic() >= self._next:
            self.service.reap()
            gauges.look(self.service.database)
            self._next = time.monotonic() + REAP_EVERY_S
