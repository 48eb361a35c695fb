"""A person's own account: tokens, sessions, password, preferences, second factor, export, deletion."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from flask import Blueprint, Response, make_response, request, url_for
from msgspec import Meta, Struct

from app.contracts.accounts import (
    ALL_SCOPES,
    InvalidCredentials,
    LastAdmin,
    Preferences,
    Scope,
    WeakPassword,
)
from app.contracts.services import Services
from app.kernel import context, locales
from app.kernel.auth import clear_session_cookies, refresh_cookie, set_session_cookies
from app.kernel.contract import DomainError, InvalidRequest
from app.kernel.http import parse_form
from app.kernel.locales import N_, said
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import look, notes
from app.web.page import Answer, go, me, render
from app.web.parts import gather, part
from app.web.session import Line, Secret, client_name

SCOPE_WORDS: dict[Scope, str] = {
    "scrobble": N_("send listens"),
    "read": N_("read your history and recommendations"),
    "write": N_("change playlists, love and hide"),
}


class TokenForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: list[Scope] = []


class PasswordForm(Struct, frozen=True, forbid_unknown_fields=True):
    current: Secret
    new: Secret


class PreferencesForm(Struct, frozen=True, forbid_unknown_fields=True):
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"
    theme: Literal["auto", "light", "dark"] = "auto"
    language: Literal["auto", "en", "de"] = "auto"
    is_public: bool = False


class OtpForm(Struct, frozen=True, forbid_unknown_fields=True):
    otp: Line
    secret: Line = ""


class ProofForm(Struct, frozen=True, forbid_unknown_fields=True):
    password: Secret


class DeleteForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Line


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    def account_page(**values: object) -> str:
        person, tokens, sessions, preferences = gather(
            services.accounts.me,
            partial(services.accounts.list_tokens, me()),
            partial(services.accounts.list_sessions, me()),
            partial(services.accounts.get_preferences, me()),
        )
        values = {"issued": None, "trouble": {}, **values}
        return render(
            "web/account.html",
            person=person,
            tokens=tokens,
            sessions=sessions,
            preferences=preferences,
            zones=look.zone_names(),
            languages=locales.LANGUAGES,
            scopes=SCOPE_WORDS,
            **values,
        )

    @bp.get("/account")
    def account() -> Answer:
        return account_page()

    add_tokens(bp, services, account_page)
    add_sessions(bp, services, settings)
    add_safety(bp, services, settings, account_page)
    add_farewell(bp, services, settings)


def add_tokens(bp: Blueprint, services: Services, account_page: Callable[..., str]) -> None:
    @bp.post("/account/tokens")
    def create_token() -> Answer:
        """Issue a token and show it, this once, in the answer itself."""
        form: TokenForm = parse_form(TokenForm, many=("scopes",))
        issued = services.accounts.create_token(me(), form.name.strip() or "token", form.scopes or list(ALL_SCOPES))
        return account_page(issued=issued)

    @bp.post("/account/tokens/<uuid:token_id>/revoke")
    def revoke_token(token_id: UUID) -> Answer:
        services.accounts.revoke_token(me(), token_id)
        notes.add(_("The token is revoked. What uses it can't sign in any more."))
        return go(url_for("web.account", _anchor="tokens"))


def add_sessions(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.post("/account/sessions/<uuid:session_id>/end")
    def end_session(session_id: UUID) -> Answer:
        services.accounts.end_session(me(), session_id)
        notes.add(_("That session has ended."))
        return go(url_for("web.account", _anchor="sessions"))

    @bp.post("/account/sessions/end-all")
    def end_all_sessions() -> Answer:
        services.accounts.logout(refresh_token=refresh_cookie(), everywhere=True)
        notes.add(_("You are signed out everywhere."))
        answer = go(url_for("web.login"))
        clear_session_cookies(answer, settings)
        look.forget()
        return answer

    @bp.post("/account/preferences")
    def set_preferences() -> Answer:
        form: PreferencesForm = parse_form(PreferencesForm)
        wanted = Preferences(timezone=form.timezone, is_public=form.is_public, theme=form.theme, language=form.language)
        try:
            look.remember(services.accounts.set_preferences(me(), wanted))
            notes.add(_("Your preferences are saved."))
        except InvalidRequest as error:
            notes.add(said(error), tone="problem")
        return go(url_for("web.account", _anchor="preferences"))


def add_safety(bp: Blueprint, services: Services, settings: Settings, account_page: Callable[..., str]) -> None:
    def refused(field: str, text: str) -> Answer:
        return account_page(trouble={field: text}), 422

    @bp.post("/account/password")
    def change_password() -> Answer:
        form: PasswordForm = parse_form(PasswordForm)
        try:
            services.accounts.change_password(me(), form.current, form.new)
        except InvalidCredentials:
            return refused("current", _("This is not your current password."))
        except WeakPassword as error:
            return refused("new", error.message)
        notes.add(_("Your password is changed. Other sessions have ended."))
        answer = go(url_for("web.account", _anchor="password"))
        renew(services, settings, answer, form.new)
        return answer

    @bp.post("/account/second-factor")
    def start_second_factor() -> Answer:
        form: ProofForm = parse_form(ProofForm)
        try:
            factor = services.accounts.start_second_factor(me(), form.password)
        except InvalidCredentials:
            return refused("factor", _("This is not your password."))
        return render("web/second_factor.html", factor=factor, trouble="")

    @bp.post("/account/second-factor/confirm")
    def confirm_second_factor() -> Answer:
        form: OtpForm = parse_form(OtpForm)
        try:
            services.accounts.confirm_second_factor(me(), form.otp.replace(" ", ""))
        except InvalidCredentials:
            return render(
                "web/second_factor.html", factor=None, trouble=_("That code does not fit. Try the next one.")
            ), 422
        notes.add(_("From now on, signing in also asks for a code."))
        return go(url_for("web.account", _anchor="second-factor"))

    @bp.post("/account/second-factor/remove")
    def remove_second_factor() -> Answer:
        form: ProofForm = parse_form(ProofForm)
        try:
            services.accounts.remove_second_factor(me(), form.password)
        except InvalidCredentials:
            return refused("factor", _("This is not your password."))
        notes.add(_("The second factor is removed."))
        return go(url_for("web.account", _anchor="second-factor"))


def renew(services: Services, settings: Settings, answer: Response, password: str) -> None:
    """Sign this browser in again where a new password ended its session too."""
    try:
        tokens = services.accounts.refresh(refresh_cookie())
        set_session_cookies(answer, tokens, settings)
    except DomainError:
        try:
            tokens = services.accounts.login(
                context.actor().name, password, "", client_name(), request.remote_addr or ""
            )
        except DomainError:
            return  # a second factor is asked for: the sign-in page does that
        set_session_cookies(answer, tokens, settings)


def add_farewell(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/account/delete")
    def confirm_farewell() -> Answer:
        return render("web/account_delete.html", summary=part(partial(services.listens.summary, me())), trouble="")

    @bp.post("/account/delete")
    def farewell() -> Answer:
        form: DeleteForm = parse_form(DeleteForm)
        trouble = receipt = ""
        if form.name.casefold() != context.actor().name.casefold():
            trouble = _("That is not your name. Nothing was deleted.")
        else:
            try:
                receipt = services.accounts.create_erasure_receipt(me())
                services.accounts.delete_listener(me())
            except LastAdmin as error:
                trouble = said(error)
        if trouble:
            return render("web/account_delete.html", summary=None, trouble=trouble), 422
        answer = go(url_for("web.gone", receipt=receipt))
        clear_session_cookies(answer, settings)
        look.forget()
        return answer

    @bp.get("/gone/<receipt>")
    def gone(receipt: str) -> Answer:
        """Say whether everything of a deleted account is gone."""
        erasure = services.accounts.get_erasure(receipt)
        return render("web/gone.html", receipt=receipt, erasure=erasure, is_live=not erasure.is_complete)

    @bp.get("/gone/<receipt>/fragment")
    def gone_fragment(receipt: str) -> Answer:
        erasure = services.accounts.get_erasure(receipt)
        answer = make_response(render("web/_gone.html", erasure=erasure))
        answer.headers["X-Segue-Live"] = "0" if erasure.is_complete else "1"
        return answer
