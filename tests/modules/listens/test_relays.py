"""Forwarding to and fetching from other services: what arrives, when it is tried again, what never happens twice."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.contracts.accounts import ListenerErased
from app.contracts.listens import ListenerListens, NewListen
from app.contracts.relays import InvalidRelay, Relay, RelayNotFound, RelayOptions
from app.kernel import migrations
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.modules.listens.models import metadata
from app.modules.listens.service import ListensService, forget_erased
from tests.modules.listens.conftest import Instance
from tests.modules.listens.others import FakeLastFm, FakeListenBrainz, running
from tests.support.stack import Stack

KEYS = RelayOptions(api_key="an-api-key", api_secret="an-api-secret")


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


def test_models_and_migrations_agree(own: Instance) -> None:
    assert migrations.differences(own.settings, "listens", metadata) == []


def test_new_listens_are_forwarded_with_what_is_known_of_them(
    own: Instance, listener: UUID, lb: FakeListenBrainz
) -> None:
    to_lb(own, listener, lb)
    mbid = uuid4()
    at = (own.now - timedelta(minutes=5)).replace(microsecond=0)
    told = {"tags": ["folk"], "listened_at_is": "submission"}
    listen = NewListen(at, "Ada", "Song", "Release", duration_ms=1234, recording_mbid=mbid, extra=told)
    own.listens.submit(listener, [listen], "a player")
    assert state(own, listener).waiting == 1
    advance(own)
    assert list(lb.listens) == [(int(at.timestamp()), "Ada", "Song")]
    named = lb.listens[int(at.timestamp()), "Ada", "Song"]["track_metadata"]
    assert named["release_name"] == "Release"
    info = named["additional_info"]
    assert info.pop("submission_client_version")
    assert info == {
        "duration_ms": 1234,
        "original_submission_client": "a player",
        "recording_mbid": str(mbid),
        "submission_client": "Segue",
        "tags": ["folk"],
    }
    after = state(own, listener)
    assert (after.waiting, after.dead, after.push_error, after.push_done_at) == (0, 0, "", own.now)


def test_the_same_to_last_fm_for_a_session_key_which_alone_is_kept(
    own: Instance, listener: UUID, fm: FakeLastFm
) -> None:
    to_fm(own, listener, fm)
    own.listens.submit(listener, plays(own, 120))
    advance(own)
    assert fm.titles == sorted(f"Song {n}" for n in range(120))
    assert fm.submissions == [50, 50, 20]
    fm.password = "another"
    own.listens.submit(listener, plays(own, 1, first=200, ago=timedelta(hours=5)))
    advance(own)
    assert fm.requests.count("auth.getMobileSession") == 1
    assert len(fm.scrobbles) == 121


def test_what_is_not_a_new_listen_is_not_forwarded(own: Instance, listener: UUID, lb: FakeListenBrainz) -> None:
    to_lb(own, listener, lb)
    known = plays(own, 1)
    own.listens.load([ListenerListens(listener, [*known, *plays(own, 2, first=10)])], "a data set")
    own.listens.submit(listener, known, "a player")  # the very same
    again = [NewListen(known[0].listened_at + timedelta(seconds=5), "Ada", "Song 0")]
    own.listens.submit(listener, again, "another player")  # the same play, told by another
    own.listens.submit(listener, plays(own, 1, ago=timedelta(days=30)), "an import by the ListenBrainz API")
    own.listens.submit(listener, plays(own, 1, first=20), "pull:lastfm")
    assert state(own, listener).waiting == 0
    advance(own)
    assert lb.submissions == []


def test_a_listen_that_was_sent_deleted_and_put_back_is_not_sent_again(
    own: Instance, listener: UUID, fm: FakeLastFm
) -> None:
    to_fm(own, listener, fm)
    listens = plays(own, 1)
    own.listens.submit(listener, listens)
    advance(own)
    stored = own.listens.history(listener).listens[0]
    own.listens.delete_listen(listener, stored.listened_at, stored.recording_key)
    own.listens.submit(listener, listens)
    advance(own, 60)
    assert len(fm.scrobbles) == 1
    own.listens.submit(listener, plays(own, 1, first=1))
    advance(own, 20 * 86_400)
    with own.database.begin() as session:
        kept = session.execute(text("select count(*) from relay_item where listener_id = :l"), {"l": listener})
        assert kept.scalar_one() == 0, "nothing is kept for ever"


def test_a_listen_deleted_before_it_was_sent_is_not_sent(own: Instance, listener: UUID, lb: FakeListenBrainz) -> None:
    to_lb(own, listener, lb)
    listens = plays(own, 2)
    own.listens.submit(listener, listens)
    gone = own.listens.history(listener).listens[0]
    own.listens.delete_listen(listener, gone.listened_at, gone.recording_key)
    advance(own)
    assert [title for _, _, title in lb.listens] == ["Song 0"]
    assert state(own, listener).waiting == 0


def test_a_service_that_fails_is_tried_again_later_and_later(
    own: Instance, listener: UUID, lb: FakeListenBrainz
) -> None:
    to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 3))
    lb.plan = [500, 503, "drop", 500]
    waits = []
    for _ in range(4):
        advance(own)
        seen = state(own, listener)
        assert seen.waiting == 3
        assert seen.push_error
        assert seen.push_next_at is not None
        waits.append((seen.push_next_at - own.now).total_seconds())
        asked = len(lb.submissions)
        advance(own, waits[-1] - 1)
        assert len(lb.submissions) == asked, "it was tried before its time"
        own.now += timedelta(seconds=2)
    for wait, doubled in zip(waits, (30, 60, 120, 240), strict=True):
        assert 0.75 * doubled <= wait <= 1.25 * doubled
    advance(own)
    assert len(lb.listens) == 3
    assert state(own, listener).push_error == ""
    assert max(lb.received.values()) == 1


def test_the_wait_never_exceeds_six_hours_and_after_a_week_it_is_given_up_until_told_otherwise(
    own: Instance, listener: UUID, lb: FakeListenBrainz
) -> None:
    relay = to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 2))
    began = own.now
    lb.plan = [500] * 100
    while (seen := state(own, listener)).waiting:
        if seen.push_next_at is not None:
            assert seen.push_next_at - own.now <= timedelta(hours=6)
            own.now = seen.push_next_at
        advance(own)
    assert timedelta(days=7) <= own.now - began <= timedelta(days=7.5)
    assert 30 <= len(lb.submissions) <= 60
    assert (seen.dead, seen.dead_letters[0].reason) == (2, "not taken for 7 days: planned 500")
    lb.plan = []
    assert own.listens.retry_relay(listener, relay.relay_id).waiting == 2
    advance(own)
    assert len(lb.listens) == 2


def test_nothing_is_sent_twice_to_a_service_that_would_count_it_twice(
    own: Instance, listener: UUID, fm: FakeLastFm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.relays.REQUEST_S", 0.5)
    to_fm(own, listener, fm)
    own.listens.submit(listener, plays(own, 60))
    fm.plan = ["hang", "drop", "lose"]
    for _ in range(8):
        advance(own, 400)
    assert fm.titles == sorted(f"Song {n}" for n in range(60)), "each once, none missing"
    assert state(own, listener).waiting == 0
    assert fm.requests.count("user.getRecentTracks") >= 3


def test_what_was_given_up_and_is_tried_once_more_is_asked_for_first(
    own: Instance, listener: UUID, fm: FakeLastFm
) -> None:
    relay = to_fm(own, listener, fm)
    own.listens.submit(listener, plays(own, 2))
    fm.plan = ["lose"]
    advance(own)
    fm.error = (16, "away")
    for _ in range(5):
        advance(own, 2 * 86_400)
    assert state(own, listener).dead == 2
    fm.error = None
    own.listens.retry_relay(listener, relay.relay_id)
    advance(own, 100)
    assert state(own, listener).waiting == 0
    assert len(fm.scrobbles) == 2


def test_names_that_were_corrected_there_are_known_again(
    own: Instance, listener: UUID, fm: FakeLastFm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.relays.REQUEST_S", 0.5)
    to_fm(own, listener, fm)
    own.listens.submit(listener, plays(own, 2))
    fm.plan = ["lose"]
    advance(own)
    fm.scrobbles = [(at, "ADA LOVELACE", title, album) for at, _, title, album in fm.scrobbles]
    advance(own, 400)
    assert len(fm.scrobbles) == 2
    assert state(own, listener).waiting == 0


def test_one_bad_listen_is_put_aside_and_the_others_arrive(own: Instance, listener: UUID, lb: FakeListenBrainz) -> None:
    to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 100))
    lb.bad_titles = {"Song 17", "Song 83"}
    for _ in range(3):
        advance(own)
    assert len(lb.listens) == 98
    assert max(lb.received.values()) == 1
    seen = state(own, listener)
    assert (seen.waiting, seen.dead) == (0, 2)
    assert {each.title for each in seen.dead_letters} == lb.bad_titles
    assert seen.dead_letters[0].reason == "this title is not taken"


def test_where_all_are_refused_each_turn_puts_one_aside(
    own: Instance, listener: UUID, lb: FakeListenBrainz, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.relay_work.TURN_S", 0)
    to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 8))
    lb.bad_titles = {f"Song {n}" for n in range(8)}
    advance(own)
    assert (lb.submissions, state(own, listener).dead) == ([8, 4, 2, 1], 1)
    for _ in range(7):
        advance(own)
    assert (state(own, listener).waiting, state(own, listener).dead) == (0, 8)


def test_what_last_fm_ignores_is_put_aside_and_its_daily_limit_waited_for(
    own: Instance, listener: UUID, fm: FakeLastFm
) -> None:
    to_fm(own, listener, fm)
    own.listens.submit(listener, plays(own, 4))
    fm.ignored = {"Song 1": 1, "Song 2": 5}
    advance(own)
    seen = state(own, listener)
    assert (seen.waiting, seen.dead, seen.dead_letters[0].title) == (1, 1, "Song 1")
    assert fm.titles == ["Song 0", "Song 3"]
    fm.ignored = {}
    advance(own, 1800)
    assert fm.titles == ["Song 0", "Song 3"]
    advance(own, 3600)
    assert fm.titles == ["Song 0", "Song 2", "Song 3"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_pauses_until_its_owner_acts(
    own: Instance, listener: UUID, lb: FakeListenBrainz, status: int
) -> None:
    relay = to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 2))
    lb.plan = [status]
    advance(own)
    seen = state(own, listener)
    assert (seen.paused, seen.waiting, seen.is_enabled) == (f"planned {status}", 2, True)
    advance(own, 86_400)
    assert lb.submissions == [2]
    own.listens.submit(listener, plays(own, 1, first=50))
    assert own.listens.set_relay(listener, relay.relay_id, credential=lb.token).paused == ""
    advance(own)
    assert len(lb.listens) == 3


def test_a_wrong_password_at_last_fm_pauses_too(own: Instance, listener: UUID, fm: FakeLastFm) -> None:
    to_fm(own, listener, fm)
    fm.password = "changed"
    own.listens.submit(listener, plays(own, 1))
    advance(own)
    assert state(own, listener).paused == "Authentication Failed"
    assert fm.scrobbles == []


@pytest.mark.parametrize("headers", [{"Retry-After": "300"}, {"X-RateLimit-Reset-In": "300"}])
def test_a_service_that_asks_to_wait_is_left_alone_for_as_long(
    own: Instance, listener: UUID, lb: FakeListenBrainz, headers: dict[str, str]
) -> None:
    to_lb(own, listener, lb)
    own.listens.submit(listener, plays(own, 1))
    lb.plan = [(429, {"code": 429, "error": "Too many"}, headers)]
    advance(own)
    advance(own, 299)
    assert lb.submissions == [1]
    advance(own, 40)
    assert lb.submissions == [1, 1]
    assert state(own, listener).waiting == 0


def test_new_listens_are_fetched_and_neither_repeated_nor_sent_back(
    own: Instance, listener: UUID, lb: FakeListenBrainz
) -> None:
    to_lb(own, listener, lb, "both")
    start = int(own.now.timestamp())
    lb.add(start - 90_000, "Long before")
    own.now += timedelta(hours=1)
    own.listens.submit(listener, plays(own, 2, ago=timedelta(minutes=30)), "a player")
    lb.add(start + 60, "Elsewhere", release_name="Release", additional_info={"duration": 200, "tags": ["folk"]})
    lb.add(start + 120, "", artist="")
    advance(own)
    advance(own, 1000)
    listens = own.listens.history(listener).listens
    assert [(each.title, each.client) for each in listens] == [
        ("Song 1", "a player"),
        ("Song 0", "a player"),
        ("Elsewhere", "pull:listenbrainz"),
    ]
    assert (listens[2].release, listens[2].duration_ms) == ("Release", 200_000)
    assert lb.submissions == [2]
    seen = state(own, listener)
    assert seen.pull_error == ""
    assert seen.pull_next_at == own.now + timedelta(seconds=900)


def test_a_long_absence_is_fetched_in_pages(
    own: Instance, listener: UUID, lb: FakeListenBrainz, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.peer_listenbrainz.PAGE", 10)
    to_lb(own, listener, lb, "pull")
    start = int(own.now.timestamp())
    own.now += timedelta(days=3)
    for n in range(95):
        lb.add(start + 60 + 7 * (n // 2), f"Song {n}")  # two in each second
    advance(own)
    assert len(own.listens.history(listener, limit=1000).listens) == 95


def test_what_was_sent_and_corrected_there_does_not_come_back_as_another_listen(
    own: Instance, listener: UUID, fm: FakeLastFm
) -> None:
    to_fm(own, listener, fm, "both")
    own.now += timedelta(minutes=30)
    own.listens.submit(listener, plays(own, 3, ago=timedelta(minutes=20)))
    advance(own)
    fm.scrobbles = [(at, "Ada Lovelace", title, album) for at, _, title, album in fm.scrobbles]
    fm.scrobbles.append((int(own.now.timestamp()) - 60, "Ada Lovelace", "Another", ""))
    advance(own, 1000)
    titles = [each.title for each in own.listens.history(listener).listens]
    assert titles == ["Another", "Song 2", "Song 1", "Song 0"]


def test_what_was_played_is_fetched_from_last_fm(
    own: Instance, listener: UUID, fm: FakeLastFm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.modules.listens.peer_lastfm.PAGE", 10)
    options = RelayOptions(api_key=fm.key)
    own.listens.add_relay(listener, "lastfm", fm.address, fm.name, "", "pull", options)
    start = int(own.now.timestamp())
    fm.scrobbles = [(start - 86_400, "Ada", "Long before", "")]
    fm.scrobbles += [(start + 60 * n, "Ada", f"Song {n}", "Release") for n in range(1, 35)]
    advance(own, 86_400)
    found = own.listens.history(listener, limit=100).listens
    assert {each.title for each in found} == {f"Song {n}" for n in range(1, 35)}
    assert {each.client for each in found} == {"pull:lastfm"}
    fm.scrobbles.append((int(own.now.timestamp()) - 3600, "Ada", "Played while offline", ""))
    advance(own, 600)
    assert len(own.listens.history(listener, limit=100).listens) == 34
    advance(own, 400)
    assert len(own.listens.history(listener, limit=100).listens) == 35


def test_a_failing_fetch_is_said_and_tried_again(own: Instance, listener: UUID, fm: FakeLastFm) -> None:
    to_fm(own, listener, fm, "pull")
    fm.error = (16, "The service is temporarily unavailable")
    advance(own)
    seen = state(own, listener)
    assert seen.pull_error == "The service is temporarily unavailable"
    assert seen.pull_next_at is not None
    assert timedelta(seconds=20) < seen.pull_next_at - own.now < timedelta(seconds=40)
    fm.error = None
    advance(own, 60)
    assert state(own, listener).pull_error == ""


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
