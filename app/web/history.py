"""What was played: by day, searchable, with a way to take listens out and put them back."""

from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import groupby
from typing import Annotated
from uuid import UUID

from flask import Blueprint, request
from msgspec import Meta, Struct

from app.contracts.listens import ListenNotFound, NewListen
from app.contracts.services import Services
from app.kernel.contract import InvalidRequest
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import look, notes
from app.web.library import playable
from app.web.page import Answer, back, me, render
from app.web.parts import gather

PAGE = 50
LONGEST_TRAIL = 30
BETWEEN = "|"  # in no cursor and no time

Text = Annotated[str, Meta(max_length=2000)]


class HistoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    q: Annotated[str, Meta(max_length=200)] = ""
    before: Annotated[str, Meta(max_length=200)] = ""
    day: Annotated[str, Meta(max_length=10)] = ""
    trail: Annotated[str, Meta(max_length=3000)] = ""  # where the newer pages began, so that there is a way back


class ListenForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A listen to take out, or to put back as it was."""

    listened_at: datetime
    recording_key: UUID
    artist: Text
    title: Text
    release: Text | None = None
    duration_ms: int | None = None
    client: Annotated[str, Meta(max_length=200)] = ""
    back: Text = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/history")
    def history() -> Answer:
        query: HistoryQuery = parse_query(HistoryQuery)
        before = query.before or end_of(query.day)
        page, loved = gather(
            partial(services.listens.history, me(), before=before or None, limit=PAGE, search=query.q.strip()),
            partial(services.listens.get_feedback, me(), kind="recordings", value=1),
        )
        listens = page.value.listens if page else []
        days = [(day, list(of_day)) for day, of_day in groupby(listens, lambda x: look.local(x.listened_at).date())]
        return render(
            "web/history.html",
            page=page,
            days=days,
            query=query,
            is_first=not before,
            newer=newer_page(query),
            older=older_page(query, before, page.value.next) if page and page.value.next else None,
            playable=playable(services, (listen.recording_key for listen in listens)),
            loved={item.key for item in loved.value} if loved else set(),
        )

    @bp.post("/history/delete")
    def delete_listen() -> Answer:
        form: ListenForm = parse_form(ListenForm)
        try:
            services.listens.delete_listen(me(), form.listened_at, form.recording_key)
        except ListenNotFound:
            notes.add(_("That listen was gone already."))
            return back("/history")
        fields = {name: request.form.get(name) for name in form.__struct_fields__ if name != "back"}
        notes.add(
            _("%(title)s is no longer in your history.", title=form.title), undo="/history/restore", fields=fields
        )
        return back("/history")

    @bp.post("/history/restore")
    def restore_listen() -> Answer:
        form: ListenForm = parse_form(ListenForm)
        listen = NewListen(
            listened_at=form.listened_at,
            artist=form.artist,
            title=form.title,
            release=form.release or None,
            duration_ms=form.duration_ms,
        )
        services.listens.submit(me(), [listen], client=form.client)
        notes.add(_("%(title)s is back in your history.", title=form.title))
        return back("/history")


def newer_page(query: HistoryQuery) -> dict[str, str]:
    """Return the query of the page that one came from; the newest where that is not known."""
    trail = [p for p in query.trail.split(BETWEEN) if p]
    return {
        name: value
        for name, value in (("q", query.q), ("before", trail[-1] if trail else ""), ("trail", BETWEEN.join(trail[:-1])))
        if value
    }


def older_page(query: HistoryQuery, before: str, following: str) -> dict[str, str]:
    """Return the query of the page behind this one."""
    trail = [p for p in [*query.trail.split(BETWEEN), before] if p][-LONGEST_TRAIL:]
    return {
        name: value for name, value in (("q", query.q), ("before", following), ("trail", BETWEEN.join(trail))) if value
    }


def end_of(day: str) -> str:
    """Return the moment a day ends where the person is, or "" for no day. Raises InvalidRequest."""
    if not day:
        return ""
    try:
        after = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidRequest("day: write it as 2026-01-31") from None
    return datetime.combine(after, time(), look.look().zone).isoformat()
