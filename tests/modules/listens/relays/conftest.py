"""Other services that listens are forwarded to and fetched from."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from tests.modules.listens.conftest import Instance
from tests.modules.listens.others import FakeLastFm, FakeListenBrainz, running
from tests.support.stack import Stack


@pytest.fixture
def own(own_database: tuple[Any, Database], loopback: Stack) -> Iterator[Instance]:
    with acting_as(SYSTEM):
        yield Instance(*own_database, loopback.services)


@pytest.fixture
def lb() -> Iterator[FakeListenBrainz]:
    other = FakeListenBrainz()
    with running(other):
        yield other


@pytest.fixture
def fm() -> Iterator[FakeLastFm]:
    other = FakeLastFm()
    with running(other):
        yield other


@pytest.fixture(autouse=True)
def _no_others(own: Instance) -> Iterator[None]:
    """Connections of other tests have nothing to do meanwhile."""
    yield
    with own.database.begin() as session:
        session.execute(text("update relay set is_enabled = false"))
