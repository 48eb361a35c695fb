import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.composition import Container
from app.contracts.catalog import ArtistNotFound, Recording, Tagging
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import NewListen
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.modules.catalog import names, search
from tests.conftest import PublicApi
from tests.support.people import Person
from tests.support.waiting import eventually


@pytest.fixture
def artist() -> str:
    return f"Marigold Lanterns {secrets.token_hex(4)}"


def play(services: Container, person: Person, artist: str, *titles: str) -> None:
    at = datetime.now(UTC) - timedelta(days=1)
    listens = [NewListen(at + timedelta(minutes=n), artist, title, "First Light") for n, title in enumerate(titles)]
    with acting_as(person.actor):
        services.listens.submit(person.listener_id, listens, "test")


def test_a_listen_names_its_recording_and_artist(services: Container, person: Person, artist: str) -> None:
    play(services, person, artist, "Harbour Song")
    key = recording_key(artist, "Harbour Song")
    with acting_as(SYSTEM):
        found = eventually(lambda: services.catalog.get_recordings([key]))
        assert found == [Recording(key, "Harbour Song", artist, artist_key(artist), "First Light", [])]
        assert services.catalog.get_artists([artist_key(artist)])[0].name == artist


def test_keys_are_answered_in_the_order_asked_and_unknown_ones_left_out(
    services: Container, person: Person, artist: str
) -> None:
    play(services, person, artist, "One", "Two")
    keys = [recording_key(artist, "Two"), uuid4(), recording_key(artist, "One")]
    with acting_as(SYSTEM):
        eventually(lambda: len(services.catalog.get_recordings(keys)) == 2)
        assert [r.title for r in services.catalog.get_recordings(keys)] == ["Two", "One"]


def test_search_forgives_typos(services: Container, person: Person, artist: str) -> None:
    play(services, person, artist, "Quiet Telescope")
    suffix = artist.rsplit(" ", 1)[1]
    with acting_as(person.actor):
        eventually(lambda: services.catalog.get_artists([artist_key(artist)]))
        assert services.catalog.search(f"marigld lantrens {suffix}").artists[0].name == artist
        assert services.catalog.search(artist.upper()).artists[0].name == artist
        assert services.catalog.search("   ").artists == []


@pytest.mark.parametrize("said", ["%", "_", "\\", "'; drop table artist; --", "\N{RIGHT-TO-LEFT MARK}", "x" * 5000])
def test_search_takes_any_text(services: Container, person: Person, said: str) -> None:
    with acting_as(person.actor):
        services.catalog.search(said)


def test_without_trigrams_search_finds_prefixes(
    services: Container, person: Person, artist: str, database: Callable[..., Database]
) -> None:
    play(services, person, artist, "Quiet Telescope")
    with acting_as(person.actor):
        eventually(lambda: services.catalog.get_artists([artist_key(artist)]))
    with database("catalog").begin() as session:
        assert [row.name for row in search.find(session, "artist", artist[:-2], 5, "prefix")] == [artist]
        assert not search.find(session, "artist", "arigold", 5, "prefix")
        assert search.mode(session) in {"trigram", "prefix"}


def test_tags_are_kept_once_and_shown(services: Container, person: Person, artist: str) -> None:
    with acting_as(SYSTEM):
        assert services.catalog.add_tags([Tagging(artist, None, ["Dream Pop", "dream pop", "reverb"])]) == 2
        assert services.catalog.add_tags([Tagging(artist, None, ["reverb"]), Tagging(" ", None, ["nobody"])]) == 0
    with acting_as(person.actor):
        page = services.catalog.get_artist_page(artist_key(artist))
    assert page.artist.tags == ["dream pop", "reverb"]


def test_an_artist_page_lists_what_is_played_most_first(services: Container, person: Person, artist: str) -> None:
    play(services, person, artist, "Rare", "Often", "Often", "Often")
    with acting_as(person.actor):
        page = eventually(lambda: services.catalog.get_artist_page(artist_key(artist)))
    assert [r.title for r in page.recordings] == ["Often", "Rare"]
    assert page.releases == ["First Light"]


def test_an_unknown_artist_is_not_found(services: Container, person: Person, api: PublicApi) -> None:
    with acting_as(person.actor), pytest.raises(ArtistNotFound):
        services.catalog.get_artist_page(uuid4())
    assert api.get(f"/api/v1/artists/{uuid4()}", token=person.token).status == 404


def test_the_public_search_needs_a_text(api: PublicApi, person: Person) -> None:
    assert api.get("/api/v1/search?q=a", token=person.token).json.keys() == {"artists", "recordings"}
    assert api.get("/api/v1/search?q=", token=person.token).status == 422
    assert api.get("/api/v1/search", token=person.token).status == 422


def test_what_the_feed_gave_can_be_forgotten_and_tags_stay(database: Callable[..., Database], artist: str) -> None:
    with database("catalog").begin() as session:
        names.tag(session, [Tagging(artist, None, ["kept"])])
        found = names.Names()
        found.recording(uuid4(), artist_key(artist), artist, "Passing", None, 3)
        found.store(session)
        names.forget_derived(session)
        assert [row.name for row in search.find(session, "artist", artist, 1, "prefix")] == [artist]
        assert not search.find(session, "recording", f"Passing {artist}", 1, "prefix")
        session.rollback()
