"""Recordings that nobody here has played: what they are alike to, to whom they are offered, and why."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Process, Servers
from app.contracts.catalog import Merge, Sound, Tagging
from app.contracts.identity import artist_key, identify
from app.contracts.listens import ListenerListens, NewListen
from app.contracts.recommendations import ItemUnknown, Pick, Seeds, Steering
from app.kernel.celery import make_celery
from app.kernel.clock import system_clock
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.modules.recommendations import likeness
from app.modules.recommendations.tasks import LIKENESS
from tests.modules.recommendations.test_shelves import assert_sound, on_a_day, rock_listener
from tests.support.line import Line, new_line
from tests.support.stack import Stack
from tests.support.waiting import eventually

# loud and fast, or calm and played on brass
ROCK = [0.4, -5.0, 0.08, 0.05, 0.1, 0.3, 0.4, 140.0]
JAZZ = [0.6, -18.0, 0.04, 0.8, 0.7, 0.1, 0.6, 100.0]


def sound(taste: str, artist: str, title: str, shift: float = 0.0) -> Sound:
    audio = [round(value * (1 + shift), 4) for value in (ROCK if taste == "Rock" else JAZZ)]
    return Sound(artist, title, 0.9 if taste == "Rock" else 0.2, audio)


def key_of(artist: str, title: str) -> UUID:
    return identify(artist, title).recording_key


HOURS = count(1)


def later() -> datetime:
    """Return a time at which fitting may take place again, however long it took: an hour after the one before."""
    return datetime.now(UTC) + timedelta(hours=next(HOURS))


def refreshed(line: Line) -> bool:
    line.follow()
    return likeness.refresh(line.database("recommendations"), later)


@pytest.fixture(scope="module")
def heard(servers: Servers, folder: Path) -> Iterator[Line]:
    """Two tastes that sound differently; of each there are recordings that nobody played, some by nobody known."""
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        line.two_tastes()
        sounds = [
            sound(taste, f"{taste} band {band}", f"Song {song}", (band * 4 + song) / 400)
            for taste in ("Rock", "Jazz")
            for band in range(10)
            for song in range(4)
        ]
        unplayed = [
            sound(taste, f"New {taste} {n // 3}", f"First {n}", n / 100)
            for taste in ("Rock", "Jazz")
            for n in range(12)
        ]
        line.services.catalog.add_sounds([*sounds, *unplayed])
        for kind in ("recordings", "artists"):
            assert line.train(kind).state == "done"
        assert refreshed(line)
        yield line


def offered(line: Line, listener: UUID, size: int = 8, **turned: float) -> list[Pick]:
    return line.services.recommendations.shelves(listener, Steering(**turned), size).unplayed


def rows(line: Line) -> dict[UUID, tuple[list[UUID], list[float], bool]]:
    with line.database("recommendations").begin() as session:
        found = session.execute(text("select key, near, weights, is_new from likeness")).all()
    return {row.key: (row.near, row.weights, row.is_new) for row in found}


def test_fitting_again_changes_nothing_and_is_done_only_when_something_changed(heard: Line) -> None:
    refreshed(heard)
    before = rows(heard)
    assert {key for key, row in before.items() if row[2]} >= {key_of("New Rock 0", "First 0")}
    assert not refreshed(heard)
    with heard.database("recommendations").begin() as session:
        stamps = session.execute(text("select * from stamp order by listener_id")).all()
        session.execute(text("update likeness_fit set seen = ''"))
    assert refreshed(heard)
    assert rows(heard) == before
    with heard.database("recommendations").begin() as session:
        assert session.execute(text("select * from stamp order by listener_id")).all() == stamps


def test_of_two_at_once_one_fits(heard: Line) -> None:
    database = heard.database("recommendations")
    with database.begin() as session:
        session.execute(text("update likeness_fit set seen = ''"))
    with database.dedicated() as other:
        other.execute(text("select pg_advisory_lock(hashtext('likeness'))"))
        assert not refreshed(heard)
    assert refreshed(heard)


def test_how_much_of_the_time_goes_into_fitting_is_bounded(heard: Line) -> None:
    database = heard.database("recommendations")
    refreshed(heard)
    with database.begin() as session:
        session.execute(text("update likeness_fit set seen = '', took_s = 60, fitted_at = now()"))  # that is 20 minutes
    assert not likeness.refresh(database, lambda: datetime.now(UTC) + timedelta(minutes=19))
    assert likeness.refresh(database, lambda: datetime.now(UTC) + timedelta(minutes=21))


def test_what_nobody_played_is_similar_to_what_sounds_like_it(heard: Line) -> None:
    found = heard.services.recommendations.similar("recordings", key_of("New Rock 0", "First 0"), 5)
    assert (found.model, found.degraded, len(found.items)) == ("likeness", False, 5)
    assert all(item.artist.startswith("Rock band") for item in found.items)
    scores = [item.score for item in found.items]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] <= scores[0] <= 1


def test_what_was_played_since_the_model_was_made_is_similar_by_its_content_too(heard: Line) -> None:
    artist, title = f"Fresh {uuid4().hex[:6]}", "Today"
    heard.services.catalog.add_sounds([sound("Jazz", artist, title)])
    heard.listen(uuid4(), [(artist, title)])
    assert refreshed(heard)
    found = heard.services.recommendations.similar("recordings", key_of(artist, title))
    assert found.model == "likeness"
    assert all(item.artist.startswith("Jazz band") for item in found.items)


def test_what_nothing_is_known_of_is_similar_to_nothing(heard: Line) -> None:
    with pytest.raises(ItemUnknown):
        heard.services.recommendations.similar("recordings", uuid4())
    with pytest.raises(ItemUnknown):
        heard.services.recommendations.similar("artists", artist_key("New Rock 0"))


def test_it_is_offered_to_whom_plays_alike_with_their_own_plays_as_reasons(heard: Line) -> None:
    listener = rock_listener(heard)
    found = heard.services.recommendations.shelves(listener)
    assert_sound(found)
    assert len(found.unplayed) >= 4
    assert all(item.artist.startswith("New Rock") and item.listeners == 0 for item in found.unplayed)
    assert max(sum(item.artist_key == each.artist_key for item in found.unplayed) for each in found.unplayed) == 2
    assert not {item.key for item in found.unplayed} & {item.key for shelf in found.shelves for item in shelf.items}
    own = {each["key"] for each in heard.services.recommendations.export_listener(listener)["profile"]}
    for item in found.unplayed:
        assert {str(reason.key) for reason in item.because} <= own
        assert all(reason.plays == 1 and reason.title.startswith("Song") for reason in item.because)
        assert sum(reason.share for reason in item.because) + item.other == pytest.approx(1, abs=1e-6)


def test_a_share_of_the_score_is_that_of_likeness_times_weight(heard: Line) -> None:
    listener = rock_listener(heard)
    near = rows(heard)
    own = {key_of(f"Rock band {band}", f"Song {song}") for band in range(4) for song in range(3)}
    for item in offered(heard, listener):
        weights = dict(zip(*near[item.key][:2], strict=True))
        parts = {key: weight for key, weight in weights.items() if key in own}  # each was played once
        assert item.score == pytest.approx(sum(parts.values()), abs=1e-6)
        for reason in item.because:
            assert reason.share == pytest.approx(parts[reason.key] / sum(parts.values()), abs=1e-6)


def test_tomorrow_others_are_first(heard: Line) -> None:
    listener = rock_listener(heard)
    today, again, tomorrow = (on_a_day(heard, days).shelves(listener).unplayed for days in (0, 0, 1))
    assert [item.key for item in today] == [item.key for item in again]
    assert [item.key for item in today] != [item.key for item in tomorrow]


def test_what_is_hidden_or_loved_goes_at_once_and_so_does_a_hidden_artist(heard: Line) -> None:
    listener = rock_listener(heard)
    hidden, loved, other = offered(heard, listener, 12)[:3]
    feedback = heard.services.listens.set_feedback
    feedback(listener, "recordings", hidden.key, -1)
    feedback(listener, "recordings", loved.key, 1)
    feedback(listener, "artists", other.artist_key, -1)
    heard.follow()
    now = offered(heard, listener, 12)
    assert now
    assert not {item.key for item in now} & {hidden.key, loved.key}
    assert other.artist_key not in {item.artist_key for item in now}
    feedback(listener, "recordings", hidden.key, 0)
    heard.follow()
    assert other.artist_key == hidden.artist_key or hidden.key in {item.key for item in offered(heard, listener, 30)}


def test_what_somebody_played_meanwhile_is_not_offered_to_others_any_more(heard: Line) -> None:
    listener, other = rock_listener(heard), uuid4()
    first = offered(heard, listener)[0]
    heard.listen(other, [(first.artist, first.title)])
    heard.listen(listener, [("Rock band 9", "Song 0")], days=3)
    heard.follow()
    assert first.key not in {item.key for item in offered(heard, listener, 30)}


def test_who_has_played_nothing_is_offered_nothing_of_it(heard: Line) -> None:
    assert offered(heard, uuid4()) == []


def test_a_radio_begins_with_what_it_is_alike_to(heard: Line) -> None:
    asked = Seeds(recordings=[key_of("New Jazz 1", "First 3")])
    found = heard.services.recommendations.radio(uuid4(), asked, 0, 8)
    assert found.seeds == ["First 3 – New Jazz 1"]
    assert sum(item.artist.startswith("Jazz") for item in found.items) >= 6


def test_one_that_is_merged_with_another_is_not_offered_beside_it(heard: Line) -> None:
    listener = rock_listener(heard)
    first = offered(heard, listener)[0]
    merge = Merge("recordings", [first.key], key_of("Rock band 0", "Song 0"))
    with acting_as(SYSTEM):
        correction = heard.services.catalog.add_correction("everyone", merge)
    heard.follow()
    assert first.key not in {item.key for item in offered(heard, listener, 30)}
    heard.services.catalog.undo_correction(correction.correction_id)
    heard.follow()


def test_without_sound_artist_and_tags_say_what_is_alike(servers: Servers, folder: Path) -> None:
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        listener = uuid4()
        line.listen(listener, [(f"Band {band}", f"Song {song}") for band in range(4) for song in range(3)])
        line.services.catalog.add_tags(
            [
                Tagging("Band 0", None, ["sea shanty"]),
                Tagging("Band 1", None, ["polka"]),
                Tagging("Band 2", "Never heard", ["live"]),
                Tagging("Somebody new", "Haul away", ["sea shanty"]),
                Tagging("Somebody else", "Unlike", ["gamelan"]),
            ]
        )
        # energy alone is no sound: it would make all that is loud the same
        line.services.catalog.add_sounds([Sound("Band 3", "Song 0", 0.9), Sound("Somebody loud", "Noise", 0.9)])
        assert refreshed(line)
        found = {item.title: {reason.artist for reason in item.because} for item in offered(line, listener)}
        assert found == {"Haul away": {"Band 0"}, "Never heard": {"Band 2"}}


def test_where_hardly_anything_was_played_nothing_is_said(servers: Servers, folder: Path) -> None:
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        listener = uuid4()
        line.listen(listener, [("Band", "Song")])
        line.services.catalog.add_sounds([sound("Rock", "Band", "Song"), sound("Rock", "Band", "Other")])
        assert refreshed(line)
        assert rows(line) == {}
        assert offered(line, listener) == []


def loaded(stack: Stack) -> tuple[UUID, str]:
    """Let a listener play what an artist recorded, but for one recording; return who, and the artist."""
    artist, listener = f"Otter {uuid4().hex}", uuid4()
    at = datetime.now(UTC) - timedelta(days=1)
    listens = [NewListen(at + timedelta(minutes=4 * n), artist, f"Song {n}") for n in range(6)]
    stack.services.catalog.add_sounds([sound("Jazz", artist, f"Song {n}", n / 100) for n in range(7)])
    stack.services.listens.load([ListenerListens(listener, listens)], "tests")
    eventually(lambda: stack.services.recommendations.profile_size(listener) == 7, within_s=15)
    return listener, artist


def test_it_is_served_wherever_modules_run(stack: Stack, database: Callable[..., Database]) -> None:
    with acting_as(SYSTEM):
        listener, artist = loaded(stack)

        def titles() -> list[str]:
            likeness.refresh(database("recommendations"), system_clock)
            found = stack.services.recommendations.shelves(listener).unplayed
            return [item.title for item in found if item.artist == artist]

        assert eventually(titles, within_s=30, every_s=0.5) == ["Song 6"]
        near = stack.services.recommendations.similar("recordings", key_of(artist, "Song 6"), 6)
        assert {item.artist for item in near.items} == {artist}


def test_a_worker_fits_it(loopback: Stack, worker: Process) -> None:
    celery = make_celery(loopback.settings)
    with acting_as(SYSTEM):
        listener, artist = loaded(loopback)

        def titles() -> list[str]:
            celery.send_task(LIKENESS, ignore_result=True)
            found = loopback.services.recommendations.shelves(listener).unplayed
            return [item.title for item in found if item.artist == artist]

        assert eventually(titles, within_s=60, every_s=1) == ["Song 6"]
