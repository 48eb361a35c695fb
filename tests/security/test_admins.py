"""Administrators: what they may do needs a recent sign-in, and is written down (lines 17, 29)."""

import pytest

from app.composition import Container
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.support.people import Person, new_person


@pytest.fixture
def admin_token(services: Container, admin: Person) -> str:
    """An API token of an admin: their rights, without a sign-in."""
    with acting_as(admin.actor):
        return services.accounts.create_token(admin.listener_id, "script", ["read", "write"]).token


def test_acts_on_others_need_a_recent_sign_in(
    api: PublicApi, services: Container, admin_token: str, admin: Person
) -> None:
    person = new_person(services)
    user = f"/api/v1/admin/users/{person.listener_id}"
    acts = [
        ("DELETE", user, None),
        ("PUT", f"{user}/disabled", {"is_disabled": True}),
        ("POST", f"{user}/reset", None),
        ("POST", "/api/v1/admin/users", {"name": "somebody-new", "is_admin": True}),
        ("POST", "/api/v1/admin/invitations", {"is_admin": True}),
        ("POST", "/api/v1/admin/keys", None),
    ]
    for method, path, body in acts:
        refused = api.send(method, path, json=body, token=admin_token)
        assert (refused.status, refused.json["details"]) == (403, {"reason": "login_not_recent"})
    assert api.get("/api/v1/admin/users?limit=1", token=admin_token).status == 200
    assert api.delete(user, token=admin.token).status == 204


def test_every_act_is_written_down(api: PublicApi, services: Container, admin: Person) -> None:
    person = new_person(services)
    assert api.delete(f"/api/v1/admin/users/{person.listener_id}", token=admin.token).status == 204
    with acting_as(SYSTEM):
        entries = services.accounts.list_audit(limit=20)
    found = [(e.actor, e.act) for e in entries if e.subject == str(person.listener_id)]
    assert found[0] == (admin.name, "listener.delete")
