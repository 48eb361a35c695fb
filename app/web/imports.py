"""Bringing a history in: choose a file, look at what is in it, take it over, watch, undo."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response, make_response, request, url_for
from msgspec import Meta, Struct

from app.contracts.imports import ENDED, MAX_CHUNK_BYTES, MAX_FILE_BYTES, Format, Import, ImportConflict, ImportTooLarge
from app.contracts.services import Services
from app.kernel import context
from app.kernel.http import parse_form
from app.kernel.locales import N_, said
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import look, notes
from app.web.page import Answer, go, me, render
from app.web.parts import part

CHUNK_BYTES = MAX_CHUNK_BYTES // 2
FORM_BYTES = 100_000  # what a form with a file holds besides it
FORMATS: dict[Format, str] = {
    "auto": N_("Find out by itself"),
    "listenbrainz": N_("ListenBrainz, or another Segue"),
    "spotify": "Spotify",
    "lastfm": "Last.fm",
    "youtube": "YouTube Music",
    "maloja": "Maloja",
    "koito": "Koito",
    "rockbox": "Rockbox, .scrobbler.log",
    "itunes": N_("Apple Music or iTunes library"),
    "tsv": "A table (TSV)",
}


class UploadForm(Struct, frozen=True, forbid_unknown_fields=True):
    format: Format = "auto"
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.before_app_request
    def allow_large_files() -> None:
        if request.path == "/account/imports" and request.method == "POST":
            request.max_content_length = MAX_FILE_BYTES + FORM_BYTES

    @bp.get("/account/imports")
    def imports() -> Answer:
        found = part(partial(services.listens.list_imports, me()))
        return render(
            "web/imports.html", imports=found, is_live=is_live(found.value), formats=FORMATS, zones=look.zone_names()
        )

    @bp.get("/account/imports/fragment")
    def imports_fragment() -> Answer:
        """The list alone, for the script that keeps it fresh."""
        found = part(partial(services.listens.list_imports, me()))
        answer = make_response(render("web/_imports.html", imports=found))
        answer.headers["X-Segue-Live"] = "1" if is_live(found.value) else "0"
        return answer

    @bp.post("/account/imports")
    def upload() -> Answer:
        form: UploadForm = parse_form(UploadForm)
        file = request.files.get("file")
        if file is None or not file.filename:
            notes.add(_("Choose a file first."), tone="problem")
            return go(url_for("web.imports"))
        size = file.stream.seek(0, 2)
        file.stream.seek(0)
        try:
            with context.unhurried():
                begun = services.listens.begin_import(me(), file.filename, size, form.format, form.timezone)
                offset = 0
                while data := file.stream.read(CHUNK_BYTES):
                    services.listens.add_import_data(me(), begun.import_id, offset, data)
                    offset += len(data)
        except (ImportTooLarge, ImportConflict) as error:
            notes.add(said(error), tone="problem")
        return go(url_for("web.imports"))

    @bp.post("/account/imports/<uuid:import_id>/start")
    def start_import(import_id: UUID) -> Answer:
        return after(services.listens.start_import, import_id)

    @bp.post("/account/imports/<uuid:import_id>/cancel")
    def cancel_import(import_id: UUID) -> Answer:
        return after(services.listens.cancel_import, import_id)

    @bp.post("/account/imports/<uuid:import_id>/undo")
    def undo_import(import_id: UUID) -> Answer:
        return after(services.listens.undo_import, import_id)

    @bp.get("/account/imports/<uuid:import_id>/report.csv")
    def import_report(import_id: UUID) -> Answer:
        services.listens.get_import(me(), import_id)
        headers = {"Content-Disposition": f'attachment; filename="import-{import_id}.csv"'}
        return Response(
            context.carried(report(services, me(), import_id)), content_type="text/csv; charset=utf-8", headers=headers
        )


def after(act: object, import_id: UUID) -> Answer:
    """Do something with an import, and go back to the list."""
    try:
        act(me(), import_id)  # type: ignore[operator]
    except ImportConflict as error:
        notes.add(said(error), tone="problem")
    return go(url_for("web.imports"))


def is_live(imports: list[Import] | None) -> bool:
    """Say whether something moves on the page by itself."""
    return any(each.state not in ENDED and each.state not in {"uploading", "ready"} for each in imports or [])


def report(services: Services, listener_id: UUID, import_id: UUID) -> Iterator[bytes]:
    """Yield a report part by part."""
    offset: int | None = 0
    while offset is not None:
        found = services.listens.read_import_report(listener_id, import_id, offset)
        yield found.data
        offset = found.next
