"""The public routes, as scripts use them."""

import io
import json
import zipfile
from uuid import UUID, uuid4

import pyotp
import pytest

from app.composition import Container
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.support.people import PASSWORD, fresh_name, new_person

NEW = "a quite different long phrase"


def login(api: PublicApi, name: str, password: str = PASSWORD, **more: str):
    return api.post("/api/v1/auth/login", json={"name": name, "password": password, **more})


def test_login_refresh_and_logout(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    pair = login(api, person.name)
    assert pair.status == 200
    assert set(pair.json) == {"access_token", "refresh_token", "expires_in"}
    renewed = api.post("/api/v1/auth/refresh", json={"refresh_token": pair.json["refresh_token"]})
    assert renewed.status == 200
    assert set(renewed.json) == set(pair.json)
    assert api.get("/api/v1/me", token=renewed.json["access_token"]).json["name"] == person.name
    assert api.post("/api/v1/auth/logout", token=renewed.json["access_token"]).status == 204
    ended = api.post("/api/v1/auth/refresh", json={"refresh_token": renewed.json["refresh_token"]})
    assert (ended.status, ended.json["code"]) == (401, "accounts.invalid_token")


def test_a_refresh_token_in_the_body_ends_its_session(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    assert api.post("/api/v1/auth/logout", json={"refresh_token": person.refresh_token}).status == 204
    assert api.post("/api/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status == 401


def test_wrong_credentials_are_a_problem_document(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    known, unknown = login(api, person.name, "wrong password"), login(api, fresh_name(), "wrong password")
    for refused in (known, unknown):
        assert refused.status == 401
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json["code"] == "accounts.invalid_credentials"
    assert known.json["title"] == unknown.json["title"]


def test_throttling_says_when_to_come_back(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    answers = [login(api, person.name, "wrong password") for _ in range(8)]
    throttled = next(a for a in answers if a.status == 429)
    assert throttled.json["code"] == "accounts.login_throttled"
    assert int(throttled.headers["Retry-After"]) >= 1


def test_registering_with_an_invitation(api: PublicApi, services: Container) -> None:
    admin = new_person(services, is_admin=True)
    invitation = api.post("/api/v1/admin/invitations", json={}, token=admin.token)
    assert invitation.status == 201
    name = fresh_name()
    form = {"name": name, "password": PASSWORD, "invitation": invitation.json["code"]}
    made = api.post("/api/v1/auth/register", json=form)
    assert (made.status, made.json["name"], made.json["is_admin"]) == (201, name, False)
    assert api.post("/api/v1/auth/register", json=form).status == 403
    assert login(api, name).status == 200


def test_a_privileged_field_is_refused(api: PublicApi) -> None:
    form = {"name": fresh_name(), "password": PASSWORD, "is_admin": True}
    assert api.post("/api/v1/auth/register", json=form).status == 422


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"name":1}', b'{"name":"a\\u0000","password":"x"}', b"\xff", b"[" * 5000, b'{"name":NaN}'],
)
def test_nonsense_is_refused_and_never_an_error_of_ours(api: PublicApi, body: bytes) -> None:
    for path in ("login", "refresh", "register", "reset"):
        assert api.post(f"/api/v1/auth/{path}", body=body).status == 422


def test_one_says_and_deletes_who_one_is(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    me = api.get("/api/v1/me", token=person.token)
    assert me.status == 200
    assert UUID(me.json["listener_id"]) == person.listener_id
    assert "password_hash" not in me.text
    assert api.delete("/api/v1/me", token=person.token).status == 204
    assert login(api, person.name).status == 401


def test_nobody_is_not_somebody(api: PublicApi) -> None:
    for path in ("me", "me/export", "me/tokens", "me/sessions", "me/preferences", "admin/users", "admin/audit"):
        assert api.get(f"/api/v1/{path}").status == 401


def test_api_tokens_are_made_listed_used_and_revoked(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    made = api.post("/api/v1/me/tokens", json={"name": "my script", "scopes": ["read"]}, token=person.token)
    assert made.status == 201
    token, token_id = made.json["token"], made.json["api_token"]["token_id"]
    listed = api.get("/api/v1/me/tokens", token=token)
    assert [t["name"] for t in listed.json["tokens"]] == ["my script"]
    assert token not in listed.text
    assert api.post("/api/v1/me/tokens", json={}, token=token).status == 403  # it may only read
    assert api.delete(f"/api/v1/me/tokens/{uuid4()}", token=person.token).status == 404
    assert api.delete(f"/api/v1/me/tokens/{token_id}", token=person.token).status == 204
    assert api.get("/api/v1/me/tokens", token=person.token).json == {"tokens": []}


def test_a_token_has_all_scopes_unless_told_otherwise(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    made = api.post("/api/v1/me/tokens", token=person.token)
    assert made.json["api_token"]["scopes"] == ["read", "write", "scrobble"]
    assert api.post("/api/v1/me/tokens", json={"scopes": ["admin"]}, token=person.token).status == 422


def test_sessions_are_listed_and_ended(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    pair = api.post(
        "/api/v1/auth/login", json={"name": person.name, "password": PASSWORD}, headers={"User-Agent": "a script"}
    )
    sessions = api.get("/api/v1/me/sessions", token=pair.json["access_token"]).json["sessions"]
    assert [(s["client"], s["is_current"]) for s in sessions] == [("a script", True), ("", False)]
    other = sessions[1]["session_id"]
    assert api.delete(f"/api/v1/me/sessions/{other}", token=pair.json["access_token"]).status == 204
    assert api.post("/api/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status == 401
    assert api.delete("/api/v1/me/sessions", token=pair.json["access_token"]).status == 204
    assert api.post("/api/v1/auth/refresh", json={"refresh_token": pair.json["refresh_token"]}).status == 401


def test_the_password_is_changed(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    wrong = api.put("/api/v1/me/password", json={"current": "wrong password", "new": NEW}, token=person.token)
    assert wrong.status == 401
    weak = api.put("/api/v1/me/password", json={"current": PASSWORD, "new": "password1"}, token=person.token)
    assert (weak.status, weak.json["details"]) == (422, {"reason": "common"})
    assert api.put("/api/v1/me/password", json={"current": PASSWORD, "new": NEW}, token=person.token).status == 204
    assert login(api, person.name, NEW).status == 200


def test_preferences_left_out_stay(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    api.put("/api/v1/me/preferences", json={"timezone": "Asia/Tokyo"}, token=person.token)
    changed = api.put("/api/v1/me/preferences", json={"theme": "dark"}, token=person.token)
    assert changed.json == {"timezone": "Asia/Tokyo", "is_public": False, "theme": "dark", "language": "auto"}
    assert api.get("/api/v1/me/preferences", token=person.token).json == changed.json
    assert api.put("/api/v1/me/preferences", json={"theme": "pink"}, token=person.token).status == 422
    assert api.put("/api/v1/me/preferences", json={"timezone": "Mars"}, token=person.token).status == 422


def test_a_second_factor_is_enrolled_asked_for_and_removed(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    started = api.post("/api/v1/me/second-factor", json={"password": PASSWORD}, token=person.token)
    assert started.status == 201
    code = pyotp.TOTP(started.json["secret"]).now()
    assert api.post("/api/v1/me/second-factor/confirm", json={"otp": code}, token=person.token).status == 204
    without = login(api, person.name)
    assert (without.status, without.json["code"]) == (401, "accounts.second_factor_required")
    assert login(api, person.name, otp=started.json["recovery_codes"][0]).status == 200
    assert api.delete("/api/v1/me/second-factor", json={"password": PASSWORD}, token=person.token).status == 204
    assert login(api, person.name).status == 200


def test_the_export_has_a_part_of_every_module(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    exported = api.get("/api/v1/me/export", token=person.token)
    assert exported.status == 200
    assert exported.headers["Content-Disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(exported.body)) as archive:
        assert json.loads(archive.read("user.json"))["username"] == person.name
        assert {"feedback.jsonl", "playcounts.jsonl", "corrections.jsonl", "pinned_recording.jsonl"} <= set(
            archive.namelist()
        )
        account = json.loads(archive.read("account.json"))
    assert set(account) == {"accounts", "listens", "imports", "relays", "library", "recommendations"}
    assert account["accounts"]["listener"]["name"] == person.name


def test_admins_make_disable_reset_and_delete_accounts(api: PublicApi, services: Container) -> None:
    admin = new_person(services, is_admin=True)
    name = fresh_name()
    made = api.post("/api/v1/admin/users", json={"name": name}, token=admin.token)
    assert (made.status, made.json["has_password"]) == (201, False)
    listener_id = made.json["listener_id"]
    assert api.post("/api/v1/admin/users", json={"name": name}, token=admin.token).status == 409
    found = api.get(f"/api/v1/admin/users?search={name[-8:]}", token=admin.token)
    assert [u["name"] for u in found.json["users"]] == [name]
    reset = api.post(f"/api/v1/admin/users/{listener_id}/reset", token=admin.token)
    assert reset.status == 201
    assert api.post("/api/v1/auth/reset", json={"code": reset.json["code"], "password": NEW}).status == 204
    assert login(api, name, NEW).status == 200
    disabled = api.put(f"/api/v1/admin/users/{listener_id}/disabled", json={"is_disabled": True}, token=admin.token)
    assert disabled.json["is_disabled"] is True
    assert login(api, name, NEW).status == 401
    assert api.delete(f"/api/v1/admin/users/{listener_id}", token=admin.token).status == 204
    with acting_as(SYSTEM):
        acts = [e.act for e in services.accounts.list_audit(limit=50) if e.subject == listener_id]
    assert set(acts) >= {"listener.create", "password.create_reset", "listener.disable", "listener.delete"}


def test_users_and_audit_come_in_pages(api: PublicApi, services: Container) -> None:
    admin, _ = new_person(services, is_admin=True), new_person(services)
    first = api.get("/api/v1/admin/users?limit=1", token=admin.token).json
    second = api.get(f"/api/v1/admin/users?limit=1&after={first['next']}", token=admin.token).json
    assert first["users"][0]["name"].lower() < second["users"][0]["name"].lower()
    page = api.get("/api/v1/admin/audit?limit=1", token=admin.token).json
    before = page["next"].replace("+", "%2B")
    assert api.get(f"/api/v1/admin/audit?limit=1&before={before}", token=admin.token).json["entries"] != page["entries"]
    for query in ("limit=0", "limit=1001", "limit=x", "before=yesterday", "unknown=1", "limit=1&limit=2"):
        assert api.get(f"/api/v1/admin/audit?{query}", token=admin.token).status == 422


def test_admin_routes_are_closed_to_listeners(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    for method, path in (
        ("GET", "users"),
        ("GET", "audit"),
        ("POST", "users"),
        ("POST", "invitations"),
        ("POST", "keys"),
        ("DELETE", f"users/{person.listener_id}"),
        ("POST", f"users/{person.listener_id}/reset"),
    ):
        assert api.send(method, f"/api/v1/admin/{path}", token=person.token).status == 403


def test_tokens_of_the_old_key_pass_after_a_rotation(api: PublicApi, services: Container) -> None:
    admin = new_person(services, is_admin=True)
    assert api.get("/api/v1/me", token=admin.token).status == 200
    rotated = api.post("/api/v1/admin/keys", token=admin.token)
    assert rotated.status == 201
    assert all(set(key) == {"kid", "x", "kty", "crv", "alg", "use"} for key in rotated.json["keys"])
    later = login(api, admin.name).json["access_token"]
    assert api.get("/api/v1/me", token=later).status == 200
    assert api.get("/api/v1/me", token=admin.token).status == 200
