"""What was corrected is known, recommended and explained as what it is now."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.bench.system import Servers
from app.contracts.catalog import Act, Merge, Rename, SplitArtist
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import Kind
from app.contracts.recommendations import Recommendations
from app.modules.recommendations import reading
from tests.support.line import Line, new_line

Correct = Callable[[Act], None]


@pytest.fixture(scope="module")
def trained(servers: Servers, folder: Path) -> Iterator[Line]:
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        line.two_tastes()
        for kind in ("recordings", "artists"):
            assert line.train(kind).state == "done"
        follow(line)
        yield line


def follow(line: Line) -> None:
    line.settle()
    for follower in line.services.wire("catalog").followers:
        follower.catch_up()
    line.follow()


@pytest.fixture
def correct(trained: Line) -> Iterator[Correct]:
    """Correct for everyone, until the end of the test."""
    made: list[UUID] = []

    def correct_now(act: Act) -> None:
        follow(trained)
        made.append(trained.services.catalog.add_correction("everyone", act).correction_id)
        follow(trained)

    yield correct_now
    for correction_id in made:
        trained.services.catalog.undo_correction(correction_id)
    follow(trained)


def rock_listener(line: Line, *of: int, name: str = "Rock band") -> UUID:
    listener = uuid4()
    line.listen(listener, [(f"{name} {band}", f"Song {song}") for band in of for song in range(4)])
    follow(line)
    return listener


def answer(line: Line, listener: UUID, kind: Kind = "recordings", limit: int = 200) -> Recommendations:
    return line.services.recommendations.recommend(listener, kind, limit)


def test_what_is_known_under_another_name_is_not_suggested(trained: Line, correct: Correct) -> None:
    listener = rock_listener(trained, 0, 1, 2)
    other = artist_key("Rock band 3")
    assert other in {item.artist_key for item in answer(trained, listener).items}
    assert other in {item.key for item in answer(trained, listener, "artists").items}
    correct(Merge("artists", [other], artist_key("Rock band 0")))
    for kind in ("recordings", "artists"):
        found = answer(trained, listener, kind).items
        assert found
        assert not {other, artist_key("Rock band 0")} & {item.artist_key for item in found}


def test_what_is_the_same_is_suggested_once_under_its_name(trained: Line, correct: Correct) -> None:
    listener = rock_listener(trained, 0, 1, 2)
    correct(Merge("artists", [artist_key("Rock band 3")], artist_key("Rock band 4")))
    correct(Rename("artists", artist_key("Rock band 4"), "The rock band"))
    found = answer(trained, listener).items
    keys = [item.key for item in found]
    assert len(set(keys)) == len(keys)
    by_them = [item for item in found if item.artist_key == artist_key("Rock band 4")]
    assert {item.key for item in by_them} == {recording_key("Rock band 4", f"Song {song}") for song in range(4)}
    assert {item.artist for item in by_them} == {"The rock band"}
    assert artist_key("Rock band 3") not in {item.artist_key for item in found}


@pytest.mark.parametrize("kind", ["recordings", "artists"])
def test_a_misspelt_history_speaks_once_it_is_corrected(trained: Line, correct: Correct, kind: Kind) -> None:
    listener = rock_listener(trained, 3, name=f"Rok band {uuid4().hex[:6]}")
    [misspelt] = [
        each["artist"]
        for each in trained.services.recommendations.export_listener(listener)["profile"]
        if each["kind"] == "artists"
    ]
    assert answer(trained, listener, kind).degraded
    correct(Merge("artists", [artist_key(misspelt)], artist_key("Rock band 3")))
    found = answer(trained, listener, kind)
    assert not found.degraded
    assert all(item.artist.startswith("Rock band") for item in found.items[:5])
    assert {reason.artist for item in found.items for reason in item.because} == {"Rock band 3"}
    own = {artist_key("Rock band 3"), *(recording_key("Rock band 3", f"Song {song}") for song in range(4))}
    assert {reason.key for item in found.items for reason in item.because} <= own


def test_a_name_that_the_model_does_not_know_speaks_by_the_one_it_knows(trained: Line, correct: Correct) -> None:
    listener = rock_listener(trained, 4)
    new = f"Younger name {uuid4().hex[:6]}"
    trained.listen(uuid4(), [(new, "Song 0")])
    correct(Merge("artists", [artist_key("Rock band 4")], artist_key(new)))
    found = answer(trained, listener)
    assert not found.degraded
    assert {reason.artist for item in found.items for reason in item.because} == {new}
    near = trained.services.recommendations.similar("artists", artist_key(new), 5)
    assert all(item.artist.startswith("Rock") for item in near.items)


def test_a_hidden_artist_hides_what_is_theirs_now(trained: Line, correct: Correct) -> None:
    listener = rock_listener(trained, 0, 1, 2)
    trained.services.listens.set_feedback(listener, "artists", artist_key("Rock band 8"), -1)
    correct(Merge("artists", [artist_key("Rock band 9")], artist_key("Rock band 8")))
    for kind in ("recordings", "artists"):
        found = {item.artist_key for item in answer(trained, listener, kind).items}
        assert not {artist_key("Rock band 8"), artist_key("Rock band 9")} & found


def test_a_listener_of_a_credit_of_several_is_one_of_each(trained: Line, correct: Correct) -> None:
    both = f"Rock band 1 & Rock band 2 {uuid4().hex[:6]}"
    listener = uuid4()
    trained.listen(listener, [(both, "Duet"), (both, "Duet")])
    correct(SplitArtist(artist_key(both), ["Rock band 1", "Rock band 2"], "all"))
    with trained.database("recommendations").begin() as session:
        profile = reading.profile(session, listener, "artists")
    assert {(each.key, each.plays) for each in profile.weighed} == {
        (artist_key("Rock band 1"), 2),
        (artist_key("Rock band 2"), 2),
    }
    assert not answer(trained, listener, "artists").degraded
