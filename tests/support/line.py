"""Listens, training and recommendations in this process, on a database of their own, moved by hand.

Training sees all that there is, so tests of it need an instance where nobody else listens.
"""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text

from app.bench.system import Servers, environment_for
from app.composition import Container
from app.contracts.listens import Kind, ListenerListens, NewListen, NewPlaycount
from app.contracts.training import Run, Snapshot
from app.kernel import migrations
from app.kernel.binding import loopback
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.modules.training.service import TrainingService
from app.settings import MODULE_NAMES, Settings
from app.settings import load as load_settings
from app.topology import load as load_topology
from tests.support.waiting import eventually

MODULES = ("accounts", "catalog", "listens", "training", "recommendations")
START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class Line:
    environment: dict[str, str]
    settings: Settings
    services: Container

    @property
    def training(self) -> TrainingService:
        service = self.services.wire("training").service
        assert isinstance(service, TrainingService)
        return service

    def database(self, module: str) -> Database:
        self.services.wire(module)
        return self.services.databases[module]

    def settle(self) -> None:
        """Wait until the feeds show all that was written: any writing transaction of the server holds them back."""
        eventually(lambda: self._is_shown("listens") and self._is_shown("training"))

    def _is_shown(self, module: str) -> bool:
        with self.database(module).begin() as session:
            return not session.execute(
                text("select exists (select from event where xid >= pg_snapshot_xmin(pg_current_snapshot()))")
            ).scalar_one()

    def snapshot(self) -> Snapshot:
        """Take a snapshot of all that was written."""
        self.settle()
        return self.services.training.create_snapshot()

    def follow(self) -> None:
        """Apply all that was written."""
        self.settle()
        for follower in self.services.wire("recommendations").followers:
            follower.catch_up()

    def train(self, kind: Kind, snapshot_id: str | None = None) -> Run:
        """Start a run and advance it here, as a worker would."""
        self.settle()
        run = self.services.training.start_run(kind, snapshot_id)
        self.training.run(run.run_id)
        return self.services.training.get_run(run.run_id)

    def listen(self, listener_id: UUID, plays: list[tuple[str, str]], *, days: int = 0) -> None:
        listens = [
            NewListen(START + timedelta(days=days, minutes=4 * n), artist, title)
            for n, (artist, title) in enumerate(plays)
        ]
        self.services.listens.load([ListenerListens(listener_id, listens)], "tests")

    def count_artists(self, listeners: int = 20) -> list[UUID]:
        """Let new listeners have totals of artists only."""
        people = [uuid4() for _ in range(listeners)]
        counts = [
            NewPlaycount(person, f"Artist {(number + step) % 10}", None, 5 + step)
            for number, person in enumerate(people)
            for step in range(6)
        ]
        self.services.listens.set_playcounts(counts, "library")
        return people

    def two_tastes(self, listeners: int = 30) -> tuple[list[UUID], list[UUID]]:
        """Let two groups of new listeners play, each what it likes: rock of ten bands, jazz of ten others."""
        rock, jazz = [uuid4() for _ in range(listeners)], [uuid4() for _ in range(listeners)]
        for taste, group in (("Rock", rock), ("Jazz", jazz)):
            for number, listener_id in enumerate(group):
                plays = [
                    (f"{taste} band {(number + step) % 10}", f"Song {song}") for step in range(5) for song in range(4)
                ]
                self.listen(listener_id, plays)
        return rock, jazz


@contextlib.contextmanager
def new_line(servers: Servers, folder: Path, **more: str) -> Iterator[Line]:
    environment = environment_for(servers, folder, f"segue_line_{secrets.token_hex(4)}", "monolith")
    # no worker listens here but those that a test starts
    environment["BROKER_URL"] = environment["SEGUE_RESULTS_URL"] = ""
    environment |= more
    settings = load_settings(environment)
    migrations.bootstrap(settings, list(MODULES))
    for module in MODULES:
        migrations.upgrade(settings, module)
    services = Container(settings, load_topology("monolith"), tuple(MODULE_NAMES), bind=loopback)
    with acting_as(SYSTEM):
        yield Line(environment, settings, services)
    for database in services.databases.values():
        database.dispose()
