"""What is stored, once, and what is refused, by index; for a person and for many listeners at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.composition import Container
from app.contracts.identity import recording_key
from app.contracts.listens import (
    BatchTooLarge,
    ListenerListens,
    ListenNotFound,
    NewListen,
    Rejection,
    SubmitResult,
)
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import Forbidden, NotFound, Unauthenticated
from tests.modules.listens.factories import START, listen, listens
from tests.support.people import Person, new_person

NOW = datetime.now(UTC)

# what is sent: the reason it is refused with
REFUSED = {
    "in the future": (listen(listened_at=NOW + timedelta(hours=3)), "listened_at is in the future"),
    "too old": (listen(listened_at=datetime(2001, 1, 1, tzinfo=UTC)), "listened_at is before 2002-10-01"),
    "no artist": (listen(artist=""), "artist or title is empty"),
    "no title": (listen(title=" \u200b "), "artist or title is empty"),
    "NUL": (listen(title="a\0b"), "title holds a NUL character"),
    "long": (listen(artist="é" * 6_000), "artist is longer than 10 kB"),
    "negative": (listen(duration_ms=-1), "duration_ms is not between 0 and 24 days"),
    "endless": (listen(duration_ms=10**10), "duration_ms is not between 0 and 24 days"),
    "NUL in extra": (listen(extra={"a": "\0"}), "extra holds a NUL character"),
    "long extra": (listen(extra={"a": "x" * 11_000}), "extra is longer than 10 kB"),
}


def submit(services: Container, person: Person, sent: list[NewListen], client: str = "player") -> SubmitResult:
    with acting_as(person.actor):
        return services.listens.submit(person.listener_id, sent, client)


def history(services: Container, person: Person) -> list[tuple[datetime, str]]:
    with acting_as(person.actor):
        page = services.listens.history(person.listener_id, limit=1000)
    return [(each.listened_at, each.title) for each in page.listens]


def test_what_was_submitted_is_read_back_newest_first(services: Container, person: Person) -> None:
    full = NewListen(START, " Björk feat. X ", "Jóga (Live)", "Homogenic", "Björk", 305_000)
    assert submit(services, person, [full, listen(1)]) == SubmitResult(2, 0, [])
    with acting_as(person.actor):
        newest, oldest = services.listens.history(person.listener_id).listens
    assert newest.title == "Song 1"
    assert (oldest.artist, oldest.title, oldest.release) == ("Björk feat. X", "Jóga (Live)", "Homogenic")
    assert (oldest.duration_ms, oldest.client, oldest.listened_at) == (305_000, "player", START)
    assert oldest.recording_key == recording_key("bjo\u0308rk", "JÓGA (LIVE)")
    assert oldest.release_key is not None
    assert newest.release_key is None


def test_the_same_listens_again_add_nothing(services: Container, person: Person) -> None:
    sent = listens(5)
    assert submit(services, person, sent) == SubmitResult(5, 0, [])
    assert submit(services, person, [*sent, listen(5)]) == SubmitResult(1, 5, [])
    assert submit(services, person, [listen(6), listen(6)]) == SubmitResult(1, 1, [])
    assert len(history(services, person)) == 7


def test_another_spelling_or_fraction_of_a_second_is_the_same_listen(services: Container, person: Person) -> None:
    submit(services, person, [listen(title="Café’s")])
    again = [
        listen(title="CAFE\u0301's"),
        listen(title=" Café's (feat. Bob) "),
        listen(title="Café’s", listened_at=START + timedelta(milliseconds=700)),
        listen(title="Café’s", listened_at=START.astimezone(timezone(timedelta(hours=9)))),
    ]
    assert submit(services, person, again) == SubmitResult(0, 4, [])
    assert history(services, person) == [(START, "Café’s")]


@pytest.mark.parametrize(("bad", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_bad_listen_is_refused_by_its_index_and_the_others_are_kept(
    services: Container, person: Person, bad: NewListen, reason: str
) -> None:
    assert submit(services, person, [listen(1), bad, listen(2), bad]) == SubmitResult(
        2, 0, [Rejection(1, reason), Rejection(3, reason)]
    )
    assert [title for _, title in history(services, person)] == ["Song 2", "Song 1"]


def test_a_clock_an_hour_ahead_is_forgiven(services: Container, person: Person) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=30)
    assert submit(services, person, [listen(listened_at=ahead)]).accepted == 1


def test_a_thousand_are_taken_at_once_and_one_more_none_of_them(services: Container, person: Person) -> None:
    with pytest.raises(BatchTooLarge) as raised:
        submit(services, person, listens(1001))
    assert raised.value.status == 413
    assert history(services, person) == []
    assert submit(services, person, listens(1000)) == SubmitResult(1000, 0, [])


def test_an_empty_batch_is_no_error(services: Container, person: Person) -> None:
    assert submit(services, person, []) == SubmitResult(0, 0, [])


def test_nobody_submits_reads_or_deletes_for_another(services: Container, person: Person) -> None:
    other = new_person(services)
    submit(services, person, [listen()])
    with acting_as(other.actor):
        with pytest.raises(NotFound):
            services.listens.submit(person.listener_id, [listen(1)])
        with pytest.raises(NotFound):
            services.listens.history(person.listener_id)
        with pytest.raises(NotFound):
            services.listens.delete_listen(person.listener_id, START, recording_key("Ada", "Song 0"))
        with pytest.raises(Forbidden):
            services.listens.feed("")
    with pytest.raises(Unauthenticated):
        services.listens.history(person.listener_id)
    assert len(history(services, person)) == 1


def test_two_clients_at_the_same_moment_make_one_play(services: Container, person: Person) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = [listens(20, listened_at=START + timedelta(seconds=n)) for n in range(4)]
        results = list(pool.map(lambda n: submit(services, person, told[n], f"client {n}"), range(4)))
    assert sum(result.accepted for result in results) == 20
    assert sum(result.duplicate for result in results) == 60
    assert len(history(services, person)) == 20


def test_a_deleted_listen_is_gone_and_can_be_sent_again(services: Container, person: Person) -> None:
    submit(services, person, listens(3))
    with acting_as(person.actor):
        services.listens.delete_listen(person.listener_id, listen(1).listened_at, recording_key("Ada", "Song 1"))
        with pytest.raises(ListenNotFound):
            services.listens.delete_listen(person.listener_id, listen(1).listened_at, recording_key("Ada", "Song 1"))
    assert [title for _, title in history(services, person)] == ["Song 2", "Song 0"]
    assert submit(services, person, listens(3)) == SubmitResult(1, 2, [])


def test_loading_many_listeners_counts_indexes_over_all_of_them(services: Container, person: Person) -> None:
    other = new_person(services)
    batches = [
        ListenerListens(person.listener_id, [listen(0), listen(1, artist="")]),
        ListenerListens(other.listener_id, [listen(0), listen(0), listen(2, title="")]),
    ]
    with acting_as(SYSTEM):
        result = services.listens.load(batches, "tests")
    assert (result.accepted, result.duplicate) == (2, 1)
    assert [rejection.index for rejection in result.rejected] == [1, 4]
    assert len(history(services, person)) == len(history(services, other)) == 1


AWKWARD = (
    'He said "no", twice', "back\\slash", "\\", "\\.", "null", "a,b;c", "tab\there", "two\nlines", "[]", "]", "\\n",
    "Bell\x07", "no\u00a0break", "\u202eturned", "日本語 🎵", "'quoted'", "{x}", "\\N", "''", '""',
)  # fmt: skip


def test_many_listens_are_stored_as_they_were_sent_whatever_their_names_hold(services: Container, person: Person):
    extra = {"note": 'a "quote", a \\ and\na line', "null": None, "list": [1, {"deep": "é"}]}
    sent = [listen(number, title=f"{title} {number}", extra=extra) for number, title in enumerate(AWKWARD * 3)]
    assert submit(services, person, sent) == SubmitResult(len(sent), 0, [])
    assert sorted(history(services, person)) == [(each.listened_at, each.title) for each in sent]
    with acting_as(person.actor):
        page = services.listens.history(person.listener_id, limit=1)
    assert page.listens[0].extra == extra
    assert submit(services, person, sent) == SubmitResult(0, len(sent), [])
    with acting_as(SYSTEM):
        events, cursor = [], ""
        while (page := services.listens.feed(cursor, 10_000)).events:
            events += [each for each in page.events if getattr(each, "listener_id", None) == person.listener_id]
            cursor = page.cursor
    assert [(each.listened_at, each.title) for each in events] == [(each.listened_at, each.title) for each in sent]
