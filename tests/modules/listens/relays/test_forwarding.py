"""Forwarding to other services: what arrives, when it is tried again, what never happens twice."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.contracts.listens import ListenerListens, NewListen
from app.kernel import migrations
from app.modules.listens.models import metadata
from tests.modules.listens.conftest import Instance
from tests.modules.listens.others import FakeLastFm, FakeListenBrainz
from tests.modules.listens.relays.connections import advance, plays, state, to_fm, to_lb


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
