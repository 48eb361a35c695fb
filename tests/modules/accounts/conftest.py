"""An instance of its own with accounts alone: a clock that tests set, and no account but those they make."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import text

from app.bench.system import Servers, environment_for
from app.composition import contract_of
from app.contracts.accounts import Accounts, Listener, TokenPair
from app.kernel import migrations
from app.kernel.binding import loopback
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database, module_url
from app.kernel.module import Wiring
from app.modules.accounts.service import AccountsService
from app.modules.accounts.wiring import build
from app.settings import Settings, load
from tests.support.people import PASSWORD, Person, actor_of, fresh_name


class SettableClock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class Instance:
    settings: Settings
    database: Database
    clock: SettableClock

    def __post_init__(self) -> None:
        wired = build(Wiring(self.settings, self.database, None, self.clock))
        assert isinstance(wired.service, AccountsService)
        self.service = wired.service
        self.accounts: Accounts = loopback(contract_of("accounts"), self.service)

    def with_settings(self, **changes: object) -> "Instance":
        """The same data, run with other settings."""
        return replace(self, settings=structs.replace(self.settings, **changes))

    def person(self, *, is_admin: bool = False, name: str = "") -> Person:
        name = name or fresh_name()
        with acting_as(SYSTEM):
            listener: Listener = self.accounts.create_listener(name, PASSWORD, is_admin)
        tokens: TokenPair = self.accounts.login(name, PASSWORD)
        return Person(listener.listener_id, name, PASSWORD, actor_of(tokens.access_token), tokens.refresh_token)


@pytest.fixture(scope="session")
def own_database(servers: Servers, folder: Path) -> Iterator[tuple[Settings, Database]]:
    name = f"segue_accounts_{secrets.token_hex(4)}"
    settings = load(environment_for(servers, folder / name, name, "monolith"))
    migrations.bootstrap(settings, ["accounts"])
    migrations.upgrade(settings, "accounts")
    database = Database(module_url(settings, "accounts"))
    yield settings, database
    database.dispose()


@pytest.fixture
def instance(own_database: tuple[Settings, Database]) -> Instance:
    settings, database = own_database
    with database.begin() as session:
        for table in ("listener", "invitation", "login_attempt", "signing_key"):
            session.execute(text(f"delete from {table}"))
    return Instance(settings, database, SettableClock())
