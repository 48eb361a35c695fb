"""Shelves: what is on them, what never is, that tomorrow differs, and that one listener alone has them too."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.bench.system import Servers
from app.contracts.catalog import Sound, Tagging
from app.contracts.identity import artist_key, identify
from app.contracts.listens import ListenerListens, NewListen
from app.contracts.recommendations import Pick, Seeds, Shelves, Shown, Steering
from app.modules.recommendations.service import RecommendationsService
from tests.support.line import Line, new_line

ALL = {"for_now", "deep_cuts", "new_artists", "forgotten", "popular"}


@pytest.fixture(scope="module")
def trained(servers: Servers, folder: Path) -> Iterator[Line]:
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        line.two_tastes()
        for kind in ("recordings", "artists"):
            assert line.train(kind).state == "done"
        line.follow()
        yield line


@pytest.fixture(scope="module")
def alone(servers: Servers, folder: Path) -> Iterator[tuple[Line, UUID]]:
    """One listener on an instance of one, with half a year of sessions, and no model at all."""
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        listener, now = uuid4(), datetime.now(UTC)
        listens = [
            NewListen(now - timedelta(days=day, minutes=4 * n), f"Band {(day + n // 4) % 12}", f"Song {(day * n) % 9}")
            for day in range(1, 180)
            for n in range(12)
        ]
        line.services.listens.load([ListenerListens(listener, listens)], "tests")
        line.services.catalog.add_tags([Tagging("Band 1", None, ["quiet"])])
        line.follow()
        yield line, listener


def rock_listener(line: Line) -> UUID:
    listener = uuid4()
    line.listen(listener, [(f"Rock band {band}", f"Song {song}") for band in range(4) for song in range(3)])
    line.follow()
    return listener


def shelves(line: Line, listener: UUID, **turned: float) -> Shelves:
    return line.services.recommendations.shelves(listener, Steering(**turned))


def items(found: Shelves) -> list[Pick]:
    return [item for shelf in found.shelves for item in shelf.items]


def on_a_day(line: Line, days: int) -> RecommendationsService:
    """Return the service some days later."""
    service = line.services.wire("recommendations").service
    assert isinstance(service, RecommendationsService)
    now = datetime.now(UTC) + timedelta(days=days)
    return RecommendationsService(service.database, service.models, lambda: now)


def assert_sound(found: Shelves) -> None:
    assert {shelf.name for shelf in found.shelves} <= ALL
    keys = [item.key for item in items(found)]
    assert len(keys) == len(set(keys)), "an item is on two shelves"
    for shelf in found.shelves:
        assert max(Counter(item.artist_key for item in shelf.items).values()) <= 2
        assert all(item.title and item.artist for item in shelf.items)
        for item in shelf.items:
            assert not item.because or sum(b.share for b in item.because) + item.other == pytest.approx(1, abs=1e-6)


def test_shelves_have_intentions_and_no_item_twice(trained: Line) -> None:
    listener = rock_listener(trained)
    found = shelves(trained, listener)
    assert_sound(found)
    assert not found.degraded
    by_name = {shelf.name: shelf for shelf in found.shelves}
    assert set(by_name) >= {"deep_cuts", "new_artists"}
    own = {f"Rock band {band}" for band in range(4)}
    assert {item.artist for item in by_name["deep_cuts"].items} <= own
    assert not {item.artist for item in by_name["new_artists"].items} & own
    assert all(item.because for item in by_name["new_artists"].items)
    assert all(item.plays == 3 for item in by_name["deep_cuts"].items)


def test_the_same_day_has_the_same_shelves_on_another_process_and_the_next_day_others(trained: Line) -> None:
    listener = rock_listener(trained)
    today, again, tomorrow = (on_a_day(trained, days).shelves(listener) for days in (0, 0, 1))
    assert [[i.key for i in s.items] for s in today.shelves] == [[i.key for i in s.items] for s in again.shelves]
    assert [i.key for i in items(today)] != [i.key for i in items(tomorrow)]


def test_what_is_hidden_goes_at_once_and_comes_back_when_that_is_undone(trained: Line) -> None:
    listener = rock_listener(trained)
    first = next(s for s in shelves(trained, listener).shelves if s.name == "new_artists").items[0]
    for value, is_there in ((-1, False), (0, True)):
        trained.services.listens.set_feedback(listener, "artists", first.key, value)
        trained.follow()
        now = items(shelves(trained, listener))
        assert (first.key in {item.artist_key for item in now}) is is_there


def test_what_was_shown_again_and_again_and_never_played_steps_back(trained: Line) -> None:
    listener = rock_listener(trained)
    shelf = next(s for s in shelves(trained, listener).shelves if s.name == "deep_cuts")
    shown = [Shown("recordings", shelf.items[0].key, "deep_cuts", "x")]
    for day in range(4):
        on_a_day(trained, day).record_impressions(listener, shown)
    later = next(s for s in on_a_day(trained, 5).shelves(listener).shelves if s.name == "deep_cuts")
    assert shelf.items[0].key not in {item.key for item in later.items[:-1]}, "others come first"


def test_one_listener_alone_has_shelves_from_their_own_history(alone: tuple[Line, UUID]) -> None:
    line, listener = alone
    found = shelves(line, listener)
    assert_sound(found)
    assert len(found.shelves) >= 3
    assert found.shelves[0].name == "for_now"


def test_what_was_just_played_decides_what_is_for_now(alone: tuple[Line, UUID]) -> None:
    line, listener = alone
    before = shelves(line, listener).shelves[0]
    played = NewListen(datetime.now(UTC), "Band 3", "Song 0")
    line.services.listens.load([ListenerListens(listener, [played])], "tests")
    line.follow()
    after = shelves(line, listener).shelves[0]
    key = identify("Band 3", "Song 0").recording_key
    assert key not in {item.key for item in after.items}
    assert [item.key for item in after.items] != [item.key for item in before.items]
    follows = [item for item in after.items if item.why == "follows"]
    assert follows
    assert all([reason.key for reason in item.because] == [key] for item in follows)


def test_a_radio_never_ends_and_keeps_artists_apart(alone: tuple[Line, UUID]) -> None:
    line, listener = alone
    radio = line.services.recommendations.radio
    pages = [radio(listener, Seeds(artists=[artist_key("Band 1")], tags=["quiet"]), page, 10) for page in range(12)]
    assert all(len(page.items) == 10 for page in pages)
    assert pages[0].seeds == ["Band 1", "quiet"]
    assert pages[0] == radio(listener, Seeds(artists=[artist_key("Band 1")], tags=["quiet"]), 0, 10)


def test_sliders_move_what_is_recommended(trained: Line) -> None:
    listener = rock_listener(trained)
    loud = [Sound(f"Rock band {band}", f"Song {song}", band / 10) for band in range(10) for song in range(4)]
    trained.services.catalog.add_sounds(loud)
    trained.follow()

    def mean_energy(turned: float) -> float:
        found = trained.services.recommendations.recommend(listener, limit=6, steering=Steering(energy=turned))
        energies = {identify(s.artist, s.title).recording_key: s.energy for s in loud}
        return sum(energies[item.key] for item in found.items if item.key in energies) / len(found.items)

    assert mean_energy(-1) < mean_energy(1)
    assert shelves(trained, listener).has_energy


def test_recommendations_of_one_artist_or_tag_only(trained: Line) -> None:
    listener = rock_listener(trained)
    trained.services.catalog.add_tags([Tagging("Rock band 7", None, ["loud"])])
    trained.follow()
    recommend = trained.services.recommendations.recommend
    for steering in (Steering(artist=artist_key("Rock band 7")), Steering(tag="loud")):
        found = recommend(listener, limit=10, steering=steering)
        assert {item.artist for item in found.items} == {"Rock band 7"}


def test_the_map_is_around_an_artist_and_shows_who_is_alike(trained: Line) -> None:
    listener = rock_listener(trained)
    middle = artist_key("Rock band 8")
    found = trained.services.recommendations.artist_map(listener, middle, 8)
    assert found.artists[0].key == middle
    assert all(0 <= each.x <= 1 and 0 <= each.y <= 1 for each in found.artists)
    assert len({(each.x, each.y) for each in found.artists}) == len(found.artists)
    alike = [found.artists[link.target].name for link in found.links if link.source == 0]
    assert alike
    assert all(name.startswith("Rock") for name in alike)
