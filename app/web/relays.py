"""Connections to other services: what is forwarded to them and fetched from them, and how that goes."""

from functools import partial
from typing import Annotated, NamedTuple
from uuid import UUID

from flask import Blueprint, url_for
from msgspec import Meta, Struct

from app.contracts.relays import InvalidRelay, Relay, RelayDirection, RelayNotFound, RelayOptions, RelayService
from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.kernel.http import parse_form
from app.kernel.locales import N_, plural, said
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import notes
from app.web.page import Answer, go, me, render
from app.web.parts import part

Text = Annotated[str, Meta(max_length=500)]

SERVICES: dict[str, RelayService] = {"listenbrainz": "listenbrainz", "lastfm": "lastfm", "segue": "segue"}
NAMES = {"listenbrainz": "ListenBrainz", "lastfm": "Last.fm", "segue": N_("Another Segue")}
DIRECTIONS = {
    "push": N_("Send my new listens there"),
    "pull": N_("Fetch my new listens from there"),
    "both": N_("Both"),
}


class AddForm(Struct, frozen=True, forbid_unknown_fields=True):
    address: Text = ""
    user_name: Text = ""
    credential: Text = ""
    api_key: Annotated[str, Meta(max_length=200)] = ""
    api_secret: Annotated[str, Meta(max_length=200)] = ""
    is_session_key: bool = False
    direction: RelayDirection = "push"


class CredentialForm(Struct, frozen=True, forbid_unknown_fields=True):
    credential: Text


class State(NamedTuple):
    """How a connection fares, in words; the icon says no more than they do."""

    glyph: str
    words: str


def state_of(relay: Relay) -> State:
    if relay.paused:
        return State(
            "away",
            _("It waits for you: %(service)s says “%(why)s”.", service=_(NAMES[relay.service]), why=relay.paused),
        )
    if not relay.is_enabled:
        return State("pause", _("You paused it."))
    if relay.push_error or relay.pull_error:
        return State(
            "away", _("It is tried again by itself. Last trouble: %(why)s", why=relay.push_error or relay.pull_error)
        )
    if relay.waiting:
        return State("history", _("On the way: %(listens)s.", listens=plural(relay.waiting, "listen")))
    if relay.push_done_at or relay.pull_done_at:
        return State("done", _("It works."))
    return State("history", _("Connected; nothing has been sent or fetched yet."))


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/account/relays")
    def relays() -> Answer:
        found = part(partial(services.listens.list_relays, me()))
        states = {each.relay_id: state_of(each) for each in found.value} if found else {}
        return render("web/relays.html", relays=found, states=states, names=NAMES, directions=DIRECTIONS)

    add_new(bp, services)
    add_acts(bp, services)

    @bp.get("/account/relays/<uuid:relay_id>/remove")
    def confirm_remove_relay(relay_id: UUID) -> Answer:
        return render("web/relay_remove.html", relay=one(services, relay_id), names=NAMES)

    @bp.post("/account/relays/<uuid:relay_id>/remove")
    def remove_relay(relay_id: UUID) -> Answer:
        services.listens.remove_relay(me(), relay_id)
        notes.add(_("The connection is removed."))
        return go(url_for("web.relays"))


def one(services: Services, relay_id: UUID) -> Relay:
    for relay in services.listens.list_relays(me()):
        if relay.relay_id == relay_id:
            return relay
    raise RelayNotFound


def add_new(bp: Blueprint, services: Services) -> None:
    def new_page(service: str, given: AddForm, trouble: str = "") -> str:
        if service not in SERVICES:
            raise NotFound
        return render(
            "web/relay_new.html", service=service, given=given, trouble=trouble, names=NAMES, directions=DIRECTIONS
        )

    @bp.get("/account/relays/new/<service>")
    def new_relay(service: str) -> Answer:
        return new_page(service, AddForm())

    @bp.post("/account/relays/new/<service>")
    def add_relay(service: str) -> Answer:
        """Connect, and ask the other service at once, so that a wrong password is seen now."""
        form: AddForm = parse_form(AddForm)
        if service not in SERVICES:
            raise NotFound
        options = RelayOptions(form.api_key, form.api_secret, form.is_session_key)
        try:
            made = services.listens.add_relay(
                me(), SERVICES[service], form.address, form.user_name, form.credential, form.direction, options
            )
        except InvalidRelay as error:
            return new_page(service, form, said(error)), 422
        test(services, made.relay_id)
        return go(url_for("web.relays"))


def test(services: Services, relay_id: UUID) -> None:
    check = services.listens.test_relay(me(), relay_id)
    notes.add(check.message, tone="done" if check.is_working else "problem")


def add_acts(bp: Blueprint, services: Services) -> None:
    @bp.post("/account/relays/<uuid:relay_id>/test")
    def test_relay(relay_id: UUID) -> Answer:
        test(services, relay_id)
        return go(url_for("web.relays"))

    @bp.post("/account/relays/<uuid:relay_id>/retry")
    def retry_relay(relay_id: UUID) -> Answer:
        services.listens.retry_relay(me(), relay_id)
        notes.add(_("It is tried again now."))
        return go(url_for("web.relays"))

    @bp.post("/account/relays/<uuid:relay_id>/pause")
    def pause_relay(relay_id: UUID) -> Answer:
        services.listens.set_relay(me(), relay_id, is_enabled=False)
        notes.add(
            _("It is paused. What you play meanwhile is not sent later."),
            undo=url_for("web.resume_relay", relay_id=relay_id),
        )
        return go(url_for("web.relays"))

    @bp.post("/account/relays/<uuid:relay_id>/resume")
    def resume_relay(relay_id: UUID) -> Answer:
        services.listens.set_relay(me(), relay_id, is_enabled=True)
        notes.add(_("It goes on."))
        return go(url_for("web.relays"))

    @bp.post("/account/relays/<uuid:relay_id>/credential")
    def set_relay_credential(relay_id: UUID) -> Answer:
        form: CredentialForm = parse_form(CredentialForm)
        try:
            services.listens.set_relay(me(), relay_id, credential=form.credential)
            test(services, relay_id)
        except InvalidRelay as error:
            notes.add(said(error), tone="problem")
        return go(url_for("web.relays"))
