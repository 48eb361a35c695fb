"""Builds the module `training`."""

import time

from app.contracts.events import FeedPage
from app.contracts.listens import TrainingEvent
from app.kernel import context
from app.kernel.module import Wired, Wiring
from app.modules.training.bell import bell
from app.modules.training.service import TrainingService
from app.modules.training.snapshots import Snapshots

REAP_EVERY_S = 5.0


def build(w: Wiring) -> Wired:
    def pull(after: str, limit: int) -> FeedPage[TrainingEvent]:
        # for nobody: whoever asks for a snapshot may not read the feed themselves
        with context.acting_as(context.SYSTEM):
            page: FeedPage[TrainingEvent] = w.services.listens.training_feed(after, limit)
            return page

    snapshots = Snapshots(w.database, w.settings.data_dir / "snapshots", pull)
    service = TrainingService(w.database, snapshots, w.settings.data_dir / "models", bell(w.settings))
    return Wired(service, tick=Reaping(service).tick)


class Reaping:
    """Reaps now and then from the tick, so that runs are rescued also where no beat runs."""

    def __init__(self, service: TrainingService) -> None:
        self.service = service
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            self.service.reap()
            self._next = time.monotonic() + REAP_EVERY_S
