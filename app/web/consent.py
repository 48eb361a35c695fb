"""An application asks for consent: the web authorisation of the Audioscrobbler protocol.

It sends a person to `/api/auth/?api_key=…&token=…` (or with `cb`, an address to come back to), and fetches its session
once they agreed.
"""

from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, redirect, request, url_for
from msgspec import Meta, Struct

from app.contracts.accounts import AuthorizationExpired, InvalidToken
from app.contracts.services import Services
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings
from app.web.page import Answer, me, render

Key = Annotated[str, Meta(min_length=1, max_length=200)]
Address = Annotated[str, Meta(max_length=2000)]


class ConsentQuery(Struct, frozen=True):
    """Applications send parameters of their own beside these."""

    api_key: Key
    token: Annotated[str, Meta(max_length=200)] = ""
    cb: Address = ""


class ConsentForm(Struct, frozen=True, forbid_unknown_fields=True):
    api_key: Key
    token: Key
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    cb: Address = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/api/auth/")
    def consent() -> Answer:
        query: ConsentQuery = parse_query(ConsentQuery)
        token = query.token or services.accounts.start_authorization(query.api_key)
        name = (request.referrer and urlsplit(request.referrer).netloc) or _("An application")
        return render("web/consent.html", query=query, token=token, name=name[:80], host=host_of(query.cb))

    @bp.get("/api/auth")
    def consent_without_slash() -> Answer:
        return redirect(f"{url_for('web.consent')}?{request.query_string.decode()}", 308)

    @bp.post("/api/auth/")
    def give_consent() -> Answer:
        form: ConsentForm = parse_form(ConsentForm)
        trouble = ""
        try:
            services.accounts.approve_authorization(me(), form.token, form.api_key, form.name.strip() or "application")
        except AuthorizationExpired as error:
            trouble = said(error)
        except InvalidToken:
            trouble = _("This request was not made here, or is damaged. Begin again in the application.")
        back = with_token(form.cb, form.token) if host_of(form.cb) and not trouble else ""
        answer = render("web/consented.html", name=form.name, trouble=trouble, back=back, host=host_of(form.cb))
        return answer, 422 if trouble else 200


def host_of(address: str) -> str:
    """Return the host of a web address to come back to, or "" for anything else."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in {"http", "https"} and "@" not in parts.netloc else ""


def with_token(address: str, token: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), ("token", token)])))
