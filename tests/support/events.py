"""Plays made from events, without files or a feed."""

from app.contracts.listens import TrainingEvent
from app.modules.training.plays import Plays
from app.modules.training.segments import merged, rows_of
from app.modules.training.snapshot_files import plays_of


class EventTable:
    """Collects events in their order."""

    def __init__(self) -> None:
        self.events: list[TrainingEvent] = []

    def add(self, events: list[TrainingEvent]) -> None:
        self.events += events

    def plays(self) -> Plays:
        return plays_of([merged([rows_of(self.events)], is_whole=True)])
