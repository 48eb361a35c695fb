"""Merging, renaming, splitting and reassigning, for oneself and for everyone, and undoing each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

import msgspec
import pytest

from app.composition import Container
from app.contracts.catalog import (
    AlreadyCorrected,
    ArtistNotFound,
    CircularCorrection,
    CorrectionNotFound,
    InvalidCorrection,
    KeptCorrection,
    Merge,
    ReassignArtist,
    RecordingNotFound,
    Rename,
    Scope,
    SplitArtist,
)
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import NewListen
from app.contracts.statistics import Entity
from app.kernel.context import acting_as
from app.kernel.contract import Forbidden, NotFound
from tests.conftest import PublicApi
from tests.support.people import Person, new_person
from tests.support.waiting import eventually

START = datetime(2024, 3, 1, tzinfo=UTC)


class Ear:
    """A listener with plays, looking at their own statistics."""

    def __init__(self, services: Container, person: Person | None = None) -> None:
        self.services = services
        self.person = person or new_person(services)
        self.played = 0

    def play(self, *plays: tuple[str, str]) -> None:
        """Play recordings and wait until the catalog knows their names."""
        listens = [NewListen(START + timedelta(minutes=5 * (self.played + n)), *play) for n, play in enumerate(plays)]
        self.played += len(plays)
        with acting_as(self.person.actor):
            self.services.listens.submit(self.person.listener_id, listens)
            keys = list({recording_key(*play) for play in plays})
            eventually(lambda: len(self.services.catalog.get_recordings(keys)) == len(keys))

    def correct(self, act: Merge | Rename | SplitArtist | ReassignArtist, scope: Scope = "me") -> UUID:
        with acting_as(self.person.actor):
            return self.services.catalog.add_correction(scope, act).correction_id

    def undo(self, correction_id: UUID) -> None:
        with acting_as(self.person.actor):
            self.services.catalog.undo_correction(correction_id)

    def top(self, entity: Entity = "artists") -> dict[str, int]:
        with acting_as(self.person.actor):
            top = self.services.listens.top(self.person.listener_id, entity, limit=1000)
            assert top.total == len(top.items)
            return {item.title: item.plays for item in top.items}

    def sees(self, entity: Entity, expected: dict[str, int]) -> None:
        eventually(lambda: self.top(entity) == expected)
        assert self.top(entity) == expected


Names = Callable[[str], str]


@pytest.fixture
def named() -> Names:
    """Names that nobody else's test uses: everyone's corrections hold for every test of the run."""
    mark = uuid4().hex[:8]
    return lambda name: f"{name} {mark}"


def test_merged_artists_are_one_with_their_recordings_of_one_title(services: Container, named: Names) -> None:
    ear, old, new = Ear(services), named("Beatles"), named("The Beatles")
    ear.play((old, "Help!"), (old, "Girl"), (new, "Help!"))
    merged = ear.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    ear.sees("artists", {new: 3})
    ear.sees("recordings", {"Help!": 2, "Girl": 1})
    ear.play((old, "Later"), (new, "Later"))
    ear.sees("recordings", {"Help!": 2, "Girl": 1, "Later": 2})
    ear.undo(merged)
    ear.sees("artists", {old: 3, new: 2})
    with acting_as(ear.person.actor):
        top = services.listens.top(ear.person.listener_id, "recordings")
    assert sorted(item.plays for item in top.items) == [1, 1, 1, 1, 1]


def test_releases_of_merged_artists_are_one_where_their_titles_are(services: Container, named: Names) -> None:
    ear, old, new = Ear(services), named("Old"), named("New")
    ear.play((old, "One"), (new, "One"))
    listens = [
        NewListen(START - timedelta(minutes=5 * n + 5), artist, "Two", release)
        for n, (artist, release) in enumerate([(old, "Album"), (new, "album"), (new, "Single")])
    ]
    with acting_as(ear.person.actor):
        services.listens.submit(ear.person.listener_id, listens)
    ear.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    eventually(lambda: sorted(ear.top("releases").values()) == [1, 2])


def test_a_correction_of_ones_own_changes_nothing_for_others(services: Container, named: Names) -> None:
    one, other, old, new = Ear(services), Ear(services), named("Old"), named("New")
    for ear in (one, other):
        ear.play((old, "Song"), (new, "Song"))
    one.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    one.sees("artists", {new: 2})
    assert other.top() == {old: 1, new: 1}
    with acting_as(other.person.actor):
        assert services.catalog.list_corrections("me") == []
        assert services.catalog.resolve("artists", [artist_key(old)]) == []
    with acting_as(one.person.actor):
        [shown] = services.catalog.resolve("artists", [artist_key(old), artist_key(new)])
        assert (shown.from_key, shown.key, shown.name) == (artist_key(old), artist_key(new), new)


def test_everyones_need_an_administrator_and_are_audited(services: Container, named: Names, admin: Person) -> None:
    ear, boss, old, new = Ear(services), Ear(services, admin), named("Old"), named("New")
    ear.play((old, "Song"), (new, "Song"))
    act = Merge("artists", [artist_key(old)], artist_key(new))
    with pytest.raises(Forbidden):
        ear.correct(act, "everyone")
    made = boss.correct(act, "everyone")
    ear.sees("artists", {new: 2})
    with acting_as(ear.person.actor):
        assert made in [each.correction_id for each in services.catalog.list_corrections("everyone")]
    with pytest.raises(Forbidden):
        ear.undo(made)
    boss.undo(made)
    ear.sees("artists", {old: 1, new: 1})
    with acting_as(admin.actor):
        acts = [(entry.act, entry.subject) for entry in services.accounts.list_audit(limit=50) if entry.subject == old]
    assert acts == [("correction.undo", old), ("correction.merge", old)]


@pytest.mark.parametrize("is_own_first", [True, False])
def test_ones_own_win_over_everyones_whichever_came_first(
    services: Container, named: Names, admin: Person, is_own_first: bool
) -> None:
    one, other, boss, old, new = Ear(services), Ear(services), Ear(services, admin), named("Old"), named("New")
    for ear in (one, other):
        ear.play((old, "Song"), (new, "Song"))
    acts = [
        lambda: one.correct(Merge("artists", [artist_key(new)], artist_key(old))),
        lambda: boss.correct(Merge("artists", [artist_key(old)], artist_key(new)), "everyone"),
    ]
    for act in acts if is_own_first else acts[::-1]:
        act()
    one.sees("artists", {old: 2})
    other.sees("artists", {new: 2})
    one.sees("recordings", {"Song": 2})


def test_chains_lead_to_their_end_and_links_can_be_taken_out_in_any_order(services: Container, named: Names) -> None:
    ear, (a, b, c) = Ear(services), (named(name) for name in "ABC")
    ear.play((a, "Song"), (b, "Song"), (c, "Song"))
    first = ear.correct(Merge("artists", [artist_key(a)], artist_key(b)))
    second = ear.correct(Merge("artists", [artist_key(b)], artist_key(c)))
    ear.sees("artists", {c: 3})
    ear.undo(first)
    ear.sees("artists", {a: 1, c: 2})
    ear.undo(second)
    ear.sees("artists", {a: 1, b: 1, c: 1})


def test_circles_and_second_thoughts_are_refused(services: Container, named: Names) -> None:
    ear, (a, b, c) = Ear(services), (named(name) for name in "ABC")
    ear.play((a, "Song"), (b, "Song"), (c, "Song"))
    keys = {name: artist_key(name) for name in (a, b, c)}
    ear.correct(Merge("artists", [keys[a]], keys[b]))
    ear.correct(Merge("artists", [keys[b]], keys[c]))
    for act in (
        Merge("artists", [keys[c]], keys[a]),
        Merge("artists", [keys[c]], keys[c]),
        SplitArtist(keys[c], [a, "X"]),
    ):
        with pytest.raises(CircularCorrection):
            ear.correct(act)
    with pytest.raises(AlreadyCorrected) as refused:
        ear.correct(Merge("artists", [keys[a]], keys[c]))
    assert refused.value.details == {"key": str(keys[c])}
    with pytest.raises(AlreadyCorrected):
        ear.correct(Rename("artists", keys[a], "Another"))
    with pytest.raises(CircularCorrection):
        ear.correct(Merge("recordings", [recording_key(a, "Song")], recording_key(a, "Song")))
    ear.sees("artists", {c: 3})


def test_what_says_nothing_or_names_nothing_known_is_refused(services: Container, named: Names) -> None:
    ear, a, b = Ear(services), named("A"), named("B")
    ear.play((a, "Song"), (b, "Song"))
    for act in (
        Merge("artists", [], artist_key(a)),
        Merge("artists", [artist_key(b)] * 2, artist_key(a)),
        SplitArtist(artist_key(a), [b]),
        SplitArtist(artist_key(a), [b, b.upper()]),
        SplitArtist(artist_key(a), [b, "\u200b"]),
        Rename("artists", artist_key(a), "  "),
        Rename("artists", artist_key(a), "a\0b"),
        ReassignArtist(recording_key(a, "Song"), a.upper()),
    ):
        with pytest.raises(InvalidCorrection):
            ear.correct(act)
    with pytest.raises(ArtistNotFound):
        ear.correct(Merge("artists", [uuid4()], artist_key(a)))
    with pytest.raises(ArtistNotFound):
        ear.correct(SplitArtist(uuid4(), ["X", "Y"]))
    with pytest.raises(RecordingNotFound):
        ear.correct(Rename("recordings", artist_key(a), "Name"))


@pytest.mark.parametrize("credit", ["first", "all"])
def test_a_credit_of_several_is_counted_for_the_first_or_for_all(
    services: Container, named: Names, credit: Literal["first", "all"]
) -> None:
    ear, both, a, b = Ear(services), named("A & B"), named("A"), named("B")
    ear.play((both, "Duet"), (both, "Duet"), (a, "Solo"))
    made = ear.correct(SplitArtist(artist_key(both), [a, b], credit))
    ear.sees("artists", {a: 3, b: 2} if credit == "all" else {a: 3})
    ear.sees("recordings", {"Duet": 2, "Solo": 1})
    with acting_as(ear.person.actor):
        summary = services.listens.summary(ear.person.listener_id, artist_key(b))
        assert summary.plays == (2 if credit == "all" else 0)
        assert services.listens.summary(ear.person.listener_id).plays == 3
        titles = {r.title for r in services.catalog.get_artist_page(artist_key(a)).recordings}
        assert titles == {"Duet", "Solo"}
    ear.undo(made)
    ear.sees("artists", {both: 2, a: 1})


def test_a_new_name_is_shown_and_the_last_one_counts(services: Container, named: Names) -> None:
    ear, artist = Ear(services), named("Untitled")
    ear.play((artist, "Son g"))
    first = ear.correct(Rename("artists", artist_key(artist), "First name"))
    second = ear.correct(Rename("artists", artist_key(artist), "Second name"))
    ear.correct(Rename("recordings", recording_key(artist, "Son g"), "Song"))
    ear.sees("artists", {"Second name": 1})
    ear.sees("recordings", {"Song": 1})
    with acting_as(ear.person.actor):
        [listen] = services.listens.history(ear.person.listener_id).listens
        assert (listen.artist, listen.title, listen.recording_key) == (
            "Second name",
            "Song",
            recording_key(artist, "Son g"),
        )
        assert listen.sent is not None
        assert (listen.sent.artist, listen.sent.title) == (artist, "Son g")
        assert services.listens.history(ear.person.listener_id, search="second nam").listens == [listen]
        assert services.catalog.get_artist_page(artist_key(artist)).artist.name == "Second name"
    ear.undo(first)
    assert ear.top() == {"Second name": 1}
    ear.undo(second)
    ear.sees("artists", {artist: 1})


def test_a_new_name_of_a_recording_goes_along_when_its_artist_is_merged(services: Container, named: Names) -> None:
    ear, old, new = Ear(services), named("Old"), named("New")
    ear.play((old, "Son g"), (new, "Other"))
    ear.correct(Rename("recordings", recording_key(old, "Son g"), "Song"))
    ear.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    ear.sees("artists", {new: 2})
    ear.sees("recordings", {"Song": 1, "Other": 1})
    ear.play((new, "Son g"))
    ear.sees("recordings", {"Song": 2, "Other": 1})


def test_a_recording_by_another_artist_takes_its_plays_along(services: Container, named: Names) -> None:
    ear, wrong, right = Ear(services), named("Various"), named("Right")
    ear.play((wrong, "Song"), (wrong, "Song"), (wrong, "Other"))
    made = ear.correct(ReassignArtist(recording_key(wrong, "Song"), right))
    ear.sees("artists", {wrong: 1, right: 2})
    with acting_as(ear.person.actor):
        [song] = services.listens.artist_top(ear.person.listener_id, artist_key(right))
        assert (song.key, song.title, song.artist, song.plays) == (recording_key(right, "Song"), "Song", right, 2)
    ear.correct(Rename("recordings", recording_key(right, "Song"), "Its name"))
    ear.sees("recordings", {"Its name": 2, "Other": 1})
    with acting_as(ear.person.actor):
        [rename, _] = services.catalog.list_corrections("me")
    ear.undo(rename.correction_id)
    ear.undo(made)
    ear.sees("artists", {wrong: 3})


def test_a_listen_is_deleted_by_the_key_it_is_shown_under(services: Container, named: Names) -> None:
    ear, old, new = Ear(services), named("Old"), named("New")
    ear.play((old, "Song"), (new, "Song"))
    ear.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    ear.sees("artists", {new: 2})
    with acting_as(ear.person.actor):
        services.listens.delete_listen(ear.person.listener_id, START, recording_key(new, "Song"))
        [left] = services.listens.history(ear.person.listener_id).listens
    assert left.listened_at == START + timedelta(minutes=5)


def test_love_of_one_is_love_of_what_it_is_shown_as(services: Container, named: Names) -> None:
    ear, old, new = Ear(services), named("Old"), named("New")
    ear.play((old, "Song"), (new, "Song"))
    who, listens = ear.person.listener_id, services.listens

    def said(value: int | None = None) -> list[tuple[UUID, int, str]]:
        with acting_as(ear.person.actor):
            return [(each.key, each.value, each.title) for each in listens.get_feedback(who, "artists", value)]

    with acting_as(ear.person.actor):
        listens.set_feedback(who, "artists", artist_key(old), 1)
    made = ear.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    eventually(lambda: said() == [(artist_key(new), 1, new)])
    assert said(-1) == []
    ear.undo(made)
    eventually(lambda: said() == [(artist_key(old), 1, old)])
    ear.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    eventually(lambda: said() == [(artist_key(new), 1, new)])
    with acting_as(ear.person.actor):
        listens.set_feedback(who, "artists", artist_key(new), 0)
    assert said() == []


def test_search_and_the_page_of_an_artist_show_what_was_merged_once(services: Container, named: Names) -> None:
    ear, old, new = Ear(services), named("Beetles"), named("Beatles")
    ear.play((old, "Help!"), (new, "Help!"), (old, "Girl"))
    ear.correct(Merge("artists", [artist_key(old)], artist_key(new)))
    with acting_as(ear.person.actor):
        found = services.catalog.search(old)
        assert [a.name for a in found.artists if a.name in (old, new)] == [new]
        page = services.catalog.get_artist_page(artist_key(old))
        assert page.artist.artist_key == artist_key(new)
        assert sorted(r.title for r in page.recordings) == ["Girl", "Help!"]
        assert {r.artist for r in page.recordings} == {new}


def test_corrections_of_others_are_not_there(services: Container, named: Names) -> None:
    one, other, name = Ear(services), Ear(services), named("A")
    one.play((name, "Song"))
    made = one.correct(Rename("artists", artist_key(name), "B"))
    for correction_id in (made, uuid4()):
        with pytest.raises(CorrectionNotFound):
            other.undo(correction_id)
    one.undo(made)
    with pytest.raises(CorrectionNotFound):
        one.undo(made)


def test_corrections_through_the_public_routes(services: Container, api: PublicApi, named: Names) -> None:
    ear, old, new = Ear(services), named("Old"), named("New")
    ear.play((old, "Song"), (new, "Song"))
    path, token = "/api/v1/catalog/corrections", ear.person.token
    act = {"type": "merge", "kind": "artists", "sources": [str(artist_key(old))], "target": str(artist_key(new))}
    made = api.post(path, token=token, json={"act": act})
    assert (made.status, made.json["subject"], made.json["outcome"]) == (201, old, new)
    assert api.post(path, token=token, json={"act": act}).status == 409
    assert api.post(path, token=token, json={"act": act, "scope": "everyone"}).status == 403
    assert api.post(path, token=token, json={"act": {**act, "type": "burn"}}).status == 422
    listed = api.get(path, token=token)
    assert listed.json["corrections"] == [made.json]
    ear.sees("artists", {new: 2})
    assert api.delete(f"{path}/{made.json['correction_id']}", token=token).status == 204
    assert api.delete(f"{path}/{made.json['correction_id']}", token=token).status == 404
    assert api.get(path, token=token).json == {"corrections": []}
    with acting_as(ear.person.actor):
        assert services.catalog.export_listener(ear.person.listener_id) == {"corrections": []}


def test_corrections_are_taken_along_to_where_nobody_knows_the_names(services: Container, named: Names) -> None:
    one, other, (a, b, c) = Ear(services), Ear(services), (named(name) for name in "ABC")
    one.play((a, "Song"), (b, "Song"), (c, "Song"))
    one.correct(Merge("artists", [artist_key(a)], artist_key(b)))
    one.correct(Rename("recordings", recording_key(b, "Song"), "Its name"))
    one.correct(ReassignArtist(recording_key(c, "Song"), named("D")))
    one.sees("recordings", {"Its name": 2, "Song": 1})
    with acting_as(one.person.actor):
        exported = services.catalog.export_listener(one.person.listener_id)["corrections"]
    kept = msgspec.convert(exported, list[KeptCorrection])
    false = msgspec.structs.replace(kept[0], artists=dict.fromkeys(kept[0].artists, "Another"))
    unnamed = msgspec.structs.replace(kept[1], recordings={})
    with acting_as(other.person.actor):
        who = other.person.listener_id
        assert services.catalog.restore_corrections(who, [false, unnamed]) == [False, False]
        assert services.catalog.restore_corrections(who, kept) == [True] * 3
        assert services.catalog.restore_corrections(who, kept) == [False] * 3
        assert services.catalog.export_listener(who)["corrections"] == exported
    other.play((a, "Song"), (b, "Song"), (c, "Song"))
    other.sees("recordings", {"Its name": 2, "Song": 1})
    assert other.top() == one.top()
    with acting_as(one.person.actor), pytest.raises(NotFound):
        services.catalog.restore_corrections(other.person.listener_id, kept)
