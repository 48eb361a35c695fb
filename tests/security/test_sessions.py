"""The end of a session reaches every process (line 21)."""

import time

import pytest

from app.composition import Container
from app.kernel import people
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.support.people import Person, new_person
from tests.support.waiting import eventually


def end_by_logout(services: Container, person: Person) -> None:
    with acting_as(person.actor):
        services.accounts.logout()


def end_by_disabling(services: Container, person: Person) -> None:
    with acting_as(SYSTEM):
        services.accounts.set_disabled(person.listener_id, True)


def end_by_deletion(services: Container, person: Person) -> None:
    with acting_as(SYSTEM):
        services.accounts.delete_listener(person.listener_id)


ENDS = [end_by_logout, end_by_disabling, end_by_deletion]


@pytest.mark.parametrize("end", ENDS)
def test_an_access_token_of_an_ended_session_is_refused(api: PublicApi, services: Container, end) -> None:
    person = new_person(services)
    end(services, person)
    assert api.get("/api/v1/me", token=person.token).status == 401


def test_an_end_is_noticed_where_the_session_was_just_seen(
    loopback, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people.SESSION_CHECK_S <= 30
    monkeypatch.setattr(people, "SESSION_CHECK_S", 0.5)
    api, person = PublicApi(loopback), new_person(loopback.services)
    assert api.get("/api/v1/me", token=person.token).status == 200
    end_by_logout(loopback.services, person)
    started = time.monotonic()
    eventually(lambda: api.get("/api/v1/me", token=person.token).status == 401, within_s=3)
    assert time.monotonic() - started < 3


def test_a_revoked_api_token_is_refused_within_the_time_that_grants_are_kept(
    loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people.GRANT_TTL_S <= 30
    monkeypatch.setattr(people, "GRANT_TTL_S", 0.5)
    api, person = PublicApi(loopback), new_person(loopback.services)
    with acting_as(person.actor):
        issued = loopback.services.accounts.create_token(person.listener_id, "x", ["read"])
        assert api.get("/api/v1/me", token=issued.token).status == 200
        loopback.services.accounts.revoke_token(person.listener_id, issued.api_token.token_id)
    eventually(lambda: api.get("/api/v1/me", token=issued.token).status == 401, within_s=3)
