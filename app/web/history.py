"""What was played: by day, left to a text, an artist, a client or days; listens are taken out and put back."""

from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import groupby
from typing import Annotated, Any
from uuid import UUID

import msgspec
from flask import Blueprint, g, request, url_for
from msgspec import Meta, Struct, structs

from app.contracts.listens import ListenId, ListenNotFound, ListenPage, NewListen
from app.contracts.services import Services
from app.kernel.contract import InvalidRequest
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.kernel.locales import plural
from app.settings import Settings
from app.web import look, notes
from app.web.library import playable
from app.web.page import Answer, back, me, render
from app.web.parts import gather

PAGE = 50
LONGEST_TRAIL = 30
BETWEEN = "|"  # in no cursor and no time

Text = Annotated[str, Meta(max_length=2000)]
Day = Annotated[str, Meta(max_length=10)]


class HistoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    q: Annotated[str, Meta(max_length=200)] = ""
    artist: UUID | None = None
    client: Annotated[str, Meta(max_length=100)] = ""
    since: Day = ""
    day: Day = ""
    before: Annotated[str, Meta(max_length=200)] = ""
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


class SelectedForm(HistoryQuery, frozen=True, forbid_unknown_fields=True):
    """Listens to take out together, each named by its time and recording; with the page that they are on."""

    listen: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=PAGE)] = []


class RestoreForm(Struct, frozen=True, forbid_unknown_fields=True):
    listens: Annotated[str, Meta(max_length=500_000)]
    back: Text = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/history")
    def history() -> Answer:
        query: HistoryQuery = parse_query(HistoryQuery)
        return history_page(services, query)

    @bp.post("/history/delete")
    def delete_listen() -> Answer:
        form: ListenForm = parse_form(ListenForm)
        try:
            services.listens.delete_listen(me(), form.listened_at, form.recording_key)
        except ListenNotFound:
            notes.add(_("That listen was gone already."))
            return back("/history")
        fields = {name: request.form.get(name) for name in form.__struct_fields__ if name != "back"}
        said = _("%(title)s is no longer in your history.", title=form.title)
        notes.add(said, undo="/history/restore", fields=fields)
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

    add_selection(bp, services)


def add_selection(bp: Blueprint, services: Services) -> None:
    @bp.post("/history/delete-selected")
    def delete_selected() -> Answer:
        """Take several listens out; the answer is the page itself, which holds what would put them back."""
        form: SelectedForm = parse_form(SelectedForm, many=("listen",))
        query = HistoryQuery(**{name: getattr(form, name) for name in HistoryQuery.__struct_fields__})
        g.here = url_for("web.history", **given(query))
        gone = services.listens.delete_listens(me(), [listen_of(said) for said in form.listen]) if form.listen else []
        if gone:
            fields = {"listens": msgspec.json.encode(gone).decode()}
            said = _("%(listens)s taken out of your history.", listens=plural(len(gone), "listen"))
            notes.add(said, undo="/history/restore-selected", fields=fields)
        else:
            notes.add(_("Nothing was selected."), tone="problem")
        return history_page(services, query)

    @bp.post("/history/restore-selected")
    def restore_selected() -> Answer:
        form: RestoreForm = parse_form(RestoreForm)
        try:
            listens = msgspec.json.decode(form.listens, type=list[NewListen])
        except msgspec.DecodeError:
            raise InvalidRequest("listens: not what this page gave") from None
        services.listens.submit(me(), listens)
        notes.add(_("%(listens)s back in your history.", listens=plural(len(listens), "listen")))
        return back("/history")


def history_page(services: Services, query: HistoryQuery) -> str:
    before = query.before or end_of(query.day)
    page, loved, playing = gather(
        partial(
            services.listens.history,
            me(),
            before=before or None,
            after=start_of(query.since) or None,
            limit=PAGE,
            search=query.q.strip(),
            artist_key=query.artist,
            client=query.client or None,
        ),
        partial(services.listens.get_feedback, me(), kind="recordings", value=1),
        partial(services.listens.get_playing_now, me()),
    )
    found: ListenPage = page.value if page else ListenPage([], None)
    days = [(day, list(of_day)) for day, of_day in groupby(found.listens, lambda x: look.local(x.listened_at).date())]
    return render(
        "web/history.html",
        page=page,
        days=days,
        query=query,
        is_filtered=any(given(query, "q", "artist", "client", "since", "day")),
        artist=next((listen.artist for listen in found.listens if listen.artist_key == query.artist), ""),
        clients=sorted({listen.client for listen in found.listens if listen.client}),
        is_first=not before,
        newest=found.listens[0].listened_at if found.listens else None,
        playing=playing.value,
        newer=newer_page(query),
        older=older_page(query, before, found.next) if found.next else None,
        playable=playable(services, (listen.recording_key for listen in found.listens)),
        loved={item.key for item in loved.value} if loved else set(),
        narrowed=partial(narrowed, query),
    )


def given(query: HistoryQuery, *names: str) -> dict[str, Any]:
    """Return what a query says, as an address has it."""
    return {name: value for name, value in structs.asdict(query).items() if value and (not names or name in names)}


def narrowed(query: HistoryQuery, **more: Any) -> dict[str, Any]:
    """Return the query of the first page with one condition more, or without one."""
    return given(structs.replace(query, before="", trail="", **more))


def newer_page(query: HistoryQuery) -> dict[str, Any]:
    """Return the query of the page that one came from; the newest where that is not known."""
    trail = [p for p in query.trail.split(BETWEEN) if p]
    before, rest = (trail[-1], BETWEEN.join(trail[:-1])) if trail else ("", "")
    return given(structs.replace(query, day="" if before else query.day, before=before, trail=rest))


def older_page(query: HistoryQuery, before: str, following: str) -> dict[str, Any]:
    """Return the query of the page behind this one."""
    trail = [p for p in [*query.trail.split(BETWEEN), before] if p][-LONGEST_TRAIL:]
    return given(structs.replace(query, day="", before=following, trail=BETWEEN.join(trail)))


def listen_of(said: str) -> ListenId:
    """Read a listen's name in a form: its time and its recording's key. Raises InvalidRequest."""
    at, _between, key = said.partition(BETWEEN)
    try:
        return ListenId(datetime.fromisoformat(at), UUID(key))
    except ValueError:
        raise InvalidRequest("listen: not a listen of this page") from None


def start_of(day: str) -> str:
    """Return the last moment before a day begins where the person is, or "" for no day. Raises InvalidRequest."""
    return end_of((day_of(day) - timedelta(days=1)).isoformat()) if day else ""


def end_of(day: str) -> str:
    """Return the moment a day ends where the person is, or "" for no day. Raises InvalidRequest."""
    if not day:
        return ""
    try:
        return datetime.combine(day_of(day) + timedelta(days=1), time(), look.look().zone).isoformat()
    except OverflowError:
        raise InvalidRequest("day: out of range") from None


def day_of(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise InvalidRequest("day: write it as 2026-01-31") from None
