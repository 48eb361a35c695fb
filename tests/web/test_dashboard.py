"""The dashboard: for administrators, with fresh sign-ins for what can't be undone, and every act written down."""

import re
import time
import zipfile
from dataclasses import replace
from uuid import UUID

import jwt
import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from app.kernel.context import SYSTEM, acting_as
from app.modules.accounts.service import AccountsService
from tests.support.people import PASSWORD, Person, new_person
from tests.support.planted_models import plant
from tests.web.conftest import Site, Visit, advance, train

pytestmark = [pytest.mark.browser, pytest.mark.extended]


def test_only_administrators_see_it(site: Site, visit: Visit) -> None:
    page = visit(site.listener, scripts=False)
    reply = page.goto("/admin/users")
    assert reply is not None
    assert reply.status == 403
    nobody = visit(scripts=False)
    nobody.goto("/admin/users")
    assert "/login" in nobody.url


def test_every_part_is_shown_with_its_state(site: Site, visit: Visit) -> None:
    page = visit(site.admin)
    page.goto("/admin/")
    for name in ("accounts", "catalog", "listens", "recommendations", "training", "playlists"):
        expect(page.locator(".part", has_text=name).first).to_contain_text("up")


def test_what_needs_attention_is_named_and_leads_to_where_it_is_seen_to(site: Site, visit: Visit) -> None:
    training = site.stack.services.training
    with acting_as(site.admin.actor):
        run = training.start_run("artists")
    with site.stack.database("training").begin() as session:
        for state in ("running", "failed"):
            session.execute(
                text("update run set state = :state, ended_at = now() where run_id = :id"),
                {"state": state, "id": run.run_id},
            )
    page = visit(site.admin, scripts=False)
    page.goto("/admin/")
    page.get_by_role("link", name="The last run of artists failed.").click()
    assert str(run.run_id) in page.url
    expect(page.locator("main")).to_contain_text("failed")


def test_the_files_of_a_model_are_deleted_with_a_reason(site: Site, visit: Visit) -> None:
    train(site.stack, "recordings")
    services = site.stack.services
    with acting_as(SYSTEM):
        champion = next(m for m in services.training.list_models("recordings") if m.state == "champion")
        one, other = (plant(services, site.stack.settings, champion, "none") for _ in range(2))
        for model in (one, other, champion):
            services.training.promote(model.model_id, "tests")
    page = visit(site.admin, scripts=False)
    page.goto(f"/admin/models/{one.model_id}")
    page.fill("#archive-reason", "too large")
    page.get_by_role("button", name="Delete the files").click()
    expect(page.locator(".note")).to_contain_text("are deleted")
    expect(page.locator("h1")).to_contain_text("archived")
    assert not (site.stack.settings.data_dir / "models" / one.sha256).exists()
    page.goto(f"/admin/models/{other.model_id}")
    page.fill("#archive-reason", "too large")
    page.get_by_role("button", name="Delete the files").click()
    expect(page.locator(".note")).to_contain_text("roll-back would return to")


def test_a_persons_data_is_exported_for_them_and_that_is_written_down(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    page = visit(site.admin)
    page.goto(f"/admin/users?q={person.name}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert person.name in archive.read("user.json").decode()
    page.goto("/admin/audit")
    expect(page.locator("tbody")).to_contain_text("listener.export")


def test_a_run_is_started_followed_and_written_down(site: Site, visit: Visit) -> None:
    page = visit(site.admin)
    page.goto("/admin/runs")
    page.get_by_role("button", name="Train recordings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run of recordings")
    run_id = page.url.rsplit("/", 1)[-1]
    with acting_as(site.admin.actor):
        acts = [entry.act for entry in site.stack.services.accounts.list_audit(limit=20)]
    assert "run.start" in acts
    advance(site.stack, UUID(run_id))
    expect(page.locator(".facts")).to_contain_text("done")
    expect(page.locator(".facts")).to_contain_text("Ended")


def test_models_are_compared_promoted_and_rolled_back(site: Site, visit: Visit) -> None:
    train(site.stack, "recordings")
    page = visit(site.admin, scripts=False)
    page.goto("/admin/models")
    recordings = page.locator("section", has=page.locator("#kind-recordings"))
    expect(recordings.locator("tbody")).to_contain_text(re.compile(r"nDCG 0\.\d+ \([+-]"))
    recordings.get_by_role("link", name=re.compile("^Promote")).last.click()
    expect(page.locator("section.panel")).to_contain_text("serves now, and is retired")
    page.get_by_label("Reason").fill("a trial")
    page.get_by_role("button", name="Let it serve").click()
    expect(page.locator(".note")).to_contain_text("serves recordings from now on")
    recordings.get_by_label("Reason to roll back").fill("a trial")
    recordings.get_by_role("button", name="Roll back recordings").click()
    expect(page.locator(".note")).to_contain_text("serves recordings again")
    page.goto("/admin/audit")
    expect(page.locator("tbody")).to_contain_text("model.roll_back")


def test_what_cannot_be_undone_asks_for_the_password_again(site: Site, visit: Visit) -> None:
    admin, person = new_person(site.stack.services, is_admin=True), new_person(site.stack.services)
    page = visit(stale(site, admin), scripts=False)
    page.goto(f"/admin/users/{person.listener_id}/delete?name={person.name}")
    page.fill("#field-name", person.name)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your password again")
    page.fill("[name=password]", "wrong, surely")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_have_text("That does not match.")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.fill("#field-name", person.name)
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".note")).to_contain_text(f"{person.name} is deleted")


def test_a_person_is_barred_and_readmitted_and_gets_a_password_link(site: Site, visit: Visit) -> None:
    person = new_person(site.stack.services)
    page = visit(site.admin, scripts=False)
    page.goto(f"/admin/users?q={person.name}")
    page.get_by_role("button", name="Bar").click()
    expect(page.locator(".note")).to_contain_text("barred")
    page.goto(f"/admin/users?q={person.name}")
    page.get_by_role("button", name="Readmit").click()
    page.goto(f"/admin/users?q={person.name}")
    page.get_by_role("button", name="Password link").click()
    link = page.locator("[data-copy-source]").inner_text()
    guest = visit(scripts=False)
    guest.goto(link)
    guest.fill("[name=password]", "a sentence nobody else would think of")
    guest.get_by_role("button", name="Set the password").click()
    expect(guest.locator(".note")).to_contain_text("Sign in with it")


def stale(site: Site, admin: Person) -> Person:
    """Return an administrator who signed in an hour ago, with a token as a renewed session has it."""
    service = site.stack.services.wire("accounts").service
    assert isinstance(service, AccountsService)
    key = service.keys.current()
    claims = jwt.decode(admin.token, options={"verify_signature": False})
    claims["auth_time"] = int(time.time()) - 3600
    token = jwt.encode(claims, key.private_key, "EdDSA", headers={"kid": key.kid})
    return replace(admin, actor=replace(admin.actor, token=token))
