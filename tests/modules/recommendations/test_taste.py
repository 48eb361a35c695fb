"""The shelf of new artists keeps to one of a listener's tastes a day, and says whose."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.bench.system import Servers
from app.contracts.recommendations import Shelf, Steering
from app.modules.recommendations.service import RecommendationsService
from tests.support.line import Line, new_line

BANDS = 30


@pytest.fixture(scope="module")
def trained(servers: Servers, folder: Path) -> Iterator[Line]:
    """Sixty listeners of two tastes, thirty bands each."""
    rng = np.random.default_rng(1)
    with new_line(servers, folder / f"line-{uuid4().hex[:6]}") as line:
        for number in range(60):
            taste = ("Rock", "Jazz")[number % 2]
            bands = rng.permutation(BANDS)[:14].tolist()
            line.listen(uuid4(), [(f"{taste} band {band}", "Song") for band in bands], days=number % 7)
        assert line.train("artists").state == "done"
        yield line


def new_artists(line: Line, listener: UUID, days: int) -> Shelf:
    service = line.services.wire("recommendations").service
    assert isinstance(service, RecommendationsService)
    now = datetime.now(UTC) + timedelta(days=days)
    found = RecommendationsService(service.database, service.models, lambda: now).shelves(listener, Steering())
    return next(shelf for shelf in found.shelves if shelf.name == "new_artists")


def test_two_tastes_take_turns(trained: Line) -> None:
    listener = uuid4()
    trained.listen(listener, [(f"{taste} band {band}", "Song") for taste in ("Rock", "Jazz") for band in range(6)])
    trained.follow()
    today, tomorrow = (new_artists(trained, listener, days) for days in (0, 1))
    for shelf in (today, tomorrow):
        tastes = {item.artist.split()[0] for item in shelf.items}
        assert len(tastes) == 1, tastes
        assert {name.split()[0] for name in shelf.around} == tastes
        assert all(item.because for item in shelf.items)
    assert today.items[0].artist.split()[0] != tomorrow.items[0].artist.split()[0]


def test_one_taste_needs_no_name(trained: Line) -> None:
    listener = uuid4()
    trained.listen(listener, [(f"Rock band {band}", "Song") for band in range(6)])
    trained.follow()
    assert new_artists(trained, listener, 0).around == []
