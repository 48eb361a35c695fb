"""The people of this instance: create, invite, disable, a new password, delete.

`accounts` writes these acts into the audit trail itself, together with their effect.
"""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.page import go, must_prove, or_none, say
from app.contracts.accounts import InvalidName, LastAdmin, Listener, NameTaken, WeakPassword
from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings

PAGE = 50

Name = Annotated[str, Meta(max_length=200)]


class PeopleQuery(Struct, frozen=True, forbid_unknown_fields=True):
    q: Name = ""
    after: Name = ""


class CreateForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    password: Annotated[str, Meta(max_length=1024)] = ""
    is_admin: bool = False
    back: str = ""


class InviteForm(Struct, frozen=True, forbid_unknown_fields=True):
    is_admin: bool = False
    back: str = ""


class DisableForm(Struct, frozen=True, forbid_unknown_fields=True):
    is_disabled: bool
    name: Name
    back: str = ""


class RoleForm(Struct, frozen=True, forbid_unknown_fields=True):
    is_admin: bool
    name: Name
    back: str = ""


class PersonForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    back: str = ""


class NameQuery(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name


class DeleteForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`person` is who is meant; `name` was typed to confirm it."""

    person: Name
    name: Name
    back: str = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    site = settings.public_url.rstrip("/")

    def people_page(**values: Any) -> str:
        query: PeopleQuery = PeopleQuery() if values else parse_query(PeopleQuery)
        people = or_none(partial(services.accounts.list_listeners, query.after, PAGE, query.q.strip()))
        shown: dict[str, Any] = {"link": None, "trouble": "", "form": CreateForm(""), **values}
        return render_template(
            "admin/people.html", people=people, query=query, is_full=len(people or []) == PAGE, **shown
        )

    @bp.get("/users")
    def users() -> ResponseReturnValue:
        return people_page()

    @bp.post("/users")
    def create_user() -> ResponseReturnValue:
        form: CreateForm = parse_form(CreateForm)
        if prove := must_prove():
            return prove
        try:
            made = services.accounts.create_listener(form.name.strip(), form.password or None, form.is_admin)
        except (NameTaken, InvalidName, WeakPassword) as error:
            return people_page(trouble=said(error), form=form), 422
        say(_("%(name)s has an account now.", name=made.name))
        return go(url_for("admin.users", q=made.name))

    @bp.post("/invitations")
    def invite() -> ResponseReturnValue:
        """Make an invitation and show its link, this once, in the answer itself."""
        form: InviteForm = parse_form(InviteForm)
        if form.is_admin and (prove := must_prove()):
            return prove
        made = services.accounts.create_invitation(form.is_admin)
        address = f"{site}{url_for('web.register', invitation=made.code)}"
        says = (
            _("An administrator can register with this link.")
            if made.is_admin
            else _("One person can register with this link.")
        )
        return people_page(link={"address": address, "says": says, "until": made.expires_at})

    @bp.post("/users/<uuid:listener_id>/disable")
    def disable(listener_id: UUID) -> ResponseReturnValue:
        form: DisableForm = parse_form(DisableForm)
        if prove := must_prove():
            return prove
        try:
            services.accounts.set_disabled(listener_id, form.is_disabled)
            say(
                _("%(name)s is barred and signed out.", name=form.name)
                if form.is_disabled
                else _("%(name)s is readmitted.", name=form.name)
            )
        except LastAdmin as error:
            say(said(error), tone="problem")
        return go(url_for("admin.users"))

    @bp.post("/users/<uuid:listener_id>/role")
    def set_role(listener_id: UUID) -> ResponseReturnValue:
        form: RoleForm = parse_form(RoleForm)
        if prove := must_prove():
            return prove
        try:
            services.accounts.set_admin(listener_id, form.is_admin)
            if form.is_admin:
                say(_("%(name)s is an administrator now.", name=form.name))
            else:
                say(_("%(name)s is a listener like others now.", name=form.name))
        except LastAdmin as error:
            say(said(error), tone="problem")
        return go(url_for("admin.users", q=form.name))

    @bp.post("/users/<uuid:listener_id>/reset")
    def reset_link(listener_id: UUID) -> ResponseReturnValue:
        form: PersonForm = parse_form(PersonForm)
        if prove := must_prove():
            return prove
        code = services.accounts.create_reset(listener_id)
        address = f"{site}{url_for('web.reset', code=code)}"
        return people_page(
            link={
                "address": address,
                "says": _("%(name)s can set a new password with this link.", name=form.name),
                "until": None,
            }
        )

    add_deletion(bp, services)


def add_deletion(bp: Blueprint, services: Services) -> None:
    @bp.get("/users/<uuid:listener_id>/delete")
    def confirm_user_deletion(listener_id: UUID) -> ResponseReturnValue:
        query: NameQuery = parse_query(NameQuery)
        person = person_of(services, listener_id, query.name)
        return render_template("admin/person_delete.html", person=person, trouble="")

    @bp.post("/users/<uuid:listener_id>/delete")
    def delete_user(listener_id: UUID) -> ResponseReturnValue:
        form: DeleteForm = parse_form(DeleteForm)
        if prove := must_prove():
            return prove
        person = person_of(services, listener_id, form.person)
        if form.name.casefold() != person.name.casefold():
            trouble = _("That is not the name. Nothing was deleted.")
            return render_template("admin/person_delete.html", person=person, trouble=trouble), 422
        try:
            services.accounts.delete_listener(listener_id)
            say(_("%(name)s is deleted, with everything that was kept of them.", name=person.name))
        except LastAdmin as error:
            say(said(error), tone="problem")
        return go(url_for("admin.users"))


def person_of(services: Services, listener_id: UUID, name: str) -> Listener:
    """Return one listener by id, looked for among those whose names are near. Raises NotFound."""
    near = services.accounts.list_listeners(limit=1000, search=name)
    person = next((p for p in near if p.listener_id == listener_id), None)
    if person is None:
        raise NotFound
    return person
