"""The first look: is every part well, what is training, which model serves; and the audit trail."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from flask import Blueprint, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.attention import concerns
from app.admin.page import go, or_none
from app.contracts.accounts import InvalidCredentials, LoginThrottled, SecondFactorRequired
from app.contracts.services import Services
from app.kernel import context
from app.kernel.auth import refresh_cookie, safe_next, set_session_cookies
from app.kernel.contract import DomainError, InvalidRequest
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import N_
from app.kernel.locales import gettext as _
from app.settings import Settings

AUDIT_PAGE = 100

# What still works without each part, as the listener notices it.
WITHOUT = {
    "accounts": N_("People who are signed in stay so; nobody can sign in anew."),
    "catalog": N_("Listens are accepted; names are shown as the listener sent them; no search."),
    "listens": N_("Recommendations come from the profile; submissions are told to try again later."),
    "recommendations": N_("Home shows what is popular here, marked as such."),
    "training": N_("The last model goes on serving; new runs wait."),
    "playlists": N_("Everything but playlists."),
    "broker": N_("The last model goes on serving; new runs wait."),
    "worker": N_("The last model goes on serving; new runs wait."),
}


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    before: Annotated[str, Meta(max_length=64)] = ""


class ProveForm(Struct, frozen=True, forbid_unknown_fields=True):
    password: Annotated[str, Meta(max_length=1024)]
    otp: Annotated[str, Meta(max_length=64)] = ""
    next: Annotated[str, Meta(max_length=2000)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/")
    def overview() -> ResponseReturnValue:
        parts: list[dict[str, Any]] = current_app.extensions["segue"].health()
        return render_template(
            "admin/overview.html",
            parts=parts,
            concerns=concerns(services, parts, settings),
            without=WITHOUT,
            runs=or_none(partial(services.training.list_runs, 5)),
            models=or_none(services.training.list_models),
        )

    @bp.get("/audit")
    def audit() -> ResponseReturnValue:
        query: AuditQuery = parse_query(AuditQuery)
        try:
            before = datetime.fromisoformat(query.before) if query.before else None
        except ValueError:
            raise InvalidRequest("before: a moment in ISO 8601") from None
        entries = or_none(partial(services.accounts.list_audit, before, AUDIT_PAGE))
        return render_template("admin/audit.html", entries=entries, is_full=len(entries or []) == AUDIT_PAGE)

    add_proof(bp, services, settings)


def add_proof(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/prove")
    def prove() -> ResponseReturnValue:
        """Ask for the password again before something that can't be undone."""
        return prove_page(safe_next(request.args.get("next"), url_for("admin.overview")), "")

    @bp.post("/prove")
    def proven() -> ResponseReturnValue:
        form: ProveForm = parse_form(ProveForm)
        target = safe_next(form.next, url_for("admin.overview"))
        client, address = (request.user_agent.string or "browser")[:120], request.remote_addr or ""
        try:
            tokens = services.accounts.login(
                context.actor().name, form.password, form.otp.replace(" ", ""), client, address
            )
        except SecondFactorRequired:
            return prove_page(target, _("The code from your authenticator is needed too.")), 401
        except InvalidCredentials:
            return prove_page(target, _("That does not match.")), 401
        except LoginThrottled:
            return prove_page(target, _("Too many attempts for now. Wait a little.")), 429
        end_older_session(services)
        answer = go(target)
        set_session_cookies(answer, tokens, settings)
        return answer

    def prove_page(target: str, trouble: str) -> str:
        return render_template("admin/prove.html", target=target, trouble=trouble)


def end_older_session(services: Services) -> None:
    """End the session that the new one replaces; where that fails it ends by itself in time."""
    if token := refresh_cookie():
        with context.acting_as(context.ANONYMOUS):
            try:
                services.accounts.logout(refresh_token=token)
            except DomainError:
                return
