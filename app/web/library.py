"""A listener's own music server: connecting it, how it stands, pushing playlists; and what of a page can be played."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response, make_response, url_for
from msgspec import Meta, Struct

from app.contracts.listens import NewListen
from app.contracts.playlists import Library, LibraryFailed, LibraryNotConnected, LibraryRefused
from app.contracts.services import Services
from app.kernel.http import parse_form
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings
from app.web import notes
from app.web.page import Answer, go, me, render
from app.web.parts import part
from app.web.session import Secret

PLAYER = "segue"  # the client that listens from the pages are of
Name = Annotated[str, Meta(max_length=10_000)]
MOST_KEYS = 2000  # what is asked for at once


class ConnectForm(Struct, frozen=True, forbid_unknown_fields=True):
    address: Annotated[str, Meta(max_length=1000)]
    password: Secret
    user_name: Annotated[str, Meta(max_length=200)] = ""
    pushes_weekly: bool = False


class WeeklyForm(Struct, frozen=True, forbid_unknown_fields=True):
    pushes_weekly: bool = False


class PlayForm(Struct, frozen=True, forbid_unknown_fields=True):
    artist: Name
    title: Name
    listened_at: Annotated[int, Meta(ge=0, le=253_402_300_799)] | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    add_connection(bp, services)
    add_acts(bp, services)
    add_player(bp, services)


def add_connection(bp: Blueprint, services: Services) -> None:
    @bp.get("/account/library")
    def library() -> Answer:
        found = part(partial(services.playlists.get_library, me()))
        return render("web/library.html", library=found, form=None, trouble="")

    @bp.post("/account/library")
    def connect_library() -> Answer:
        form: ConnectForm = parse_form(ConnectForm)
        try:
            services.playlists.connect_library(
                me(), form.address, form.user_name.strip(), form.password, form.pushes_weekly
            )
        except LibraryRefused as error:
            found = part(partial(services.playlists.get_library, me()))
            return render("web/library.html", library=found, form=form, trouble=sentence(said(error))), 422
        notes.add(_("Connected. Your library is being read now."))
        return go(url_for("web.library"))

    @bp.get("/account/library/progress")
    def library_progress() -> Response:
        """Return the part of the page that says how it stands; the header says whether to ask again."""
        found = services.playlists.get_library(me())
        response = make_response(render("web/_library_state.html", library=found))
        response.headers["X-Segue-Live"] = "1" if found is not None and is_moving(found) else "0"
        return response

    @bp.get("/account/library/disconnect")
    def confirm_disconnect() -> Answer:
        found = services.playlists.get_library(me())
        if found is None:
            raise LibraryNotConnected
        return render("web/library_disconnect.html", library=found)

    @bp.post("/account/library/disconnect")
    def disconnect_library() -> Answer:
        services.playlists.disconnect_library(me())
        notes.add(_("Your library is disconnected. What was pushed to it stays there."))
        return go(url_for("web.library"))


def add_acts(bp: Blueprint, services: Services) -> None:
    @bp.post("/account/library/sync")
    def sync_library() -> Answer:
        services.playlists.sync_library(me())
        notes.add(_("Your library is being read again."))
        return go(url_for("web.library"))

    @bp.post("/account/library/weekly")
    def push_weekly() -> Answer:
        form: WeeklyForm = parse_form(WeeklyForm)
        changed = services.playlists.set_auto_push(me(), form.pushes_weekly)
        notes.add(
            _("Each week's mix is pushed to your library from now on.")
            if changed.pushes_weekly
            else _("Weekly mixes are not pushed by themselves any more.")
        )
        return go(url_for("web.library"))

    @bp.post("/playlists/<uuid:playlist_id>/push")
    def push_playlist(playlist_id: UUID) -> Answer:
        try:
            report = services.playlists.push_playlist(me(), playlist_id)
            notes.add(_("%(matched)s of %(total)s matched.", matched=report.matched, total=report.total))
            if not report.remote_id:
                notes.add(_("There was nothing to push."))
        except (LibraryFailed, LibraryNotConnected) as error:
            notes.add(sentence(said(error)), tone="problem")
        return go(url_for("web.playlist", playlist_id=playlist_id))


def add_player(bp: Blueprint, services: Services) -> None:
    @bp.post("/player")
    def tell_play() -> Answer:
        """Take what the player of the pages tells: a listen or, without a time, what is playing now."""
        form: PlayForm = parse_form(PlayForm)
        at = datetime.now(UTC) if form.listened_at is None else datetime.fromtimestamp(form.listened_at, UTC)
        listen = NewListen(at, form.artist, form.title, duration_ms=form.duration_ms)
        if form.listened_at is None:
            services.listens.set_playing_now(me(), listen, PLAYER)
        else:
            services.listens.submit(me(), [listen], PLAYER)
        return "", 204


def is_moving(library: Library) -> bool:
    """Whether a reading is going on or about to begin."""
    return library.state in {"waiting", "syncing"}


def server_name(library: Library | None) -> str:
    """Return what the server is called in a button: Navidrome."""
    return library.server.partition(" ")[0].capitalize() if library else ""


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?", "”")) else ".")


def playable(services: Services, keys: Iterable[UUID]) -> set[UUID]:
    """Return which recordings can be played here; none while that can't be said."""
    asked = list(dict.fromkeys(keys))[:MOST_KEYS]
    if not asked:
        return set()
    found = part(partial(services.playlists.match_recordings, me(), asked))
    return {match.recording_key for match in found.value} if found else set()
