"""The audit: who did what, never changed."""

from uuid import uuid4

import pytest
from sqlalchemy import exc, text

from app.composition import Container
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import InvalidRequest
from tests.modules.accounts.conftest import Instance
from tests.support.people import fresh_name, new_person


def test_admin_acts_are_recorded_by_themselves(services: Container) -> None:
    admin = new_person(services, is_admin=True)
    name = fresh_name()
    with acting_as(admin.actor):
        listener = services.accounts.create_listener(name)
        services.accounts.set_disabled(listener.listener_id, True)
        services.accounts.create_reset(listener.listener_id)
        recorded = [e for e in services.accounts.list_audit(limit=50) if e.actor == admin.name]
        services.accounts.delete_listener(listener.listener_id)
        after = [e for e in services.accounts.list_audit(limit=50) if e.actor == admin.name]
    assert [(e.act, e.subject) for e in recorded] == [
        ("password.create_reset", name),
        ("listener.disable", name),
        ("listener.create", name),
    ]
    assert after[0].act == "listener.delete"
    assert {e.subject for e in after} == {str(listener.listener_id)}  # the name went with the listener


def test_others_record_their_acts_under_the_actors_name(services: Container) -> None:
    person = new_person(services)
    act = fresh_name("act")
    with acting_as(person.actor):
        services.accounts.record_act(act, "model 7", {"share": 0.1})
    with acting_as(SYSTEM):
        services.accounts.record_act(act)
        system, own = [e for e in services.accounts.list_audit(limit=20) if e.act == act]
    assert (own.actor, own.subject, own.details) == (person.name, "model 7", {"share": 0.1})
    assert system.actor
    assert system.actor != person.name


def test_an_id_of_a_listener_is_read_as_their_name_while_they_have_one(services: Container) -> None:
    person, run = new_person(services), uuid4()
    act = fresh_name("act")
    with acting_as(SYSTEM):
        services.accounts.record_act(act, str(person.listener_id))
        services.accounts.record_act(act, str(run))

        def subjects() -> list[str]:
            return [e.subject for e in services.accounts.list_audit(limit=20) if e.act == act]

        assert subjects() == [str(run), person.name]
        services.accounts.delete_listener(person.listener_id)
        assert subjects() == [str(run), str(person.listener_id)]


def test_an_act_has_a_bounded_size(services: Container) -> None:
    person = new_person(services)
    with acting_as(person.actor):
        for act, subject, details in (
            ("", "", {}),
            ("a" * 101, "", {}),
            ("a", "s" * 201, {}),
            ("a", "\0", {}),
            ("a", "", {"x": "y" * 5000}),
            ("a", "", {"x": "\0"}),
        ):
            with pytest.raises(InvalidRequest):
                services.accounts.record_act(act, subject, details)


def test_the_audit_is_read_in_pages_newest_first(instance: Instance) -> None:
    with acting_as(SYSTEM):
        for number in range(5):
            instance.clock.pass_time(seconds=1)
            instance.accounts.record_act("page.turn", str(number))
        first = instance.accounts.list_audit(limit=2)
        second = instance.accounts.list_audit(before=first[-1].at, limit=2)
    assert [e.subject for e in first + second] == ["4", "3", "2", "1"]


@pytest.mark.parametrize("statement", ["update audit set act = 'nothing'", "delete from audit", "truncate audit"])
def test_the_database_refuses_to_change_the_audit(instance: Instance, statement: str) -> None:
    with acting_as(SYSTEM):
        instance.accounts.record_act("test.act")
    with pytest.raises((exc.InternalError, exc.ProgrammingError)), instance.database.begin() as session:
        session.execute(text(statement))
