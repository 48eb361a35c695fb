"""Connecting a library: addresses, passwords, and what is refused."""

import hashlib
from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.bench.system import free_port
from app.composition import Container
from app.contracts.playlists import LibraryRefused
from app.kernel.context import acting_as
from app.kernel.db import Database
from app.modules.playlists.subsonic import address_of
from tests.modules.playlists.libraries import BELL, WIND, connected, matches
from tests.support.people import Person
from tests.support.subsonic import PASSWORD, TONES, USER, Odd, Supysonic


def test_all_songs_of_a_real_server_are_read(services: Container, person: Person, supysonic: Supysonic) -> None:
    found = connected(services, person, supysonic.url)
    assert found.songs >= len(TONES)
    assert (found.user_name, found.address, found.error, found.read) == (USER, supysonic.url, "", None)
    assert matches(services, person, BELL, WIND, uuid4()) == {BELL: "Bell 1", WIND: "Wind"}


@pytest.mark.parametrize("after", ["/", "/rest", "/rest/", "/app/", "/app/#/album/list", "?x=1"])
def test_the_address_may_be_what_people_paste(after: str) -> None:
    assert address_of(f" https://music.example.org:4533/nav{after} ") == "https://music.example.org:4533/nav"


def test_an_address_without_a_scheme_is_asked_by_tls() -> None:
    assert address_of("music.example.org") == "https://music.example.org"


@pytest.mark.parametrize("address", ["ftp://music.example.org", "https://ada:secret@music.example.org", "https://", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(LibraryRefused):
        address_of(address)


def test_a_wrong_password_is_refused_in_words(services: Container, person: Person, supysonic: Supysonic) -> None:
    with acting_as(person.actor):
        with pytest.raises(LibraryRefused, match="does not know this name and password"):
            services.playlists.connect_library(person.listener_id, supysonic.url, USER, "wrong")
        assert services.playlists.get_library(person.listener_id) is None


def test_something_else_than_a_subsonic_server_is_refused(
    services: Container, person: Person, supysonic: Supysonic
) -> None:
    with acting_as(person.actor), pytest.raises(LibraryRefused, match="no Subsonic server at this address"):
        services.playlists.connect_library(person.listener_id, f"{supysonic.url}/elsewhere", USER, PASSWORD)


def test_a_server_that_is_away_is_refused_in_words(services: Container, person: Person) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with acting_as(person.actor), pytest.raises(LibraryRefused, match="can't be reached"):
        services.playlists.connect_library(person.listener_id, address, USER, PASSWORD)


def test_private_addresses_are_refused_that_the_administrator_did_not_allow(
    services: Container, person: Person
) -> None:
    with acting_as(person.actor), pytest.raises(LibraryRefused, match="SEGUE_ALLOW_PRIVATE_HOSTS"):
        services.playlists.connect_library(person.listener_id, "http://127.8.8.8", USER, PASSWORD)


def test_a_password_is_sent_only_as_a_salted_hash_where_the_server_knows_that(
    services: Container, person: Person, odd: Odd
) -> None:
    connected(services, person, odd.url, "ada", "a long secret")
    assert len({query["s"][0] for _, query in odd.asked}) == len(odd.asked)
    for _, query in odd.asked:
        assert "p" not in query
        assert query["t"] == [hashlib.md5(("a long secret" + query["s"][0]).encode()).hexdigest()]
        assert (query["u"], query["c"], query["v"], query["f"]) == (["ada"], ["segue"], ["1.16.1"], ["json"])


def test_a_server_without_tokens_gets_the_password(services: Container, person: Person, odd: Odd) -> None:
    odd.knows_tokens = False
    assert connected(services, person, odd.url, "ada", "sécret").songs == 7
    assert {query.get("p", [""])[0] for _, query in odd.asked[1:]} == {f"enc:{'sécret'.encode().hex()}"}


def test_without_a_name_the_password_is_an_api_key(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url, "", "the key")
    assert all(query["apiKey"] == ["the key"] and "u" not in query for _, query in odd.asked)


def test_no_secret_lies_open_in_the_database(
    services: Container, person: Person, odd: Odd, database: Callable[..., Database]
) -> None:
    connected(services, person, odd.url, "ada", "a long secret")
    with database("playlists").begin() as session:
        row = session.execute(
            text("select cast(l as text) || encode(credential, 'escape') from library l where listener_id = :id"),
            {"id": person.listener_id},
        ).scalar_one()
    assert odd.url in row
    assert "a long secret" not in row
    assert b"a long secret".hex() not in row
