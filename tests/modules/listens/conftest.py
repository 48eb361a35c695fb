"""`listens` on both topologies, acting for any listener; and an instance of its own with a clock that tests set."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Servers, environment_for
from app.composition import Container, contract_of
from app.contracts.listens import Listens, ListensEvent
from app.kernel import migrations
from app.kernel.binding import loopback
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database, module_url
from app.kernel.module import Wiring
from app.modules.listens import rollups
from app.modules.listens.service import ListensService
from app.modules.listens.wiring import build
from app.settings import Settings, load
from tests.support.waiting import eventually


@pytest.fixture
def listens(services: Container) -> Iterator[Listens]:
    with acting_as(SYSTEM):
        yield services.listens


@pytest.fixture
def listener() -> UUID:
    """Listens are kept by id: `listens` asks nobody who that is."""
    return uuid4()


@dataclass
class Instance:
    settings: Settings
    database: Database
    services: Any = None  # the other modules, where it is to call them
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.wired = build(Wiring(self.settings, self.database, self.services, lambda: self.now))
        assert isinstance(self.wired.service, ListensService)
        self.listens: Listens = loopback(contract_of("listens"), self.wired.service)
        self._read: list[ListensEvent] = []
        self._cursor = ""

    def told(self, listener_id: UUID) -> list[ListensEvent]:
        """Return all events of a listener so far."""
        marker = uuid4()
        self.listens.set_feedback(marker, "artists", uuid4(), 1)
        eventually(lambda: self._read_on() and any(e.listener_id == marker for e in self._read))
        return [event for event in self._read if event.listener_id == listener_id]

    def _read_on(self) -> bool:
        page = self.listens.feed(self._cursor)
        self._read += page.events
        self._cursor = page.cursor
        return not page.events or self._read_on()

    def follow(self) -> None:
        """Let the roll-ups catch up with all that is written; any writing transaction of the server holds it back."""
        [follower] = [each for each in self.wired.followers if each.name == rollups.NAME]
        eventually(lambda: follower.catch_up() >= 0 and not self._is_behind())

    def _is_behind(self) -> bool:
        with self.database.begin() as session:
            cursor = session.execute(
                text("select cursor from feed_cursor where name = :name"), {"name": rollups.NAME}
            ).scalar_one()
            newest = session.execute(text("select max(position) from event")).scalar()
        return newest is not None and int(cursor.split(":")[2]) < newest

    def kinds_told(self, listener_id: UUID) -> list[str]:
        return [type(event).__name__ for event in self.told(listener_id)]


@pytest.fixture(scope="session")
def own_database(servers: Servers, folder: Path) -> Iterator[tuple[Settings, Database]]:
    name = f"segue_listens_{secrets.token_hex(4)}"
    settings = load(environment_for(servers, folder / name, name, "monolith"))
    migrations.bootstrap(settings, ["listens"])
    migrations.upgrade(settings, "listens")
    database = Database(module_url(settings, "listens"), pool_size=8)
    yield settings, database
    database.dispose()


@pytest.fixture
def own(own_database: tuple[Any, Database]) -> Iterator[Instance]:
    with acting_as(SYSTEM):
        instance = Instance(*own_database)
        instance.follow()  # nobody else does, and figures look no further than a few rows behind the cursor
        yield instance
