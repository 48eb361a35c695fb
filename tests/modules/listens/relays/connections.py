"""Connecting to other services and letting time pass."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from app.contracts.listens import NewListen
from app.contracts.relays import Relay, RelayOptions
from app.modules.listens.service import ListensService
from tests.modules.listens.conftest import Instance
from tests.modules.listens.others import FakeLastFm, FakeListenBrainz

KEYS = RelayOptions(api_key="an-api-key", api_secret="an-api-secret")


def plays(own: Instance, count: int, first: int = 0, ago: timedelta = timedelta(hours=3)) -> list[NewListen]:
    start = (own.now - ago).replace(microsecond=0)
    return [NewListen(start + timedelta(seconds=60 * n), "Ada", f"Song {n}") for n in range(first, first + count)]


def to_lb(own: Instance, listener: UUID, lb: FakeListenBrainz, direction: Any = "push") -> Relay:
    return own.listens.add_relay(listener, "listenbrainz", lb.address, "", lb.token, direction)


def to_fm(own: Instance, listener: UUID, fm: FakeLastFm, direction: Any = "push") -> Relay:
    return own.listens.add_relay(listener, "lastfm", fm.address, fm.name, fm.password, direction, KEYS)


def advance(own: Instance, seconds: float = 0) -> None:
    own.now += timedelta(seconds=seconds)
    assert isinstance(own.wired.service, ListensService)
    own.wired.service.advance_relays()


def state(own: Instance, listener: UUID) -> Relay:
    return own.listens.list_relays(listener)[0]
