"""API tokens: scopes, exchange, storage."""

import hashlib

import jwt
import pytest
from sqlalchemy import text

from app.composition import Container
from app.contracts.accounts import InvalidToken
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import Forbidden, InvalidRequest, NotFound
from tests.modules.accounts.conftest import Instance
from tests.support.people import actor_of, new_person


def test_a_token_is_exchanged_for_a_short_access_token_with_its_scopes(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        issued = services.accounts.create_token(person.listener_id, " my player ", ["scrobble", "read", "read"])
    assert issued.api_token.name == "my player"
    assert issued.api_token.scopes == ["read", "scrobble"]
    grant = services.accounts.exchange_token(issued.token)
    claims = jwt.decode(grant.access_token, options={"verify_signature": False})
    assert grant.expires_in == 300 == claims["exp"] - claims["iat"]
    assert claims["sub"] == str(person.listener_id)
    assert claims["scopes"] == ["read", "scrobble"]
    assert claims["sid"] == str(issued.api_token.token_id)
    assert claims["fresh"] is False
    assert claims["auth_time"] == 0


def test_the_form_of_a_token_is_never_that_of_an_md5(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        token = services.accounts.create_token(person.listener_id, "x", ["read"]).token
    assert token.startswith("segue_")
    assert len(token) >= 46


def test_tokens_are_listed_newest_first_without_the_secret(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        first = services.accounts.create_token(person.listener_id, "first", ["read"])
        second = services.accounts.create_token(person.listener_id, "second", ["write"])
        listed = services.accounts.list_tokens(person.listener_id)
    assert listed == [second.api_token, first.api_token]
    assert first.token not in str(listed)


def test_a_revoked_token_is_refused_and_its_grants_are_inactive(services: Container) -> None:
    person, stranger = new_person(services), new_person(services)
    with acting_as(person.actor):
        issued = services.accounts.create_token(person.listener_id, "x", ["read"])
    with acting_as(stranger.actor), pytest.raises(NotFound):
        services.accounts.revoke_token(stranger.listener_id, issued.api_token.token_id)
    with acting_as(person.actor):
        services.accounts.revoke_token(person.listener_id, issued.api_token.token_id)
    with pytest.raises(InvalidToken):
        services.accounts.exchange_token(issued.token)
    with acting_as(SYSTEM):
        assert services.accounts.inactive_sessions([issued.api_token.token_id]) == [issued.api_token.token_id]


def test_tokens_of_a_disabled_listener_are_refused(services: Container) -> None:
    person = new_person(services)
    with acting_as(SYSTEM):
        issued = services.accounts.create_token(person.listener_id, "x", ["read"])
        services.accounts.set_disabled(person.listener_id, True)
        assert services.accounts.inactive_sessions([issued.api_token.token_id])
    with pytest.raises(InvalidToken):
        services.accounts.exchange_token(issued.token)


def test_a_token_cannot_make_a_stronger_one(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        issued = services.accounts.create_token(person.listener_id, "x", ["write"])
    weak = actor_of(services.accounts.exchange_token(issued.token).access_token)
    with acting_as(weak):
        assert services.accounts.create_token(person.listener_id, "y", ["write"])
        with pytest.raises(Forbidden):
            services.accounts.create_token(person.listener_id, "z", ["read", "write"])


def test_a_token_needs_a_scope_and_a_name(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        for name, scopes in (("x", []), ("  ", ["read"]), ("x" * 101, ["read"]), ("a\0b", ["read"])):
            with pytest.raises(InvalidRequest):
                services.accounts.create_token(person.listener_id, name, scopes)


def test_other_tokens_are_not_api_tokens(services: Container) -> None:
    person = new_person(services)
    for token in (person.token, person.refresh_token, "", "segue_" + "x" * 43):
        with pytest.raises(InvalidToken):
            services.accounts.exchange_token(token)


def test_only_hashes_are_stored_and_the_md5_only_for_scrobbling(instance: Instance) -> None:
    person = instance.person()
    with acting_as(person.actor):
        reader = instance.accounts.create_token(person.listener_id, "reader", ["read", "write"])
        scrobbler = instance.accounts.create_token(person.listener_id, "scrobbler", ["scrobble"])
    with instance.database.begin() as session:
        rows = session.execute(text("select name, token_hash, md5_hash, api_token::text from api_token")).all()
    stored = {row.name: row for row in rows}
    assert bytes(stored["reader"].token_hash) == hashlib.sha256(reader.token.encode()).digest()
    assert stored["reader"].md5_hash is None
    assert stored["scrobbler"].md5_hash == hashlib.md5(scrobbler.token.encode()).hexdigest()
    assert not any(token in row[3] for row in rows for token in (reader.token, scrobbler.token))


def test_the_last_use_is_noted_at_most_once_a_minute(instance: Instance) -> None:
    person = instance.person()
    with acting_as(person.actor):
        issued = instance.accounts.create_token(person.listener_id, "x", ["read"])

    def used_at():
        instance.accounts.exchange_token(issued.token)
        with acting_as(person.actor):
            return instance.accounts.list_tokens(person.listener_id)[0].last_used_at

    first = used_at()
    assert first == instance.clock.now
    instance.clock.pass_time(seconds=50)
    assert used_at() == first
    instance.clock.pass_time(seconds=20)
    assert used_at() == instance.clock.now
