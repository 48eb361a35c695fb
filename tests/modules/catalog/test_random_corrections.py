"""Whatever is played, deleted, corrected and undone in whatever order: the figures are those of a recount by hand."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Servers
from app.composition import Container
from app.contracts.catalog import (
    Act,
    AlreadyCorrected,
    ArtistNotFound,
    CircularCorrection,
    InvalidCorrection,
    Merge,
    ReassignArtist,
    RecordingNotFound,
    Rename,
    Scope,
    SplitArtist,
)
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import NewListen
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.modules.listens import popular
from app.modules.recommendations import reading
from tests.modules.catalog.recount import Recording, Said, View
from tests.support.alone import Alone, alone
from tests.support.people import Person, new_person
from tests.support.waiting import eventually

START = datetime(2024, 3, 1, tzinfo=UTC)
REFUSED = (AlreadyCorrected, CircularCorrection, InvalidCorrection, ArtistNotFound, RecordingNotFound)


@dataclass
class Play:
    at: datetime
    recording: Recording


@dataclass
class World:
    """Two listeners with corrections of their own, an admin, and all that was said and played."""

    services: Any
    random: random.Random
    artists: list[str]
    titles: list[str]
    people: list[Person]
    admin: Person
    plays: dict[UUID, list[Play]] = field(default_factory=dict)
    said: dict[UUID | None, list[tuple[UUID, Said]]] = field(default_factory=dict)
    known: set[Recording] = field(default_factory=set)
    clock: int = 0

    def step(self) -> None:
        do = self.random.choices([self.play, self.delete, self.correct, self.undo], weights=[5, 1, 4, 2])[0]
        do()

    def play(self) -> None:
        person, pair = self.random.choice(self.people), self.pair()
        self.clock += 1
        play = Play(START + timedelta(minutes=5 * self.clock), pair)
        with acting_as(person.actor):
            self.services.listens.submit(person.listener_id, [NewListen(play.at, *pair)])
        self.plays.setdefault(person.listener_id, []).append(play)
        self.known.add(pair)

    def delete(self) -> None:
        person = self.random.choice(self.people)
        plays = self.plays.get(person.listener_id, [])
        if plays:
            play = plays.pop(self.random.randrange(len(plays)))
            with acting_as(person.actor):
                shown = self.services.listens.history(person.listener_id, limit=1000).listens
                [key] = [listen.recording_key for listen in shown if listen.listened_at == play.at]
                self.services.listens.delete_listen(person.listener_id, play.at, key)

    def pair(self) -> Recording:
        return self.random.choice(self.artists), self.random.choice(self.titles)

    def correct(self) -> None:
        whose = self.random.choice([*self.people, None])
        said, act = self.some_act()
        scope: Scope = "me" if whose else "everyone"
        with acting_as((whose or self.admin).actor), suppress(*REFUSED):
            made = self.services.catalog.add_correction(scope, act)
            self.said.setdefault(whose.listener_id if whose else None, []).append((made.correction_id, said))

    def some_act(self) -> tuple[Said, Act]:
        one, two, three = self.random.sample(self.artists, 3)
        first, second = self.pair(), self.pair()
        keys = recording_key(*first), recording_key(*second)
        credit: Any = self.random.choice(["first", "all"])
        return self.random.choice(
            [
                (Said("artists", (one,), (two,)), Merge("artists", [artist_key(one)], artist_key(two))),
                (Said("recordings", first, second), Merge("recordings", [keys[0]], keys[1])),
                (
                    Said("split", (one,), (two, three) if credit == "all" else (two,)),
                    SplitArtist(artist_key(one), [two, three], credit),
                ),
                (Said("reassign", first, (two,)), ReassignArtist(keys[0], two)),
                (Said("name of artist", (one,), (f"New {one}",)), Rename("artists", artist_key(one), f"New {one}")),
                (
                    Said("name of recording", first, (f"New {first[1]}",)),
                    Rename("recordings", keys[0], f"New {first[1]}"),
                ),
            ]
        )

    def undo(self) -> None:
        made = [(whose, each) for whose, corrections in self.said.items() for each in corrections]
        if made:
            whose, each = self.random.choice(made)
            person = next((p for p in self.people if p.listener_id == whose), self.admin)
            with acting_as(person.actor):
                self.services.catalog.undo_correction(each[0])
            assert whose in self.said
            self.said[whose].remove(each)

    def view(self, person: Person | None) -> View:
        own = [said for _, said in self.said.get(person.listener_id, [])] if person else []
        return View([own, [said for _, said in self.said.get(None, [])]], self.known)

    def figures(self, person: Person) -> tuple[Counter[UUID], Counter[UUID]]:
        return self.view(person).count(play.recording for play in self.plays.get(person.listener_id, []))

    def check(self, person: Person) -> None:
        listens, who = self.services.listens, person.listener_id
        recordings, artists = self.figures(person)
        with acting_as(person.actor):
            top = listens.top(who, "recordings", limit=1000)
            assert {item.key: item.plays for item in top.items} == recordings
            top = listens.top(who, "artists", limit=1000)
            assert {item.key: item.plays for item in top.items} == artists
            view = self.view(person)
            names = {artist_key(name): view.name_of_artist(name) for name in self.artists}
            renamed = {key: name for key, name in names.items() if name.startswith("New ")}
            assert all(item.title == renamed.get(item.key, item.title) for item in top.items)
            for name in self.random.sample(self.artists, 2):
                key = artist_key(name)
                assert listens.summary(who, key).plays == listens.plays_of(who, "artists", key) == artists[key]
                best = {item.key: item.plays for item in listens.artist_top(who, key)}
                assert sum(best.values()) == artists[key]
            shown = listens.history(who, limit=1000).listens
            assert Counter(listen.recording_key for listen in shown) == recordings
            raw = Counter(listen.sent.recording_key if listen.sent else listen.recording_key for listen in shown)
            assert raw == Counter(recording_key(*play.recording) for play in self.plays.get(who, []))

    def check_profile(self, person: Person, database: Database) -> None:
        expected = self.figures(person)
        with database.begin() as session:
            for kind, counted in zip(("recordings", "artists"), expected, strict=True):
                profile = reading.profile(session, person.listener_id, kind)  # type: ignore[arg-type]
                assert {each.key: each.plays for each in profile.weighed} == counted


def a_world(services: Any, seed: int) -> World:
    mark = uuid4().hex[:8]
    people = [new_person(services), new_person(services), new_person(services)]
    world = World(
        services,
        random.Random(seed),
        [f"{name} {mark}" for name in ("Ada", "Bob & Ada", "Bob", "Cleo", "Dora", "Emil")],
        [f"{title} {mark}" for title in ("Song", "Tune", "Air")],
        people,
        new_person(services, is_admin=True),
    )
    for artist in world.artists:
        for title in world.titles[:2]:
            world.known.add((artist, title))
    start = START - timedelta(days=3)
    teller = new_person(services)
    with acting_as(teller.actor):
        listens = [NewListen(start + timedelta(minutes=5 * n), *pair) for n, pair in enumerate(sorted(world.known))]
        services.listens.submit(teller.listener_id, listens)
    return world


@pytest.fixture(scope="module")
def own(servers: Servers, folder: Path) -> Iterator[Alone]:
    with alone(servers, folder / "corrected-alone") as found:
        yield found


def state(own: Alone) -> dict[str, list[Any]]:
    """Return what the modules keep of corrections."""
    found = {}
    for module in ("catalog", "listens", "recommendations"):
        with own.database(module).begin() as session:
            found[module] = [
                tuple(row)
                for row in session.execute(
                    text(
                        """
                        select scope, kind, from_key, place, to_key, name, artist_key, artist
                        from alias
                        order by scope, kind, from_key, place
                        """
                    )
                )
            ]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_figures_are_those_of_a_recount(own: Alone, seed: int) -> None:
    with acting_as(SYSTEM):
        world = a_world(own.services, seed)
        own.follow("catalog")
        for _ in range(12):
            for _ in range(self_paced(world)):
                world.step()
                own.follow("catalog")
            for module in ("listens", "recommendations"):
                own.follow(module)
            for person in world.people:
                world.check(person)
                world.check_profile(person, own.database("recommendations"))
        kept = state(own)
        assert kept["catalog"] == kept["listens"] == kept["recommendations"]
        for module in ("catalog", "listens", "recommendations"):
            own.replay(module)
        assert state(own) == kept
        while any(world.said.values()):
            world.undo()
        for module in ("listens", "recommendations"):
            own.follow(module)
        assert not any(state(own).values())
        for person in world.people:
            world.check(person)
            world.check_profile(person, own.database("recommendations"))


def self_paced(world: World) -> int:
    return world.random.randint(1, 6)


def test_what_is_popular_is_counted_through_everyones_corrections(own: Alone) -> None:
    with acting_as(SYSTEM):
        world = a_world(own.services, 99)
        own.follow("catalog")
        for _ in range(60):
            world.step()
            own.follow("catalog")
        own.follow("listens")
        popular.refresh(own.database("listens"))
        recordings: Counter[UUID] = Counter()
        for person in world.people:
            theirs, _ = world.view(None).count(play.recording for play in world.plays.get(person.listener_id, []))
            recordings.update(dict.fromkeys(theirs, 1))
        teller, _ = world.view(None).count((artist, title) for artist in world.artists for title in world.titles[:2])
        recordings.update(dict.fromkeys(teller, 1))
        found = {item.key: item.listeners for item in own.services.listens.popular("recordings", 500)}
        assert {key: found.get(key) for key in recordings} == recordings


@pytest.mark.parametrize("seed", [7])
def test_it_is_so_wherever_the_modules_run(services: Container, database: Any, seed: int) -> None:
    world = a_world(services, seed)
    keys = [recording_key(*pair) for pair in world.known]
    eventually(lambda: len(services.catalog.get_recordings(keys)) == len(keys))
    recommendations = database("recommendations")
    for _ in range(30):
        world.step()
    for person in world.people:
        eventually(lambda person=person: world.check(person) is None, within_s=15)
        eventually(lambda person=person: world.check_profile(person, recommendations) is None, within_s=15)
