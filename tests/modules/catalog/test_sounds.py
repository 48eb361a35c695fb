"""How recordings sound: what is kept of it, what is told of it, and what is refused."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Servers, environment_for, migrate
from app.composition import Container
from app.contracts.catalog import AUDIO_FEATURES, Described, Description, Sound, Tagging
from app.contracts.identity import identify
from app.kernel import migrations
from app.kernel.binding import loopback
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import InvalidRequest
from app.kernel.db import Database, module_url
from app.settings import load as load_settings
from app.topology import load as load_topology
from tests.support.waiting import eventually

AUDIO = [0.4, -7.7, 0.04, 0.49, 0.0, 0.08, 0.85, 185.7]


def told(services: Container, artist: str, title: str) -> list[Description]:
    """Return what the feed tells of a recording, oldest first."""
    key, cursor = identify(artist, title).recording_key, ""
    found: list[Description] = []
    with acting_as(SYSTEM):
        while (page := services.catalog.feed(cursor)).events:
            cursor = page.cursor
            described = [each for event in page.events if isinstance(event, Described) for each in event.descriptions]
            found += [each for each in described if each.key == key]
    return found


def test_a_sound_is_told_with_names_once(services: Container) -> None:
    artist = f"Garland {uuid4().hex}"
    with acting_as(SYSTEM):
        assert services.catalog.add_sounds([Sound(artist, "Fella", 0.62, AUDIO)]) == 1
        assert services.catalog.add_sounds([Sound(artist, "Fella", 0.62, AUDIO)]) == 0
    [described] = eventually(lambda: told(services, artist, "Fella"))
    key, artist_key = identify(artist, "Fella")[:2]
    assert described == Description("recordings", key, [], 0.62, AUDIO, "Fella", artist, artist_key)


def test_what_was_known_of_audio_stays_where_only_energy_is_said(services: Container) -> None:
    artist = f"Garland {uuid4().hex}"
    with acting_as(SYSTEM):
        services.catalog.add_sounds([Sound(artist, "Fella", 0.62, AUDIO)])
        assert services.catalog.add_sounds([Sound(artist, "Fella", 0.62)]) == 0
        assert services.catalog.add_sounds([Sound(artist, "Fella", 0.5)]) == 1
        services.catalog.add_tags([Tagging(artist, "Fella", ["soul"])])
    last = eventually(lambda: [each for each in told(services, artist, "Fella") if each.tags])[-1]
    assert (last.energy, last.audio, last.tags) == (0.5, AUDIO, ["soul"])


@pytest.mark.parametrize("audio", [AUDIO[:-1], [*AUDIO[:-1], 1e9]], ids=["one is missing", "one is beyond all"])
def test_audio_is_all_of_it_or_nothing(services: Container, audio: list[float]) -> None:
    with acting_as(SYSTEM), pytest.raises(InvalidRequest, match=AUDIO_FEATURES[0]):
        services.catalog.add_sounds([Sound("Garland", "Fella", 0.62, audio)])


def test_what_was_described_before_an_upgrade_is_told_again_with_names(servers: Servers, folder: Path) -> None:
    settings = load_settings(environment_for(servers, folder / "told-again", "segue_told_again", "monolith"))
    migrate(settings)
    services = Container(settings, load_topology("monolith"), ("catalog",), bind=loopback)
    with acting_as(SYSTEM):
        services.catalog.add_sounds([Sound("Garland", "Fella", 0.62, AUDIO)])
        services.catalog.add_tags([Tagging("Garland", "Tagged", ["soul"]), Tagging("Garland", None, ["soul"])])
    owner = Database(module_url(settings, "catalog", "migrate"))
    migrations.downgrade(settings, "catalog", "catalog_0006")
    with owner.begin() as session:
        session.execute(text("delete from event"))
    migrations.upgrade(settings, "catalog")
    owner.dispose()
    key, artist_key = identify("Garland", "Fella")[:2]
    assert eventually(lambda: told(services, "Garland", "Fella")) == [
        Description("recordings", key, [], 0.62, [], "Fella", "Garland", artist_key)
    ]
    assert [(each.title, each.tags) for each in told(services, "Garland", "Tagged")] == [("Tagged", ["soul"])]
    services.databases["catalog"].dispose()
