"""Signing in and out, signing up, and a new password by a reset link."""

from dataclasses import dataclass
from typing import Annotated

from flask import Blueprint, Response, request, url_for
from msgspec import Meta, Struct

from app.contracts.accounts import (
    InvalidCredentials,
    InvalidName,
    InvalidToken,
    LoginThrottled,
    NameTaken,
    RegistrationClosed,
    SecondFactorRequired,
    TokenPair,
    WeakPassword,
)
from app.contracts.services import Services
from app.kernel import context
from app.kernel.auth import clear_session_cookies, refresh_cookie, safe_next, set_session_cookies
from app.kernel.contract import DomainError
from app.kernel.http import parse_form
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings
from app.web import look, notes
from app.web.page import Answer, go, render

Line = Annotated[str, Meta(max_length=200)]
Secret = Annotated[str, Meta(max_length=1024)]


class LoginForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Line = ""
    password: Secret = ""
    otp: Line = ""
    next: Annotated[str, Meta(max_length=2000)] = ""


class RegisterForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Line
    password: Secret
    invitation: Line = ""


class ResetForm(Struct, frozen=True, forbid_unknown_fields=True):
    code: Line
    password: Secret


@dataclass(frozen=True)
class Trouble:
    """What to say above a form, and at which of its fields."""

    text: str
    field: str = ""


def client_name() -> str:
    return (request.user_agent.string or "browser")[:120]


def signed_in(tokens: TokenPair, settings: Settings, target: str) -> Response:
    answer = go(target)
    set_session_cookies(answer, tokens, settings)
    look.forget()
    return answer


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    add_login(bp, services, settings)
    add_registration(bp, services, settings)

    @bp.post("/logout")
    def logout() -> Answer:
        """End this session, here even when accounts can't be told now."""
        if context.actor().listener_id is not None:
            try:
                services.accounts.logout(refresh_token=refresh_cookie())
            except DomainError:
                notes.add(_("Signed out in this browser. The server will forget the session when it expires."))
        answer = go(url_for("web.login"))
        clear_session_cookies(answer, settings)
        look.forget()
        return answer


def add_login(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/login")
    def login() -> Answer:
        target = safe_next(request.args.get("next"))
        if context.actor().listener_id is not None and not request.args.get("again"):
            return go(target)
        return login_page(LoginForm(name=context.actor().name, next=target), None)

    @bp.post("/login", endpoint="login_form")
    def sign_in() -> Answer:
        form: LoginForm = parse_form(LoginForm)
        try:
            tokens = services.accounts.login(
                form.name, form.password, form.otp.replace(" ", ""), client_name(), request.remote_addr or ""
            )
        except SecondFactorRequired:
            ask = _("Now the code from your authenticator, with the password once more.")
            return login_page(form, Trouble(ask, "otp"), asks_otp=True), 401
        except InvalidCredentials:
            wrong = (
                _("That name and password do not go together. Or the code was not right.")
                if form.otp
                else _("That name and password do not go together.")
            )
            return login_page(form, Trouble(wrong, "password"), asks_otp=bool(form.otp)), 401
        except LoginThrottled as error:
            wait = int(error.details.get("retry_after_s", 0))
            text = (
                _("Too many attempts for now. Try again in %(wait)s seconds.", wait=wait)
                if wait
                else _("Too many attempts for now. Wait a little.")
            )
            return login_page(form, Trouble(text)), 429
        return signed_in(tokens, settings, safe_next(form.next))

    def login_page(form: LoginForm, trouble: Trouble | None, *, asks_otp: bool = False) -> str:
        return render(
            "web/login.html",
            form=form,
            trouble=trouble,
            asks_otp=asks_otp,
            is_again=context.actor().listener_id is not None,
            is_open=settings.registration == "open",
        )


def add_registration(bp: Blueprint, services: Services, settings: Settings) -> None:
    def register_page(name: str, invitation: str, trouble: Trouble | None) -> str:
        is_possible = bool(invitation) or settings.registration == "open"
        return render("web/register.html", name=name, invitation=invitation, trouble=trouble, is_possible=is_possible)

    @bp.get("/register")
    def register() -> Answer:
        return register_page("", request.args.get("invitation", "")[:200], None)

    @bp.post("/register", endpoint="register_form")
    def sign_up() -> Answer:
        form: RegisterForm = parse_form(RegisterForm)
        try:
            services.accounts.register(form.name, form.password, form.invitation)
        except (NameTaken, InvalidName) as error:
            trouble = Trouble(said(error), "name")
        except WeakPassword as error:
            trouble = Trouble(said(error), "password")
        except (RegistrationClosed, InvalidToken) as error:
            trouble = Trouble(said(error))
        else:
            tokens = services.accounts.login(form.name, form.password, "", client_name(), request.remote_addr or "")
            return signed_in(tokens, settings, url_for("web.home"))
        return register_page(form.name, form.invitation, trouble), 422

    @bp.get("/reset")
    def reset() -> Answer:
        return render("web/reset.html", code=request.args.get("code", "")[:200], trouble=None)

    @bp.post("/reset", endpoint="reset_form")
    def set_password() -> Answer:
        form: ResetForm = parse_form(ResetForm)
        try:
            services.accounts.reset_password(form.code, form.password)
        except WeakPassword as error:
            trouble = Trouble(said(error), "password")
        except InvalidToken as error:
            trouble = Trouble(said(error))
        else:
            notes.add(_("Your new password is set. Sign in with it."))
            return go(url_for("web.login"))
        return render("web/reset.html", code=form.code, trouble=trouble), 422
