"""Training runs: start, watch, stop."""

from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.page import back, go, or_none, recorded, say
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.contracts.training import FINAL_STATES, IllegalMove, NothingToTrain, Run
from app.kernel.http import parse_form
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings

SHOWN = 50


class StartForm(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind


class BackForm(Struct, frozen=True, forbid_unknown_fields=True):
    back: Annotated[str, Meta(max_length=2000)] = ""


def is_over(run: Run) -> bool:
    return run.state in FINAL_STATES


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/runs")
    def runs() -> ResponseReturnValue:
        found = or_none(partial(services.training.list_runs, SHOWN))
        return render_template("admin/runs.html", runs=found, is_live=any(not is_over(r) for r in found or []))

    @bp.get("/runs/fragment")
    def runs_fragment() -> ResponseReturnValue:
        """The table alone, for the script that keeps it fresh."""
        found = or_none(partial(services.training.list_runs, SHOWN))
        return fragment("admin/_runs.html", is_live=any(not is_over(r) for r in found or []), runs=found)

    @bp.post("/runs")
    def start_run() -> ResponseReturnValue:
        form: StartForm = parse_form(StartForm)
        try:
            with recorded(services, "run.start", form.kind):
                run = services.training.start_run(form.kind)
        except NothingToTrain as error:
            say(said(error), tone="problem")
            return go(url_for("admin.runs"))
        return go(url_for("admin.run", run_id=run.run_id))

    @bp.get("/runs/<uuid:run_id>")
    def run(run_id: UUID) -> ResponseReturnValue:
        found = services.training.get_run(run_id)
        return render_template("admin/run.html", run=found, is_live=not is_over(found))

    @bp.get("/runs/<uuid:run_id>/fragment")
    def run_fragment(run_id: UUID) -> ResponseReturnValue:
        found = services.training.get_run(run_id)
        return fragment("admin/_run.html", is_live=not is_over(found), run=found)

    @bp.post("/runs/<uuid:run_id>/cancel")
    def cancel_run(run_id: UUID) -> ResponseReturnValue:
        parse_form(BackForm)
        try:
            with recorded(services, "run.cancel", run_id):
                services.training.cancel_run(run_id)
            say(_("The run is being stopped."))
        except IllegalMove as error:
            say(said(error), tone="problem")
        return back(url_for("admin.run", run_id=run_id))


def fragment(template: str, *, is_live: bool, **values: object) -> ResponseReturnValue:
    """Return a part of a page; the header tells the script whether to ask again."""
    response = make_response(render_template(template, **values))
    response.headers["X-Segue-Live"] = "1" if is_live else "0"
    return response
