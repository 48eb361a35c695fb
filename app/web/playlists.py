"""Playlists: made by hand or for the week, put in order, taken along."""

from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response, url_for
from msgspec import Meta, Struct
from werkzeug.http import dump_options_header

from app.contracts.playlists import EditConflict, Format, InvalidPlaylist, NewEntry, Weekly
from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import N_, said
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import notes
from app.web.library import playable, server_name
from app.web.page import Answer, back, go, me, render
from app.web.parts import gather, part

Text = Annotated[str, Meta(max_length=2000)]
Place = Annotated[int, Meta(ge=0, le=100_000)]
KINDS = (N_("weekly"), N_("weekly jams"), N_("weekly exploration"))  # made by Segue
FORMATS: dict[str, Format] = {"jspf": "jspf", "xspf": "xspf", "m3u8": "m3u8"}


MOST_NAMED = 1000  # entries that are shown as corrected; the catalog is asked once


class CreateForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    artist: Text = ""
    title: Text = ""
    release: Text = ""


class EditForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    description: Text = ""
    is_public: bool = False


class EntryForm(Struct, frozen=True, forbid_unknown_fields=True):
    artist: Text
    title: Text
    release: Text = ""
    duration_ms: int | None = None
    position: Place | None = None
    back: Text = ""


class MoveForm(Struct, frozen=True, forbid_unknown_fields=True):
    source: Place
    target: Annotated[int, Meta(ge=-1, le=100_000)]
    revision: int


class RemoveForm(Struct, frozen=True, forbid_unknown_fields=True):
    position: Place
    revision: int
    artist: Text = ""
    title: Text = ""
    release: Text = ""
    duration_ms: int | None = None


class WeeklyForm(Struct, frozen=True, forbid_unknown_fields=True):
    which: Weekly = "mix"


class AddQuery(Struct, frozen=True, forbid_unknown_fields=True):
    artist: Text
    title: Text
    release: Text = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    add_lists(bp, services)
    add_entries(bp, services)

    @bp.get("/playlists/<uuid:playlist_id>/export.<form>")
    def export_playlist(playlist_id: UUID, form: str) -> Answer:
        if form not in FORMATS:
            raise NotFound
        file = services.playlists.export_playlist(playlist_id, FORMATS[form])
        response = Response(file.text, content_type=file.media_type)
        disposition = dump_options_header("attachment", {"filename": file.filename})
        response.headers["Content-Disposition"] = disposition
        return response


def add_lists(bp: Blueprint, services: Services) -> None:
    @bp.get("/playlists")
    def playlists() -> Answer:
        return render("web/playlists.html", playlists=part(partial(services.playlists.list_playlists, me())))

    @bp.post("/playlists")
    def create_playlist() -> Answer:
        form: CreateForm = parse_form(CreateForm)
        entries = [NewEntry(form.artist, form.title, form.release or None)] if form.title else None
        try:
            made = services.playlists.create_playlist(me(), form.name.strip(), entries=entries)
        except InvalidPlaylist as error:
            notes.add(said(error), tone="problem")
            return go(url_for("web.playlists"))
        return go(url_for("web.playlist", playlist_id=made.playlist_id))

    @bp.post("/playlists/weekly")
    def generate_weekly() -> Answer:
        form: WeeklyForm = parse_form(WeeklyForm)
        made = services.playlists.generate_weekly(me(), form.which)
        return go(url_for("web.playlist", playlist_id=made.playlist_id))

    @bp.get("/playlists/add")
    def choose_playlist() -> Answer:
        """Choose where a recording goes."""
        query: AddQuery = parse_query(AddQuery)
        lists = part(partial(services.playlists.list_playlists, me()))
        return render("web/playlist_add.html", playlists=lists, entry=query)

    @bp.get("/playlist/<uuid:playlist_id>")
    def identified_playlist(playlist_id: UUID) -> Answer:
        """The address that exported playlists name themselves by."""
        return go(url_for("web.playlist", playlist_id=playlist_id))

    @bp.get("/playlists/<uuid:playlist_id>")
    def playlist(playlist_id: UUID) -> Answer:
        found = services.playlists.get_playlist(playlist_id)
        is_own = found.playlist.owner_id == me()
        keys = list({entry.recording_key for entry in found.entries})[:MOST_NAMED]
        shown, library, push = gather(
            partial(services.catalog.resolve, "recordings", keys),
            partial(services.playlists.get_library, me()),
            partial(services.playlists.get_push, me(), playlist_id),
        )
        return render(
            "web/playlist.html",
            playlist=found.playlist,
            entries=found.entries,
            is_own=is_own,
            shown={item.from_key: item for item in shown.value or []},
            library=library.value,
            server=server_name(library.value),
            push=push.value,
            playable=playable(services, (entry.recording_key for entry in found.entries)) if library.value else set(),
        )

    @bp.post("/playlists/<uuid:playlist_id>")
    def edit_playlist(playlist_id: UUID) -> Answer:
        form: EditForm = parse_form(EditForm)
        try:
            services.playlists.edit_playlist(
                playlist_id, name=form.name.strip(), description=form.description.strip(), is_public=form.is_public
            )
            notes.add(_("Saved."))
        except InvalidPlaylist as error:
            notes.add(said(error), tone="problem")
        return go(url_for("web.playlist", playlist_id=playlist_id))

    @bp.get("/playlists/<uuid:playlist_id>/delete")
    def confirm_delete(playlist_id: UUID) -> Answer:
        found = services.playlists.get_playlist(playlist_id)
        if found.playlist.owner_id != me():
            raise NotFound
        return render("web/playlist_delete.html", playlist=found.playlist)

    @bp.post("/playlists/<uuid:playlist_id>/delete")
    def delete_playlist(playlist_id: UUID) -> Answer:
        services.playlists.delete_playlist(playlist_id)
        notes.add(_("The playlist is deleted."))
        return go(url_for("web.playlists"))


def add_entries(bp: Blueprint, services: Services) -> None:
    @bp.post("/playlists/<uuid:playlist_id>/entries")
    def add_entry(playlist_id: UUID) -> Answer:
        form: EntryForm = parse_form(EntryForm)
        entry = NewEntry(form.artist.strip(), form.title.strip(), form.release.strip() or None, form.duration_ms)
        try:
            changed = services.playlists.add_entries(playlist_id, [entry], form.position)
            notes.add(_("%(title)s is in “%(playlist)s” now.", title=entry.title, playlist=changed.name))
        except InvalidPlaylist as error:
            notes.add(said(error), tone="problem")
        return back(url_for("web.playlist", playlist_id=playlist_id))

    @bp.post("/playlists/<uuid:playlist_id>/move")
    def move_entry(playlist_id: UUID) -> Answer:
        form: MoveForm = parse_form(MoveForm)
        try:
            services.playlists.move_entry(playlist_id, form.source, max(0, form.target), form.revision)
        except (EditConflict, InvalidPlaylist) as error:
            notes.add(said(error), tone="problem")
        return go(url_for("web.playlist", playlist_id=playlist_id, _anchor=f"entry-{max(0, form.target)}"))

    @bp.post("/playlists/<uuid:playlist_id>/remove")
    def remove_entry(playlist_id: UUID) -> Answer:
        form: RemoveForm = parse_form(RemoveForm)
        here = url_for("web.playlist", playlist_id=playlist_id)
        try:
            services.playlists.remove_entry(playlist_id, form.position, form.revision)
        except (EditConflict, InvalidPlaylist) as error:
            notes.add(said(error), tone="problem")
            return go(here)
        fields = {
            "artist": form.artist,
            "title": form.title,
            "release": form.release,
            "duration_ms": form.duration_ms,
            "position": form.position,
        }
        notes.add(
            _("%(title)s is taken out.", title=form.title or _("The entry")), undo=f"{here}/entries", fields=fields
        )
        return go(here)
