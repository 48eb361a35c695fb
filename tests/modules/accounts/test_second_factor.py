"""The second factor: enrolment, single use, recovery."""

import pyotp
import pytest
from sqlalchemy import text

from app.contracts.accounts import InvalidCredentials, SecondFactor, SecondFactorRequired
from app.kernel.context import acting_as
from tests.modules.accounts.conftest import Instance
from tests.support.people import PASSWORD, Person, actor_of


def code(instance: Instance, factor: SecondFactor, *, steps: int = 0) -> str:
    return pyotp.TOTP(factor.secret).at(int(instance.clock.now.timestamp()) + 30 * steps)


def enrol(instance: Instance, person: Person) -> SecondFactor:
    with acting_as(person.actor):
        factor = instance.accounts.start_second_factor(person.listener_id, PASSWORD)
        instance.accounts.confirm_second_factor(person.listener_id, code(instance, factor))
    instance.clock.pass_time(minutes=5)
    return factor


def test_a_factor_is_asked_for_only_once_it_is_confirmed(instance: Instance) -> None:
    person = instance.person()
    with acting_as(person.actor):
        factor = instance.accounts.start_second_factor(person.listener_id, PASSWORD)
        assert not instance.accounts.me().has_second_factor
        assert factor.uri.startswith("otpauth://totp/Segue:")
        assert len(set(factor.recovery_codes)) == 10
    assert instance.accounts.login(person.name, PASSWORD)
    with acting_as(person.actor):
        with pytest.raises(InvalidCredentials):
            instance.accounts.confirm_second_factor(person.listener_id, "000000")
        instance.accounts.confirm_second_factor(person.listener_id, code(instance, factor))
        assert instance.accounts.me().has_second_factor
    with pytest.raises(SecondFactorRequired):
        instance.accounts.login(person.name, PASSWORD)


def test_the_password_comes_first(instance: Instance) -> None:
    person = instance.person()
    factor = enrol(instance, person)
    with pytest.raises(InvalidCredentials):
        instance.accounts.login(person.name, "wrong password", code(instance, factor))


def test_a_code_works_once(instance: Instance) -> None:
    person = instance.person()
    factor = enrol(instance, person)
    spaced = f"{code(instance, factor)[:3]} {code(instance, factor)[3:]}"
    assert instance.accounts.login(person.name, PASSWORD, spaced)
    with pytest.raises(InvalidCredentials):
        instance.accounts.login(person.name, PASSWORD, code(instance, factor))


def test_the_code_of_the_enrolment_is_used_up(instance: Instance) -> None:
    person = instance.person()
    with acting_as(person.actor):
        factor = instance.accounts.start_second_factor(person.listener_id, PASSWORD)
        instance.accounts.confirm_second_factor(person.listener_id, code(instance, factor))
    with pytest.raises(InvalidCredentials):
        instance.accounts.login(person.name, PASSWORD, code(instance, factor))


@pytest.mark.parametrize(("steps", "is_good"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(instance: Instance, steps: int, is_good: bool) -> None:
    person = instance.person()
    factor = enrol(instance, person)
    if is_good:
        assert instance.accounts.login(person.name, PASSWORD, code(instance, factor, steps=steps))
    else:
        with pytest.raises(InvalidCredentials):
            instance.accounts.login(person.name, PASSWORD, code(instance, factor, steps=steps))


def test_an_older_code_is_refused_after_a_newer_one(instance: Instance) -> None:
    person = instance.person()
    factor = enrol(instance, person)
    assert instance.accounts.login(person.name, PASSWORD, code(instance, factor, steps=1))
    with pytest.raises(InvalidCredentials):
        instance.accounts.login(person.name, PASSWORD, code(instance, factor))


def test_a_recovery_code_works_once_in_place_of_a_code(instance: Instance) -> None:
    person = instance.person()
    factor = enrol(instance, person)
    assert instance.accounts.login(person.name, PASSWORD, factor.recovery_codes[3].upper())
    with pytest.raises(InvalidCredentials):
        instance.accounts.login(person.name, PASSWORD, factor.recovery_codes[3])
    assert instance.accounts.login(person.name, PASSWORD, factor.recovery_codes[4])


def test_starting_anew_leaves_the_factor_in_force_until_confirmed(instance: Instance) -> None:
    person = instance.person()
    old = enrol(instance, person)
    with acting_as(person.actor):
        new = instance.accounts.start_second_factor(person.listener_id, PASSWORD)
    with pytest.raises(InvalidCredentials):
        instance.accounts.login(person.name, PASSWORD, new.recovery_codes[0])
    assert instance.accounts.login(person.name, PASSWORD, code(instance, old))
    with acting_as(person.actor):
        instance.accounts.confirm_second_factor(person.listener_id, code(instance, new))
    with pytest.raises(InvalidCredentials):
        instance.accounts.login(person.name, PASSWORD, old.recovery_codes[0])


def test_starting_and_removing_need_the_password(instance: Instance) -> None:
    person = instance.person()
    with acting_as(person.actor), pytest.raises(InvalidCredentials):
        instance.accounts.start_second_factor(person.listener_id, "wrong password")
    enrol(instance, person)
    with acting_as(person.actor):
        with pytest.raises(InvalidCredentials):
            instance.accounts.remove_second_factor(person.listener_id, "wrong password")
        instance.accounts.remove_second_factor(person.listener_id, PASSWORD)
    assert instance.accounts.login(person.name, PASSWORD)


def test_a_new_factor_ends_other_sessions(instance: Instance) -> None:
    person = instance.person()
    other = actor_of(instance.accounts.login(person.name, PASSWORD).access_token)
    enrol(instance, person)
    with acting_as(person.actor):
        assert [s.session_id for s in instance.accounts.list_sessions(person.listener_id)] == [person.actor.session_id]
    assert other.session_id != person.actor.session_id


def test_secrets_and_recovery_codes_are_not_readable_in_the_database(instance: Instance) -> None:
    person = instance.person()
    factor = enrol(instance, person)
    with instance.database.begin() as session:
        sealed = bytes(session.execute(text("select secret from second_factor")).scalar_one())
        hashes = [bytes(h) for h in session.execute(text("select code_hash from recovery_code")).scalars()]
    assert factor.secret.encode() not in sealed
    assert len(hashes) == 10
    assert not any(c.replace("-", "").encode() in h for h in hashes for c in factor.recovery_codes)


def test_beyond_this_machine_an_admin_has_admin_rights_only_with_a_second_factor(instance: Instance) -> None:
    admin = instance.person(is_admin=True)
    public = instance.with_settings(public_url="https://music.example")
    assert admin.actor.is_admin
    assert not actor_of(public.accounts.login(admin.name, PASSWORD).access_token).is_admin
    factor = enrol(instance, admin)
    assert actor_of(public.accounts.login(admin.name, PASSWORD, code(instance, factor)).access_token).is_admin
