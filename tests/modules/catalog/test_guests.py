from datetime import UTC, datetime

from app.composition import Container
from app.contracts.identity import artist_key
from app.contracts.listens import NewListen
from app.kernel.context import acting_as
from tests.support.people import fresh_name, new_person
from tests.support.waiting import eventually


def test_an_artist_first_heard_with_guests_is_called_without_them(services: Container) -> None:
    person, artist = new_person(services), fresh_name("artist")
    with acting_as(person.actor):
        listen = NewListen(datetime(2024, 1, 1, tzinfo=UTC), f"{artist} feat. Somebody Else", "Song")
        services.listens.submit(person.listener_id, [listen])
        (found,) = eventually(lambda: services.catalog.get_artists([artist_key(artist)]))
    assert found.name == artist
