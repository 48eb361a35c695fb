"""Which songs of a library are which recordings."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from app.composition import Container
from app.contracts.catalog import Merge
from app.contracts.identity import recording_key
from app.contracts.listens import NewListen
from app.contracts.playlists import NewEntry
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.modules.playlists.libraries import connected, matches, playlist_of, song, stream
from tests.support.people import Person, new_person
from tests.support.subsonic import Odd, Supysonic
from tests.support.waiting import eventually


def test_names_that_are_nearly_the_same_match_when_the_catalog_knows_them(
    services: Container, person: Person, supysonic: Supysonic
) -> None:
    heard = [("Low Bells", "Under the Bridge"), ("LOW BELLS", "Uberall"), ("High Wires", "Wind"), ("Low Bells", "Wind")]
    with acting_as(person.actor):
        start = datetime(2025, 2, 1, tzinfo=UTC)
        services.listens.submit(
            person.listener_id, [NewListen(start + timedelta(hours=n), *names) for n, names in enumerate(heard)]
        )
    keys = [recording_key(*names) for names in heard]
    with acting_as(SYSTEM):
        eventually(lambda: len(services.catalog.get_recordings(keys)) == len(keys), within_s=10)
    connected(services, person, supysonic.url)
    assert matches(services, person, *keys) == {
        keys[0]: "Under the Bridge (Remastered 2011)",
        keys[1]: "Überall",
        keys[2]: "Wind",
    }


def test_a_song_is_found_by_its_mbid(services: Container, person: Person, odd: Odd) -> None:
    mbid = uuid4()
    odd.songs[2]["musicBrainzId"] = str(mbid)
    connected(services, person, odd.url)
    assert matches(services, person, mbid) == {mbid: "Song 2"}


def test_other_names_match_by_an_mbid_that_a_player_told(services: Container, person: Person, odd: Odd) -> None:
    mbid = uuid4()
    odd.songs = [song(1, title="Ночь", artist="Аня", musicBrainzId=str(mbid)), song(2)]
    key = recording_key("Anya", "Night")
    with acting_as(person.actor):
        heard = NewListen(datetime(2025, 3, 1, tzinfo=UTC), "Anya", "Night", recording_mbid=mbid)
        services.listens.submit(person.listener_id, [heard])
        eventually(lambda: services.catalog.get_identifiers([key]), within_s=10)
    connected(services, person, odd.url)
    assert matches(services, person, key) == {key: "Ночь"}
    playlist_id = playlist_of(services, person, NewEntry("Anya", "Night"))
    with acting_as(person.actor):
        assert services.playlists.push_playlist(person.listener_id, playlist_id).matched == 1


def test_what_a_listener_says_is_another_recording_matches_as_that(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    heard = [("Hi Wires", "Wnd"), ("The High Wires", "Wind")]
    keys = [recording_key(*names) for names in heard]
    with acting_as(person.actor):
        start = datetime(2025, 2, 1, tzinfo=UTC)
        services.listens.submit(
            person.listener_id, [NewListen(start + timedelta(hours=n), *names) for n, names in enumerate(heard)]
        )
        eventually(lambda: len(services.catalog.get_recordings(keys)) == 2, within_s=10)
        assert list(matches(services, person, *keys)) == [keys[1]]
        services.catalog.add_correction("me", Merge("recordings", [keys[0]], keys[1]))
        assert set(matches(services, person, *keys)) == set(keys)
    assert stream(api, person, keys[0]).status == 200


def test_nobody_sees_what_is_in_another_library(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    assert matches(services, new_person(services), recording_key("Ada", "Song 1")) == {}
