"""A person's export brought into another, empty instance: the same history, figures and recommendations there."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.bench.system import Servers
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import NewListen, NewPlaycount
from app.kernel.context import SYSTEM, acting_as
from app.modules.accounts.export import chunks
from tests.modules.listens.test_imports import bring
from tests.support.alone import Alone, alone

pytestmark = pytest.mark.extended

START = datetime(2025, 1, 1, 18, tzinfo=UTC)
SESSIONS, SONGS = 60, 12


def sessions() -> list[NewListen]:
    """Evenings, each of one of four tastes: what is played near what says something."""
    chance = random.Random(5)
    played = []
    for evening in range(SESSIONS):
        taste = evening % 4
        for number in range(SONGS):
            artist = f"Artist {taste * 5 + chance.randrange(5)}"
            title = f"Song {int(9 * chance.random() ** 2)} of {artist}"
            at = START + timedelta(days=evening, minutes=4 * number)
            played.append(NewListen(at, artist, title, f"Release of {artist}", duration_ms=200_000))
    return played


def seen(instance: Alone, listener: UUID) -> dict[str, Any]:
    """Return what a person sees of an instance: history, statistics and, of both kinds, recommendations."""
    services = instance.services
    listens = services.listens
    history, before = [], None
    while (page := listens.history(listener, before=before, limit=500)).listens:
        history += [
            (each.listened_at, each.recording_key, each.artist, each.title, each.release) for each in page.listens
        ]
        before = page.listens[-1].listened_at
    tops = {kind: listens.top(listener, kind, limit=100).items for kind in ("artists", "releases", "recordings")}
    told = {}
    for kind in ("recordings", "artists"):
        answer = services.recommendations.recommend(listener, kind, 20, include_known=True)
        told[kind] = [(item.key, round(item.score, 6), item.because) for item in answer.items]
        assert told[kind]
        assert not answer.degraded
    return {"history": history, "tops": tops, "activity": listens.activity(listener), "recommendations": told}


def train(instance: Alone) -> None:
    for module in ("catalog", "recommendations", "listens"):
        instance.follow(module)
    for kind in ("recordings", "artists"):
        run = instance.services.training.start_run(kind)
        instance.services.wire("training").service.run(run.run_id)
        assert instance.services.training.get_run(run.run_id).state == "done"
    instance.follow("recommendations")


def test_an_export_brought_into_an_empty_instance_gives_the_same(servers: Servers, folder: Path) -> None:
    with alone(servers, folder / "from") as there, alone(servers, folder / "to") as here, acting_as(SYSTEM):
        one = there.services.accounts.ensure_listeners(["mover"])[0].listener_id
        assert there.services.listens.submit(one, sessions(), "a player").accepted == SESSIONS * SONGS
        there.services.listens.set_playcounts([NewPlaycount(one, "Artist 21", "Song 1 of Artist 21", 7)], "library")
        loved = recording_key("Artist 1", "Song 0 of Artist 1")
        there.services.listens.set_feedback(one, "recordings", loved, 1)
        there.services.listens.set_feedback(one, "artists", artist_key("Artist 7"), -1)
        train(there)
        data = b"".join(chunks(there.services, one))
        other = here.services.accounts.ensure_listeners(["mover"])[0].listener_id
        assert bring(here.services.listens, other, data).state == "done"
        train(here)
        assert seen(here, other) == seen(there, one)
