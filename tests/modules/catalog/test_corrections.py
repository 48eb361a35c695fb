"""Merging, renaming, splitting and reassigning, for oneself and for everyone, and undoing each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.composition import Container
from app.contracts.catalog import (
    AlreadyCorrected,
    ArtistNotFound,
    CircularCorrection,
    CorrectionNotFound,
    InvalidCorrection,
    Merge,
    ReassignArtist,
    RecordingNotFound,
    Rename,
    Scope,
    SplitArtist,
)
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import Entity, NewListen
from app.kernel.context import acting_as
from app.kernel.contract import Forbidden
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
