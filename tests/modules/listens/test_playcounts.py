"""Totals without timestamps: replaced when they come again, told when they change, kept apart from history."""

from uuid import UUID

from app.contracts.identity import artist_key, identify
from app.contracts.listens import Listens, NewPlaycount, PlaycountSet
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import history, play


def test_a_total_counts_for_all_time_and_has_no_history(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0)])
    result = listens.set_playcounts([NewPlaycount(listener, "Ada", "Song", 5)], "library")
    assert (result.accepted, result.duplicate, result.rejected) == (1, 0, [])
    assert [item.plays for item in listens.top(listener, "recordings").items] == [6]
    assert [item.plays for item in listens.top(listener, "recordings", "this_year").items] == []
    assert len(history(listens, listener)) == 1


def test_the_same_totals_again_change_nothing(own: Instance, listener: UUID) -> None:
    counts = [NewPlaycount(listener, "Ada", f"Song {n}", 5) for n in range(3)]
    own.listens.set_playcounts(counts, "library")
    again = own.listens.set_playcounts([*counts[:2], NewPlaycount(listener, "Ada", "Song 2", 7)], "library")
    assert (again.accepted, again.duplicate) == (1, 2)
    told = [e.plays for e in own.told(listener) if isinstance(e, PlaycountSet)]
    assert told == [5, 5, 5, 7]


def test_a_later_total_replaces_an_earlier_one_of_its_source_and_adds_to_others(own: Instance, listener: UUID) -> None:
    for plays, source in ((10, "phone"), (3, "desktop"), (4, "phone")):
        own.listens.set_playcounts([NewPlaycount(listener, "Ada", "Song", plays)], source)
    assert [item.plays for item in own.listens.top(listener, "recordings").items] == [7]
    assert [e.plays for e in own.told(listener) if isinstance(e, PlaycountSet)] == [10, 13, 7]


def test_rows_that_fall_on_one_item_add_up(own: Instance, listener: UUID) -> None:
    counts = [NewPlaycount(listener, artist, "Song", 2) for artist in ("Ada", "ADA", "Ada feat. Grace")]
    assert own.listens.set_playcounts(counts, "set").accepted == 1
    key = identify("Ada", "Song")
    assert own.told(listener) == [PlaycountSet(listener, key.artist_key, key.recording_key, "Ada", "Song", 6)]


def test_an_artists_total_names_no_recording(own: Instance, listener: UUID) -> None:
    own.listens.set_playcounts([NewPlaycount(listener, "Ada", None, 9)], "set")
    assert own.told(listener) == [PlaycountSet(listener, artist_key("Ada"), None, "Ada", None, 9)]
    assert own.listens.top(listener, "recordings").items == []
    [artist] = own.listens.top(listener, "artists").items
    assert (artist.title, artist.plays, artist.key) == ("Ada", 9, artist.artist_key)


def test_what_can_not_be_stored_is_told_by_index(listens: Listens, listener: UUID) -> None:
    bad = ["", "a\0b", "x" * 10_241]
    counts = [NewPlaycount(listener, artist, None, 1) for artist in [*bad, "Ada"]]
    result = listens.set_playcounts([*counts, NewPlaycount(listener, "Ada", " ", 1)], "a\0b")
    assert (result.accepted, [r.index for r in result.rejected]) == (1, [0, 1, 2, 4])
    assert listens.set_playcounts([], "library").accepted == 0
