"""Registration, names, administration, erasure, preferences."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.composition import Container
from app.contracts.accounts import (
    InvalidName,
    InvalidToken,
    LastAdmin,
    ListenerErased,
    ListenerNotFound,
    NameTaken,
    Preferences,
    RegistrationClosed,
    WeakPassword,
)
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import Forbidden, InvalidRequest, NotFound
from tests.modules.accounts.conftest import Instance
from tests.support.people import PASSWORD, fresh_name, new_person


def test_registration_needs_an_invitation(services: Container) -> None:
    for invitation in ("", "made up", "\0"):
        with pytest.raises(RegistrationClosed):
            services.accounts.register(fresh_name(), PASSWORD, invitation)


def test_an_invitation_opens_one_registration(services: Container) -> None:
    with acting_as(SYSTEM):
        code = services.accounts.create_invitation().code
    name = fresh_name()
    with pytest.raises(WeakPassword):
        services.accounts.register(name, "password1", code)
    listener = services.accounts.register(name, PASSWORD, code)
    assert listener.name == name
    assert not listener.is_admin
    assert services.accounts.login(name, PASSWORD)
    with pytest.raises(RegistrationClosed):
        services.accounts.register(fresh_name(), PASSWORD, code)


def test_a_taken_name_leaves_the_invitation_unused(services: Container) -> None:
    taken = new_person(services)
    with acting_as(SYSTEM):
        code = services.accounts.create_invitation(is_admin=True).code
    with pytest.raises(NameTaken):
        services.accounts.register(taken.name.upper(), PASSWORD, code)
    assert services.accounts.register(fresh_name(), PASSWORD, code).is_admin


def test_an_invitation_is_used_by_one_of_many_at_once(services: Container) -> None:
    with acting_as(SYSTEM):
        code = services.accounts.create_invitation().code

    def register(_: int) -> bool:
        try:
            return bool(services.accounts.register(fresh_name(), PASSWORD, code))
        except RegistrationClosed:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(register, range(4))) == 1


def test_an_invitation_lasts_seven_days(instance: Instance) -> None:
    with acting_as(SYSTEM):
        code = instance.accounts.create_invitation().code
    instance.clock.pass_time(days=7, seconds=1)
    with pytest.raises(RegistrationClosed):
        instance.accounts.register("robin", PASSWORD, code)


def test_open_registration_needs_no_code_and_makes_no_admin(instance: Instance) -> None:
    opened = instance.with_settings(registration="open")
    assert not opened.accounts.register("robin", PASSWORD).is_admin
    with pytest.raises(RegistrationClosed):
        opened.accounts.register("sandy", PASSWORD, "made up")


def test_the_first_link_makes_an_admin_once_within_an_hour(instance: Instance) -> None:
    with acting_as(SYSTEM):
        older = instance.accounts.create_setup_code()
        code = instance.accounts.create_setup_code()
    with pytest.raises(RegistrationClosed):
        instance.accounts.register("robin", PASSWORD, older)
    assert instance.accounts.register("robin", PASSWORD, code).is_admin
    with pytest.raises(RegistrationClosed):
        instance.accounts.register("sandy", PASSWORD, code)
    with acting_as(SYSTEM):
        assert instance.accounts.create_setup_code() is None


def test_the_first_link_is_void_after_an_hour_or_once_there_is_an_admin(instance: Instance) -> None:
    with acting_as(SYSTEM):
        late = instance.accounts.create_setup_code()
    instance.clock.pass_time(minutes=61)
    with pytest.raises(RegistrationClosed):
        instance.accounts.register("robin", PASSWORD, late)
    with acting_as(SYSTEM):
        code = instance.accounts.create_setup_code()
        instance.accounts.create_listener("robin", None, True)
    with pytest.raises(RegistrationClosed):
        instance.accounts.register("sandy", PASSWORD, code)


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", ".", "..", "é", "a/b", "a\0", "a\n", "x" * 65, "ａ", "a@b"])
def test_a_name_holds_letters_digits_and_few_marks(instance: Instance, name: str) -> None:
    with acting_as(SYSTEM), pytest.raises(InvalidName):
        instance.accounts.create_listener(name, PASSWORD)
    with acting_as(SYSTEM), pytest.raises(ListenerNotFound):
        instance.accounts.find_listener(name)


@pytest.mark.parametrize("name", ["a", "30music-123", "Robin.Doe_2", "x" * 64, "a-"])
def test_such_names_are_fine(instance: Instance, name: str) -> None:
    with acting_as(SYSTEM):
        made = instance.accounts.create_listener(name)
        assert instance.accounts.find_listener(name.upper()) == made
        with pytest.raises(NameTaken):
            instance.accounts.create_listener(name.upper())


def test_listeners_are_ensured_in_order_without_credentials(services: Container) -> None:
    person = new_person(services)
    names = [fresh_name("set-b"), person.name.upper(), fresh_name("set-a")]
    with acting_as(SYSTEM):
        first = services.accounts.ensure_listeners([*names, names[0].upper()])
        again = services.accounts.ensure_listeners(names)
        assert services.accounts.ensure_listeners([]) == []
        with pytest.raises(InvalidName):
            services.accounts.ensure_listeners(["fine", "not fine"])
    assert [listener.name for listener in first] == [names[0], person.name, names[2], names[0]]
    assert first[:3] == again
    assert [listener.has_password for listener in again] == [False, True, False]


def test_thousands_of_listeners_are_ensured_at_once(services: Container) -> None:
    names = [fresh_name("many") for _ in range(5000)]
    with acting_as(SYSTEM):
        listeners = services.accounts.ensure_listeners(names)
    assert [listener.name for listener in listeners] == names


def test_me_is_the_acting_listener(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        me = services.accounts.me()
    assert (me.listener_id, me.name, me.is_admin, me.has_password) == (person.listener_id, person.name, False, True)
    with acting_as(SYSTEM), pytest.raises(NotFound):
        services.accounts.me()


def test_listeners_are_listed_by_name_in_pages(instance: Instance) -> None:
    names = ["Alba", "bob", "Carla", "dora", "Bobby"]
    with acting_as(SYSTEM):
        instance.accounts.ensure_listeners(names)
        first = instance.accounts.list_listeners(limit=2)
        rest = instance.accounts.list_listeners(after=first[-1].name)
        found = instance.accounts.list_listeners(search="OB")
        none = instance.accounts.list_listeners(search="%")
    assert [listener.name for listener in first] == ["Alba", "bob"]
    assert [listener.name for listener in rest] == ["Bobby", "Carla", "dora"]
    assert [listener.name for listener in found] == ["bob", "Bobby"]
    assert none == []


def test_administration_is_for_admins(services: Container) -> None:
    person, admin = new_person(services), new_person(services, is_admin=True)
    with acting_as(person.actor):
        for call in (
            services.accounts.list_listeners,
            services.accounts.create_invitation,
            services.accounts.rotate_keys,
            services.accounts.list_audit,
            lambda: services.accounts.set_disabled(person.listener_id, True),
            lambda: services.accounts.create_reset(person.listener_id),
        ):
            with pytest.raises(Forbidden):
                call()
        with pytest.raises(NotFound):
            services.accounts.export_listener(admin.listener_id)
    with acting_as(admin.actor):
        assert services.accounts.list_listeners(limit=1)


def erasures(services: Container) -> list:
    events, cursor = [], ""
    with acting_as(SYSTEM):
        while page := services.accounts.feed(cursor, 1000):
            events += page.events
            if not page.events:
                return events
            cursor = page.cursor
    return events


def test_a_deleted_listener_is_gone_and_the_feed_says_so(services: Container) -> None:
    person, kept = new_person(services), new_person(services)
    with acting_as(person.actor):
        token = services.accounts.create_token(person.listener_id, "x", ["read"])
        services.accounts.delete_listener(person.listener_id)
    with acting_as(SYSTEM):
        services.accounts.delete_listener(person.listener_id)  # a repetition changes nothing
        with pytest.raises(ListenerNotFound):
            services.accounts.find_listener(person.name)
        gone = [person.actor.session_id, token.api_token.token_id]
        assert set(services.accounts.inactive_sessions([*gone, kept.actor.session_id])) == set(gone)
    with pytest.raises(InvalidToken):
        services.accounts.refresh(person.refresh_token)
    with pytest.raises(InvalidToken):
        services.accounts.exchange_token(token.token)
    assert erasures(services).count(ListenerErased(person.listener_id)) == 1


def test_deleting_leaves_no_row_with_the_name_or_a_credential(instance: Instance) -> None:
    person = instance.person()
    with acting_as(person.actor):
        instance.accounts.start_second_factor(person.listener_id, PASSWORD)
        instance.accounts.create_token(person.listener_id, "x", ["read"])
        instance.accounts.record_act("test.act", "something")
    with acting_as(SYSTEM):
        instance.accounts.create_reset(person.listener_id)
        instance.accounts.delete_listener(person.listener_id)
    with instance.database.begin() as session:
        tables = session.execute(
            text("select table_name from information_schema.tables where table_schema = current_schema()")
        ).scalars()
        holding = {
            table
            for table in tables
            if session.execute(
                text(f"select exists (select from {table} t where strpos(t::text, :name) + strpos(t::text, :id) > 0)"),
                {"name": person.name, "id": str(person.listener_id)},
            ).scalar_one()
        }
    # by their bare id: the erasure itself, for those who follow, and the audit, which keeps no name
    assert holding <= {"event", "audit"}


def test_the_last_admin_stays(instance: Instance) -> None:
    admin, second = instance.person(is_admin=True), instance.person(is_admin=True)
    with acting_as(SYSTEM):
        instance.accounts.set_disabled(second.listener_id, True)
        for act in (
            lambda: instance.accounts.delete_listener(admin.listener_id),
            lambda: instance.accounts.set_disabled(admin.listener_id, True),
        ):
            with pytest.raises(LastAdmin):
                act()
        instance.accounts.set_disabled(second.listener_id, False)
        instance.accounts.delete_listener(admin.listener_id)
        with pytest.raises(LastAdmin):
            instance.accounts.delete_listener(second.listener_id)


def test_two_admins_who_delete_each_other_leave_one(instance: Instance) -> None:
    admins = [instance.person(is_admin=True) for _ in range(2)]

    def delete(number: int) -> bool:
        try:
            with acting_as(admins[number].actor):
                instance.accounts.delete_listener(admins[1 - number].listener_id)
        except LastAdmin:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(delete, range(2))) == [False, True]


def test_preferences_are_stored_and_the_time_zone_is_checked(services: Container) -> None:
    person = new_person(services)
    wanted = Preferences(timezone="Europe/Berlin", is_public=True, theme="dark")
    with acting_as(person.actor):
        assert services.accounts.get_preferences(person.listener_id) == Preferences()
        assert services.accounts.set_preferences(person.listener_id, wanted) == wanted
        for wrong in ("Mars/Olympus", "", "../etc/passwd", "Europe", "a\0b"):
            with pytest.raises(InvalidRequest):
                services.accounts.set_preferences(person.listener_id, Preferences(timezone=wrong))
        assert services.accounts.get_preferences(person.listener_id) == wanted
    with acting_as(SYSTEM), pytest.raises(ListenerNotFound):
        services.accounts.set_preferences(uuid4(), wanted)


def test_the_export_holds_what_is_known_and_no_secret(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        token = services.accounts.create_token(person.listener_id, "my player", ["read"]).token
        exported = services.accounts.export_listener(person.listener_id)
    assert exported["listener"]["name"] == person.name
    assert exported["api_tokens"][0]["name"] == "my player"
    assert len(exported["sessions"]) == 1
    assert exported["preferences"]["timezone"] == "UTC"
    for secret in (token, "argon2", person.refresh_token):
        assert secret not in str(exported)
