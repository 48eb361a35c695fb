"""Corrections that hold for everyone: what there is, and taking one back.

The catalog writes them into the audit trail before they happen. They are made where everybody's are, from the pages of
artists and of one's history.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Struct

from app.admin.page import back, or_none, say
from app.contracts.catalog import CorrectionNotFound
from app.contracts.services import Services
from app.kernel.contract import InvalidRequest
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.settings import Settings

PAGE = 100


class CorrectionsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    before: str = ""


class UndoForm(Struct, frozen=True, forbid_unknown_fields=True):
    correction_id: UUID
    back: str = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/corrections")
    def corrections() -> ResponseReturnValue:
        query: CorrectionsQuery = parse_query(CorrectionsQuery)
        found = or_none(partial(services.catalog.list_corrections, "everyone", moment(query.before), PAGE))
        return render_template("admin/corrections.html", corrections=found, is_full=len(found or []) == PAGE)

    @bp.post("/corrections/undo")
    def undo_correction() -> ResponseReturnValue:
        form: UndoForm = parse_form(UndoForm)
        try:
            services.catalog.undo_correction(form.correction_id)
            say(_("Undone, for everyone."))
        except CorrectionNotFound:
            say(_("It was undone already."))
        return back(url_for("admin.corrections"))


def moment(said: str) -> datetime | None:
    """Read where a page goes on. Raises InvalidRequest."""
    try:
        return datetime.fromisoformat(said) if said else None
    except ValueError:
        raise InvalidRequest("before: a moment in ISO 8601") from None
