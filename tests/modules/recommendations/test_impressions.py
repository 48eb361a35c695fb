"""What was shown is remembered per day, is the listener's to take along, and goes with them."""

from uuid import uuid4

from app.composition import Container
from app.contracts.recommendations import Shown
from app.kernel.context import SYSTEM, acting_as
from tests.support.people import new_person
from tests.support.waiting import eventually


def test_what_was_shown_is_kept_once_a_day_and_goes_with_its_listener(services: Container) -> None:
    person = new_person(services)
    shown = [Shown("recordings", uuid4(), "popular", "popular"), Shown("artists", uuid4(), "new_artists", "a" * 64)]
    with acting_as(person.actor):
        for _ in range(2):
            services.recommendations.record_impressions(person.listener_id, shown)
        kept = services.recommendations.export_listener(person.listener_id)["impressions"]
    assert {(each["kind"], each["key"], each["shelf"], each["model"]) for each in kept} == {
        (each.kind, str(each.key), each.shelf, each.model) for each in shown
    }
    assert len(kept) == 2
    with acting_as(person.actor):
        services.accounts.delete_listener(person.listener_id)
    with acting_as(SYSTEM):
        eventually(lambda: not services.recommendations.has_traces(person.listener_id), within_s=15)
