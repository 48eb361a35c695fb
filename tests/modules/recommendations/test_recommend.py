"""What is recommended, what never is, and why."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.bench.system import Servers
from app.contracts.identity import artist_key, identify
from app.contracts.listens import Kind
from app.contracts.recommendations import ItemUnknown, Recommendations
from tests.support.line import Line, new_line


@pytest.fixture(scope="module")
def trained(servers: Servers, folder: Path) -> Iterator[Line]:
    """Two tastes that share nothing, with nobody else about, and a model of each kind."""
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        line.two_tastes()
        for kind in ("recordings", "artists"):
            assert line.train(kind).state == "done"
        line.follow()
        yield line


def rock_listener(line: Line, *, of: tuple[int, ...] = (0, 1, 2)) -> UUID:
    listener = uuid4()
    line.listen(listener, [(f"Rock band {band}", f"Song {song}") for band in of for song in range(4)])
    line.follow()
    return listener


def answer(line: Line, listener: UUID, kind: Kind = "recordings", limit: int = 20, **options: bool) -> Recommendations:
    return line.services.recommendations.recommend(listener, kind, limit, **options)


def keys(found: Recommendations) -> set[UUID]:
    return {item.key for item in found.items}


@pytest.mark.parametrize("kind", ["recordings", "artists"])
def test_a_listener_gets_more_of_their_taste_and_nothing_known(trained: Line, kind: Kind) -> None:
    listener = rock_listener(trained)
    found = answer(trained, listener, kind, 5)
    assert not found.degraded
    assert found.model == next(m.sha256 for m in trained.services.recommendations.served_models() if m.kind == kind)
    assert found.items
    assert all(item.artist.startswith("Rock") for item in found.items)
    known = {item["key"] for item in trained.services.recommendations.export_listener(listener)["profile"]}
    assert not {str(key) for key in keys(found)} & known


def test_known_items_come_when_asked_for(trained: Line) -> None:
    listener = rock_listener(trained)
    own = {identify(f"Rock band {band}", f"Song {song}").recording_key for band in range(3) for song in range(4)}
    assert keys(answer(trained, listener, limit=40, include_known=True)) & own


@pytest.mark.parametrize("kind", ["recordings", "artists"])
def test_reasons_are_the_listeners_own_and_their_shares_sum_to_one(trained: Line, kind: Kind) -> None:
    listener = rock_listener(trained)
    own = {item["key"] for item in trained.services.recommendations.export_listener(listener)["profile"]}
    for item in answer(trained, listener, kind).items:
        assert item.because
        assert {str(reason.key) for reason in item.because} <= own
        assert sum(reason.share for reason in item.because) + item.other == pytest.approx(1, abs=1e-9)
        shares = [reason.share for reason in item.because]
        assert shares == sorted(shares, reverse=True)
        assert 0 < shares[0] <= 1


def test_the_best_comes_first_and_the_same_question_has_the_same_answer(trained: Line) -> None:
    listener = rock_listener(trained)
    found = answer(trained, listener)
    scores = [item.score for item in found.items]
    assert scores[0] == max(scores)
    assert answer(trained, listener) == found


def test_recordings_come_from_many_artists_while_there_are_enough(trained: Line) -> None:
    artists = [item.artist_key for item in answer(trained, rock_listener(trained), limit=8).items]
    assert max(artists.count(artist) for artist in artists) <= 2


def test_variety_is_no_reason_to_show_what_hardly_anything_speaks_for(trained: Line) -> None:
    found = answer(trained, rock_listener(trained), limit=200)
    best = found.items[0].score
    is_weak = [item.score < 0.1 * best for item in found.items]
    assert is_weak == sorted(is_weak)


def test_a_listen_changes_the_answer(trained: Line) -> None:
    listener = rock_listener(trained)
    before = answer(trained, listener)
    chosen = before.items[0]
    trained.listen(listener, [(chosen.artist, chosen.title)], days=9)
    trained.follow()
    assert chosen.key not in keys(answer(trained, listener))


def test_love_speaks_louder(trained: Line) -> None:
    listener = rock_listener(trained, of=(0, 5))
    loved = artist_key("Rock band 5")

    def share() -> float:
        items = answer(trained, listener, "artists").items
        return sum(reason.share for item in items for reason in item.because if reason.key == loved)

    before = share()
    trained.services.listens.set_feedback(listener, "artists", loved, 1)
    trained.follow()
    assert share() > before


def test_a_hidden_recording_is_never_shown(trained: Line) -> None:
    listener = rock_listener(trained)
    hidden = answer(trained, listener).items[0].key
    trained.services.listens.set_feedback(listener, "recordings", hidden, -1)
    trained.follow()
    for include_known in (False, True):
        assert hidden not in keys(answer(trained, listener, limit=200, include_known=include_known))


def test_a_hidden_artist_hides_and_silences_their_recordings(trained: Line) -> None:
    listener = rock_listener(trained, of=(0, 1, 2, 3))
    hidden = artist_key("Rock band 0")
    trained.services.listens.set_feedback(listener, "artists", hidden, -1)
    trained.follow()
    for kind in ("recordings", "artists"):
        found = answer(trained, listener, kind, 200, include_known=True)
        assert found.items
        assert not found.degraded
        assert all(item.artist_key != hidden for item in found.items)
        assert all(reason.artist != "Rock band 0" for item in found.items for reason in item.because)


def test_a_new_listener_gets_popular_items_marked_as_such(trained: Line) -> None:
    found = answer(trained, uuid4(), limit=5)
    assert (found.model, found.degraded, len(found.items)) == ("popular", True, 5)
    assert all(item.because == [] and item.other == 0 for item in found.items)
    assert [item.score for item in found.items] == sorted((i.score for i in found.items), reverse=True)


def test_who_plays_only_what_the_model_does_not_know_gets_popular_items_too(trained: Line) -> None:
    listener = uuid4()
    trained.listen(listener, [(f"Unheard of {uuid4()}", "One")])
    trained.follow()
    found = answer(trained, listener)
    assert found.degraded
    assert found.items
    assert not any(item.artist.startswith("Unheard") for item in found.items)


def test_the_popular_fallback_hides_what_is_hidden(trained: Line) -> None:
    listener = uuid4()
    hidden = answer(trained, listener, "artists").items[0].key
    trained.services.listens.set_feedback(listener, "artists", hidden, -1)
    trained.follow()
    assert hidden not in keys(answer(trained, listener, "artists"))
    assert all(item.artist_key != hidden for item in answer(trained, listener, "recordings", 200).items)


@pytest.mark.parametrize("limit", [1, 3, 200, 5000, 0, -1])
def test_a_limit_is_kept(trained: Line, limit: int) -> None:
    found = answer(trained, rock_listener(trained), limit=limit)
    assert 1 <= len(found.items) <= max(1, min(limit, 200))


def test_similar_items_are_of_the_same_taste(trained: Line) -> None:
    key = identify("Rock band 1", "Song 1").recording_key
    found = trained.services.recommendations.similar("recordings", key, 10)
    assert found.items
    assert all(item.artist.startswith("Rock") for item in found.items)
    assert key not in keys(found)
    near = trained.services.recommendations.similar("artists", artist_key("Jazz band 1"), 3)
    assert len(near.items) == 3
    assert all(item.title.startswith("Jazz") for item in near.items)


def test_an_unknown_item_has_no_neighbours(trained: Line) -> None:
    for kind in ("recordings", "artists"):
        with pytest.raises(ItemUnknown):
            trained.services.recommendations.similar(kind, uuid4())


def test_love_for_an_artist_lets_their_recordings_speak_louder(trained: Line) -> None:
    listener = rock_listener(trained, of=(0, 5))

    def share() -> float:
        items = answer(trained, listener).items
        return sum(reason.share for item in items for reason in item.because if reason.artist == "Rock band 5")

    before = share()
    trained.services.listens.set_feedback(listener, "artists", artist_key("Rock band 5"), 1)
    trained.follow()
    assert share() > before
