"""Signing in, staying signed in, and the ends of sessions."""

import logging
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import jwt
import pytest
from sqlalchemy import text

from app.composition import Container
from app.contracts.accounts import InvalidCredentials, InvalidToken
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import NotFound
from tests.modules.accounts.conftest import Instance
from tests.support.people import PASSWORD, Person, actor_of, fresh_name, new_person


def claims(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def is_ended(services, person_or_sid: Person | UUID) -> bool:
    sid = person_or_sid.actor.session_id if isinstance(person_or_sid, Person) else person_or_sid
    with acting_as(SYSTEM):
        return services.accounts.inactive_sessions([sid]) == [sid]


def test_an_access_token_says_who_one_is_and_lasts_fifteen_minutes(services: Container) -> None:
    person = new_person(services)
    said = claims(person.token)
    assert said["sub"] == str(person.listener_id)
    assert said["name"] == person.name
    assert (said["iss"], said["aud"], said["type"]) == ("segue", "segue", "access")
    assert said["scopes"] == ["read", "write", "scrobble"]
    assert said["admin"] is False
    assert said["exp"] - said["iat"] == 900
    assert said["fresh"] is True
    assert said["iat"] == said["nbf"]
    assert 0 <= said["iat"] - said["auth_time"] <= 1
    assert UUID(said["jti"])
    assert UUID(said["sid"])
    assert len(said["csrf"]) == 32
    assert jwt.get_unverified_header(person.token)["alg"] == "EdDSA"


def test_the_name_is_found_without_regard_to_case(services: Container) -> None:
    person = new_person(services)
    assert services.accounts.login(person.name.upper(), PASSWORD).access_token


def test_refreshing_goes_on_with_the_same_session(services: Container) -> None:
    person = new_person(services)
    pair = services.accounts.refresh(person.refresh_token)
    assert pair.refresh_token != person.refresh_token
    assert claims(pair.access_token)["sid"] == str(person.actor.session_id)
    assert services.accounts.refresh(pair.refresh_token).refresh_token not in {pair.refresh_token, person.refresh_token}


def test_two_tabs_that_refresh_at_once_get_the_same_successor(services: Container) -> None:
    person = new_person(services)
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(lambda _: services.accounts.refresh(person.refresh_token), range(4)))
    assert len({pair.refresh_token for pair in pairs}) == 1
    assert not is_ended(services, person)
    assert services.accounts.refresh(pairs[0].refresh_token)


def test_a_slow_tab_gets_the_newest_token_of_the_chain(services: Container) -> None:
    person = new_person(services)
    second = services.accounts.refresh(person.refresh_token)
    third = services.accounts.refresh(second.refresh_token)
    assert services.accounts.refresh(person.refresh_token).refresh_token == third.refresh_token


def test_a_used_refresh_token_after_the_grace_ends_the_session(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    person = instance.person()
    pair = instance.accounts.refresh(person.refresh_token)
    instance.clock.pass_time(seconds=11)
    with caplog.at_level(logging.WARNING), pytest.raises(InvalidToken):
        instance.accounts.refresh(person.refresh_token)
    assert "used refresh token came again" in caplog.text
    assert person.refresh_token not in caplog.text
    assert is_ended(instance, person)
    with pytest.raises(InvalidToken):
        instance.accounts.refresh(pair.refresh_token)


def test_a_token_of_many_rotations_ago_ends_the_session_too(instance: Instance) -> None:
    person = instance.person()
    token = person.refresh_token
    for _ in range(3):
        instance.clock.pass_time(minutes=15)
        token = instance.accounts.refresh(token).refresh_token
    with pytest.raises(InvalidToken):
        instance.accounts.refresh(person.refresh_token)
    assert is_ended(instance, person)


def test_a_made_up_refresh_token_ends_nothing(instance: Instance) -> None:
    person = instance.person()
    with pytest.raises(InvalidToken):
        instance.accounts.refresh("sr_" + "A" * 43)
    with pytest.raises(InvalidToken):
        instance.accounts.refresh(person.token)
    assert not is_ended(instance, person)


def test_a_session_ends_after_thirty_idle_days(instance: Instance) -> None:
    person = instance.person()
    instance.clock.pass_time(days=29)
    pair = instance.accounts.refresh(person.refresh_token)
    instance.clock.pass_time(days=31)
    assert is_ended(instance, person)
    with pytest.raises(InvalidToken):
        instance.accounts.refresh(pair.refresh_token)


def test_a_session_ends_after_a_hundred_and_eighty_days_however_busy(instance: Instance) -> None:
    person = instance.person()
    token = person.refresh_token
    for _ in range(8):
        instance.clock.pass_time(days=22)
        token = instance.accounts.refresh(token).refresh_token
    instance.clock.pass_time(days=5)
    with pytest.raises(InvalidToken):
        instance.accounts.refresh(token)


def test_a_refreshed_token_is_fresh_only_while_the_login_is_recent(instance: Instance) -> None:
    person = instance.person()
    instance.clock.pass_time(minutes=5)
    pair = instance.accounts.refresh(person.refresh_token)
    assert claims(pair.access_token)["fresh"] is True
    instance.clock.pass_time(minutes=11)
    later = claims(instance.accounts.refresh(pair.refresh_token).access_token)
    assert later["fresh"] is False
    assert later["auth_time"] == claims(person.token)["auth_time"]


def test_logging_out_ends_the_session_and_only_it(services: Container) -> None:
    person = new_person(services)
    other = actor_of(services.accounts.login(person.name, PASSWORD).access_token)
    with acting_as(person.actor):
        services.accounts.logout()
        services.accounts.logout()  # again does no harm
    assert is_ended(services, person)
    assert not is_ended(services, other.session_id)
    with pytest.raises(InvalidToken):
        services.accounts.refresh(person.refresh_token)


def test_a_refresh_token_is_enough_to_log_out(services: Container) -> None:
    person = new_person(services)
    services.accounts.logout(person.refresh_token)
    assert is_ended(services, person)


def test_logging_out_everywhere_ends_all_sessions(services: Container) -> None:
    person, bystander = new_person(services), new_person(services)
    other = actor_of(services.accounts.login(person.name, PASSWORD).access_token)
    with acting_as(person.actor):
        services.accounts.logout(everywhere=True)
    assert is_ended(services, person)
    assert is_ended(services, other.session_id)
    assert not is_ended(services, bystander)


def test_logging_out_as_nobody_ends_nothing(services: Container) -> None:
    person = new_person(services)
    services.accounts.logout(everywhere=True)
    assert not is_ended(services, person)


def test_sessions_are_listed_with_their_client_and_ended_one_by_one(services: Container) -> None:
    person, stranger = new_person(services), new_person(services)
    other = actor_of(services.accounts.login(person.name, PASSWORD, client="Firefox\0 on a phone").access_token)
    with acting_as(person.actor):
        listed = services.accounts.list_sessions(person.listener_id)
        assert [(s.client, s.is_current) for s in listed] == [("Firefox on a phone", False), ("", True)]
        services.accounts.end_session(person.listener_id, other.session_id)
        with pytest.raises(NotFound):
            services.accounts.end_session(person.listener_id, stranger.actor.session_id)
    assert is_ended(services, other.session_id)
    assert not is_ended(services, stranger)


def test_only_ended_sessions_and_unknown_ids_are_inactive(services: Container) -> None:
    person = new_person(services)
    unknown = uuid4()
    with acting_as(SYSTEM):
        assert services.accounts.inactive_sessions([person.actor.session_id, unknown]) == [unknown]
        assert services.accounts.inactive_sessions([]) == []


def test_disabling_ends_sessions_and_bars_the_door(services: Container) -> None:
    person = new_person(services)
    with acting_as(SYSTEM):
        services.accounts.set_disabled(person.listener_id, True)
    assert is_ended(services, person)
    with pytest.raises(InvalidCredentials):
        services.accounts.login(person.name, PASSWORD)
    with acting_as(SYSTEM):
        services.accounts.set_disabled(person.listener_id, False)
    assert services.accounts.login(person.name, PASSWORD)


def test_a_listener_without_a_password_cannot_sign_in(services: Container) -> None:
    with acting_as(SYSTEM):
        listener = services.accounts.create_listener(fresh_name())
    assert not listener.has_password
    for guess in ("", "None", PASSWORD):
        with pytest.raises(InvalidCredentials):
            services.accounts.login(listener.name, guess)


def test_expired_sessions_and_codes_are_purged(instance: Instance) -> None:
    instance.person()
    instance.clock.pass_time(days=31)
    kept = instance.person()
    instance.service.purge()
    with instance.database.begin() as session:
        assert session.execute(text("select session_id from session")).scalars().all() == [kept.actor.session_id]
        assert session.execute(text("select count(*) from refresh_token")).scalar_one() == 1
