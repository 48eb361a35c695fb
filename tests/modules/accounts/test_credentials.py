"""Passwords: strength, throttling, change and reset."""

import logging

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from app.composition import Container
from app.contracts.accounts import InvalidCredentials, InvalidToken, LoginThrottled, WeakPassword
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import DomainError, Forbidden
from tests.modules.accounts.conftest import Instance
from tests.support.people import PASSWORD, actor_of, fresh_name, new_person

NEW = "a quite different long phrase"


def fail(instance: Instance, name: str, times: int, *, address: str = "") -> None:
    for _ in range(times):
        with pytest.raises(InvalidCredentials):
            instance.accounts.login(name, "wrong password", address=address)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "short"),
        ("x" * 1025, "long"),
        ("password1", "common"),
        ("Password2024!", "common"),
        ("qwertyuiop", "common"),
        ("iloveyou!!", "common"),
        ("p@ssw0rd", "common"),
        ("my Segue login", "name"),
        ("robin's favourite tunes", "name"),
        ("aaaaaaaaaaaa", "pattern"),
        ("01234567890123", "pattern"),
        ("9876543210", "pattern"),
        ("ghijklmnop", "pattern"),
        ("lkjhgfdsa", "pattern"),
        ("abc1abc1abc1abc1", "pattern"),
    ],
)
def test_a_weak_password_is_refused_with_a_reason(instance: Instance, password: str, reason: str) -> None:
    with acting_as(SYSTEM), pytest.raises(WeakPassword) as refused:
        instance.accounts.create_listener("Robin", password)
    assert refused.value.details == {"reason": reason}


@pytest.mark.parametrize(
    "password", ["gr8 t@stes", "пароль из слов", "🎵🎶🎷🎸🎹🎺🎻🥁", "  spaced  ", "x1y2" * 20 + "z"]
)
def test_any_characters_make_a_password_and_none_is_cut_off(instance: Instance, password: str) -> None:
    name = fresh_name()
    with acting_as(SYSTEM):
        instance.accounts.create_listener(name, password)
    assert instance.accounts.login(name, password)
    for other in (password[:-1], password.strip(), password.upper()):
        if other != password:
            with pytest.raises(InvalidCredentials):
                instance.accounts.login(name, other)


def test_a_known_and_an_unknown_name_get_the_same_answer(services: Container) -> None:
    person = new_person(services)
    answers = []
    for name in (person.name, fresh_name(), "no name at all\0"):
        with pytest.raises(InvalidCredentials) as refused:
            services.accounts.login(name, "wrong password")
        answers.append((refused.value.code, refused.value.status, refused.value.message, refused.value.details))
    assert len(set(map(str, answers))) == 1


def test_failures_slow_an_account_down_more_and_more_but_never_for_good(instance: Instance) -> None:
    person = instance.person()
    fail(instance, person.name, 6)
    with pytest.raises(LoginThrottled) as refused:
        instance.accounts.login(person.name.upper(), PASSWORD)
    assert refused.value.details == {"retry_after_s": 1}
    waits = []
    for _ in range(12):
        instance.clock.pass_time(seconds=waits[-1] if waits else 1)
        fail(instance, person.name, 1)
        with pytest.raises(LoginThrottled) as refused:
            instance.accounts.login(person.name, PASSWORD)
        waits.append(refused.value.details["retry_after_s"])
    assert waits == sorted(waits)
    assert waits[0] == 2
    assert waits[-1] == 300
    instance.clock.pass_time(seconds=300)
    assert instance.accounts.login(person.name, PASSWORD)
    fail(instance, person.name, 5)  # and the account starts anew


def test_unknown_names_are_slowed_down_alike(instance: Instance) -> None:
    name = fresh_name()
    fail(instance, name, 6)
    with pytest.raises(LoginThrottled):
        instance.accounts.login(name, PASSWORD)


def test_an_address_that_tries_many_accounts_is_slowed_down(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = instance.person()
    for _ in range(31):
        fail(instance, fresh_name(), 1, address="203.0.113.9")
    with pytest.raises(LoginThrottled):
        instance.accounts.login(person.name, PASSWORD, address="203.0.113.9")
    assert instance.accounts.login(person.name, PASSWORD, address="203.0.113.10")
    instance.clock.pass_time(seconds=2)
    assert instance.accounts.login(person.name, PASSWORD, address="203.0.113.9")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_that_is_nobodys_is_not_slowed_down(instance: Instance, address: str) -> None:
    person = instance.person()
    for _ in range(32):
        fail(instance, fresh_name(), 1, address=address)
    assert instance.accounts.login(person.name, PASSWORD, address=address)


def test_an_attackers_own_logins_do_not_clear_the_address(instance: Instance) -> None:
    person = instance.person()
    for _ in range(6):
        fail(instance, fresh_name(), 5, address="203.0.113.9")
        instance.accounts.login(person.name, PASSWORD, address="203.0.113.9")
    fail(instance, fresh_name(), 1, address="203.0.113.9")
    with pytest.raises(LoginThrottled):
        instance.accounts.login(person.name, PASSWORD, address="203.0.113.9")


def test_a_hash_of_older_parameters_is_renewed_at_login(instance: Instance) -> None:
    person = instance.person()
    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    with instance.database.begin() as session:
        session.execute(text("update listener set password_hash = :weak"), {"weak": weak})
    assert instance.accounts.login(person.name, PASSWORD)
    with instance.database.begin() as session:
        renewed = session.execute(text("select password_hash from listener")).scalar_one()
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert instance.accounts.login(person.name, PASSWORD)


def test_changing_the_password_needs_the_current_one_and_ends_other_sessions(services: Container) -> None:
    person = new_person(services)
    services.accounts.login(person.name, PASSWORD)
    with acting_as(person.actor):
        with pytest.raises(InvalidCredentials):
            services.accounts.change_password(person.listener_id, "wrong password", NEW)
        with pytest.raises(WeakPassword):
            services.accounts.change_password(person.listener_id, PASSWORD, "password1")
        services.accounts.change_password(person.listener_id, PASSWORD, NEW)
        sessions = services.accounts.list_sessions(person.listener_id)
    assert [s.session_id for s in sessions] == [person.actor.session_id]
    with pytest.raises(InvalidCredentials):
        services.accounts.login(person.name, PASSWORD)
    assert services.accounts.login(person.name, NEW)


def test_guessing_the_current_password_is_throttled_too(instance: Instance) -> None:
    person = instance.person()
    with acting_as(person.actor):
        for _ in range(6):
            with pytest.raises(InvalidCredentials):
                instance.accounts.change_password(person.listener_id, "wrong password", NEW)
        with pytest.raises(LoginThrottled):
            instance.accounts.change_password(person.listener_id, PASSWORD, NEW)


def test_a_reset_code_sets_a_password_once_and_ends_all_sessions(services: Container) -> None:
    person = new_person(services)
    with acting_as(SYSTEM):
        code = services.accounts.create_reset(person.listener_id)
    with pytest.raises(WeakPassword):
        services.accounts.reset_password(code, "password1")
    services.accounts.reset_password(code, NEW)
    with pytest.raises(InvalidToken):
        services.accounts.reset_password(code, NEW)
    with acting_as(SYSTEM):
        assert services.accounts.inactive_sessions([person.actor.session_id])
    assert services.accounts.login(person.name, NEW)


def test_a_reset_gives_a_listener_without_a_password_one(services: Container) -> None:
    with acting_as(SYSTEM):
        (listener,) = services.accounts.ensure_listeners([fresh_name("dataset")])
        code = services.accounts.create_reset(listener.listener_id)
    services.accounts.reset_password(code, NEW)
    assert services.accounts.login(listener.name, NEW)


def test_only_the_newest_reset_code_is_good_and_only_for_half_an_hour(instance: Instance) -> None:
    person = instance.person()
    with acting_as(SYSTEM):
        old = instance.accounts.create_reset(person.listener_id)
        new = instance.accounts.create_reset(person.listener_id)
    for wrong in (old, "", new[:-1]):
        with pytest.raises(InvalidToken):
            instance.accounts.reset_password(wrong, NEW)
    instance.clock.pass_time(minutes=31)
    with pytest.raises(InvalidToken):
        instance.accounts.reset_password(new, NEW)


def test_an_admins_acts_on_others_need_a_recent_login(instance: Instance) -> None:
    admin, person = instance.person(is_admin=True), instance.person()
    stale = actor_of(admin.token)
    stale = type(stale)(**{**{f: getattr(stale, f) for f in stale.__slots__}, "is_fresh": False})
    accounts = instance.accounts
    acts = [
        lambda: accounts.create_reset(person.listener_id),
        lambda: accounts.set_disabled(person.listener_id, True),
        lambda: accounts.delete_listener(person.listener_id),
        lambda: accounts.create_token(person.listener_id, "x", ["read"]),
        lambda: accounts.create_listener(fresh_name(), None, True),
        lambda: accounts.create_invitation(True),
        accounts.rotate_keys,
    ]
    with acting_as(stale):
        for act in acts:
            with pytest.raises(Forbidden, match="sign in again"):
                act()
        assert accounts.create_token(admin.listener_id, "own", ["read"])
    with acting_as(admin.actor):
        assert accounts.create_reset(person.listener_id)


def test_no_secret_reaches_the_log(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    person = instance.person()
    with acting_as(person.actor):
        token = instance.accounts.create_token(person.listener_id, "x", ["read"]).token
    grant = instance.accounts.exchange_token(token)
    pair = instance.accounts.refresh(person.refresh_token)
    with pytest.raises(DomainError):
        instance.accounts.login(person.name, "a mistyped secret")
    logged = caplog.text + str([vars(record) for record in caplog.records])
    assert "login failed" in logged
    for secret in (PASSWORD, "a mistyped secret", token, grant.access_token, person.token, pair.refresh_token):
        assert secret not in logged
