"""One listen that was another recording, release or time: looked for, or written by hand; and what is playing now."""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint, make_response, url_for
from msgspec import Meta, Struct

from app.contracts.identity import identify
from app.contracts.listens import InvalidListen, Listen, ListenId, ListenNotFound, NewListen
from app.contracts.services import Services
from app.kernel.auth import safe_next
from app.kernel.contract import InvalidRequest
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings
from app.web import look, notes
from app.web.page import Answer, back, me, render
from app.web.parts import part

RESULTS = 10
MOST_NEW = 1000

Text = Annotated[str, Meta(max_length=2000)]


class EditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    listened_at: datetime
    recording_key: UUID
    q: Annotated[str, Meta(max_length=200)] = ""
    back: Text = ""


class EditForm(Struct, frozen=True, forbid_unknown_fields=True):
    listened_at: datetime
    recording_key: UUID
    artist: Text
    title: Text
    at: Annotated[str, Meta(max_length=40)] = ""  # the time as the person's clock shows it; empty: as it was
    release: Text = ""
    back: Text = ""


class PlayingQuery(Struct, frozen=True, forbid_unknown_fields=True):
    newest: Annotated[str, Meta(max_length=64)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/history/edit")
    def edit_listen() -> Answer:
        query: EditQuery = parse_query(EditQuery)
        return edit_page(services, query)

    @bp.post("/history/edit", endpoint="edit_listen_form")
    def save_listen() -> Answer:
        form: EditForm = parse_form(EditForm)
        which = ListenId(form.listened_at, form.recording_key)
        listen = listen_at(services, which)
        at = moment(form.at) or form.listened_at
        edited = NewListen(at, form.artist, form.title, form.release.strip() or None, duration_ms=listen.duration_ms)
        try:
            was = services.listens.edit_listen(me(), which, edited)
        except InvalidListen as error:
            query = EditQuery(form.listened_at, form.recording_key, back=form.back)
            return edit_page(services, query, trouble=said(error), form=form), 422
        notes.add(
            _("%(title)s it is.", title=form.title),
            undo=url_for("web.edit_listen_form"),
            fields={
                "listened_at": at.isoformat(),
                "recording_key": identify(form.artist, form.title).recording_key,
                "artist": was.artist,
                "title": was.title,
                "release": was.release or "",
                "at": was.listened_at.isoformat(),
            },
        )
        return back("/history")

    @bp.get("/playing")
    def playing() -> Answer:
        """What is playing and how much is new since a page was made, for the script that keeps it fresh."""
        query: PlayingQuery = parse_query(PlayingQuery)
        now = part(partial(services.listens.get_playing_now, me()))
        new = part(partial(services.listens.count, me(), after=query.newest)) if query.newest else None
        count = min(new.value or 0, MOST_NEW) if new else 0
        return make_response(render("web/_playing.html", playing=now.value, new=count))


def edit_page(services: Services, query: EditQuery, *, trouble: str = "", form: EditForm | None = None) -> str:
    listen = listen_at(services, ListenId(query.listened_at, query.recording_key))
    text = query.q.strip()
    found = part(partial(services.catalog.search, text, RESULTS)) if text else None
    return render(
        "web/listen_edit.html",
        listen=listen,
        query=query,
        there=safe_next(query.back, url_for("web.history")),
        found=found,
        text=text,
        trouble=trouble,
        form=form,
    )


def listen_at(services: Services, which: ListenId) -> Listen:
    """Return one listen of the person who is looking. Raises ListenNotFound."""
    at = which.listened_at
    before, after = f"{at.timestamp() + 1:.0f}", f"{at.timestamp() - 1:.0f}"
    page = services.listens.history(me(), before, after, limit=100)
    for listen in page.listens:
        keys = {listen.recording_key, *([listen.sent.recording_key] if listen.sent else [])}
        if listen.listened_at == at and which.recording_key in keys:
            return listen
    raise ListenNotFound


def moment(said: str) -> datetime | None:
    """Read a time as the person's clock shows it. Raises InvalidRequest."""
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise InvalidRequest("at: write the time as 2026-01-31T20:15") from None
    return found if found.tzinfo else found.replace(tzinfo=look.look().zone)
