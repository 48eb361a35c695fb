"""All modules in this process, on a database where nobody else's data is, their followers moved by hand."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from app.bench.system import Servers, environment_for, migrate
from app.composition import Container
from app.kernel.binding import loopback
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.settings import MODULE_NAMES
from app.settings import load as load_settings
from app.topology import load as load_topology
from tests.support.waiting import eventually

LOGS = ("accounts", "catalog", "listens", "training")


@dataclass
class Alone:
    services: Container

    def database(self, module: str) -> Database:
        self.services.wire(module)
        return self.services.databases[module]

    def follow(self, module: str) -> None:
        """Let a module's followers apply all that was written."""
        for log in LOGS:
            eventually(lambda log=log: self._is_shown(log))
        for follower in self.services.wire(module).followers:
            follower.catch_up()

    def _is_shown(self, log: str) -> bool:
        """Whether nothing is held back any more: any writing transaction of the server does."""
        with self.database(log).begin() as session:
            return not session.execute(
                text("select exists (select from event where xid >= pg_snapshot_xmin(pg_current_snapshot()))")
            ).scalar_one()

    def replay(self, module: str) -> None:
        """Let a module forget what it followed, and follow again from zero."""
        for follower in self.services.wire(module).followers:
            follower.replay()
        self.follow(module)


@contextlib.contextmanager
def alone(servers: Servers, folder: Path) -> Iterator[Alone]:
    environment = environment_for(servers, folder, f"segue_alone_{secrets.token_hex(4)}", "monolith")
    environment["BROKER_URL"] = environment["SEGUE_RESULTS_URL"] = ""
    settings = load_settings(environment)
    migrate(settings)
    services = Container(settings, load_topology("monolith"), tuple(MODULE_NAMES), bind=loopback)
    with acting_as(SYSTEM):
        yield Alone(services)
    for database in services.databases.values():
        database.dispose()
