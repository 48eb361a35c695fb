"""Connections: which are allowed, whose they are, and what is kept of them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.contracts.accounts import ListenerErased
from app.contracts.relays import InvalidRelay, RelayNotFound, RelayOptions
from app.modules.listens.service import forget_erased
from tests.modules.listens.conftest import Instance
from tests.modules.listens.others import FakeLastFm, FakeListenBrainz
from tests.modules.listens.relays.connections import KEYS, advance, plays, state, to_fm, to_lb


def test_an_address_inside_the_own_network_is_never_asked(own: Instance, listener: UUID) -> None:
    own.listens.add_relay(listener, "segue", "http://127.0.0.2:1", "", "token")
    own.listens.submit(listener, plays(own, 1))
    advance(own)
    assert "not a public address" in state(own, listener).push_error


def test_one_that_is_disabled_takes_up_and_sends_nothing(own: Instance, listener: UUID, lb: FakeListenBrainz) -> None:
    relay = to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 1))
    own.listens.set_relay(listener, relay.relay_id, is_enabled=False)
    own.listens.submit(listener, plays(own, 1, first=9))
    advance(own)
    assert lb.submissions == []
    own.listens.set_relay(listener, relay.relay_id, is_enabled=True)
    advance(own)
    assert [title for _, _, title in lb.listens] == ["Song 0"]


def test_one_with_much_to_send_lets_the_others_have_their_turn(
    own: Instance, listener: UUID, lb: FakeListenBrainz, fm: FakeLastFm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.relay_work.TURN_S", 0)
    other = uuid4()
    to_fm(own, listener, fm)
    own.listens.submit(listener, plays(own, 300))
    to_lb(own, other, lb)
    own.listens.submit(other, plays(own, 1))
    advance(own)
    assert (fm.submissions, lb.submissions) == ([50], [1])
    own.listens.submit(other, plays(own, 1, first=1))
    advance(own, 1)
    assert (fm.submissions, lb.submissions) == ([50, 50], [1, 1])


def test_a_connection_is_tested_when_asked(own: Instance, listener: UUID, lb: FakeListenBrainz, fm: FakeLastFm) -> None:
    relay = to_lb(own, listener, lb)
    assert own.listens.test_relay(listener, relay.relay_id).is_working
    assert own.listens.test_relay(listener, relay.relay_id).user_name == lb.name
    lb.token = "another"
    check = own.listens.test_relay(listener, relay.relay_id)
    assert not check.is_working
    assert "not valid" in check.message
    other = to_fm(own, listener, fm)
    assert own.listens.test_relay(listener, other.relay_id).is_working


def test_what_signs_in_is_sealed_and_never_shown(own: Instance, listener: UUID) -> None:
    secret = "a-very-secret-token"
    options = RelayOptions("a-visible-key", "a-hidden-secret")
    relay = own.listens.add_relay(listener, "lastfm", "", "ada", secret, "both", options)
    assert secret not in repr(relay)
    assert "hidden" not in repr(relay)
    with own.database.begin() as session:
        row = session.execute(
            text("select sealed, relay::text from relay where listener_id = :l"), {"l": listener}
        ).one()
    assert secret.encode() not in bytes(row[0])
    assert secret not in row[1]


@pytest.mark.parametrize(
    ("service", "address", "name", "credential", "options"),
    [
        ("segue", "", "", "token", RelayOptions()),
        ("segue", "ftp://segue.example", "", "token", RelayOptions()),
        ("segue", "https://user:password@segue.example", "", "token", RelayOptions()),
        ("segue", "https://segue.example/?a=b", "", "token", RelayOptions()),
        ("listenbrainz", "", "", "", RelayOptions()),
        ("lastfm", "", "", "password", KEYS),
        ("lastfm", "", "ada", "password", RelayOptions()),
        ("lastfm", "", "ada", "", KEYS),
        ("lastfm", "", "ada", "pass\0word", KEYS),
    ],
)
def test_a_connection_that_could_never_work_is_refused(
    own: Instance, listener: UUID, service: Any, address: str, name: str, credential: str, options: RelayOptions
) -> None:
    with pytest.raises(InvalidRelay):
        own.listens.add_relay(listener, service, address, name, credential, "push", options)


@pytest.mark.parametrize(
    "address",
    ["https://lb.example", "https://lb.example/", "https://lb.example/1/", "LB.example//", "https://lb.example/1"],
)
def test_every_plausible_form_of_an_address_is_the_same_and_one_account_is_connected_once(
    own: Instance, listener: UUID, address: str
) -> None:
    relay = own.listens.add_relay(listener, "listenbrainz", address, "ada", "token")
    assert relay.address == "https://lb.example"
    for name in ("Ada", ""):
        with pytest.raises(InvalidRelay):
            own.listens.add_relay(listener, "segue", "https://lb.example", name, "token")


def test_a_connection_is_its_owners_alone(own: Instance, listener: UUID, lb: FakeListenBrainz) -> None:
    relay, stranger = to_lb(own, listener, lb), uuid4()
    calls: list[Callable[[UUID, UUID], object]] = [
        own.listens.set_relay,
        own.listens.retry_relay,
        own.listens.test_relay,
        own.listens.remove_relay,
    ]
    for call in calls:
        with pytest.raises(RelayNotFound):
            call(stranger, relay.relay_id)
    assert own.listens.list_relays(stranger) == []
    own.listens.submit(listener, plays(own, 1))
    own.listens.remove_relay(listener, relay.relay_id)
    advance(own)
    assert own.listens.list_relays(listener) == []
    assert lb.submissions == []


def test_the_connections_of_an_erased_listener_are_gone_and_none_can_be_made(
    own: Instance, listener: UUID, lb: FakeListenBrainz
) -> None:
    to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 1))
    with own.database.begin() as session:
        forget_erased(session, [ListenerErased(listener)])
    with own.database.begin() as session:
        for table in ("relay", "relay_item"):
            counted = session.execute(text(f"select count(*) from {table} where listener_id = :l"), {"l": listener})
            assert counted.scalar_one() == 0
    advance(own)
    assert lb.submissions == []
    with pytest.raises(InvalidRelay):
        to_lb(own, listener, lb)
