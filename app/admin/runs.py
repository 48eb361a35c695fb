"""Training runs: start, watch, stop."""

from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.compared import compare, figures_of
from app.admin.page import back, go, or_none, say
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.contracts.training import FINAL_STATES, IllegalMove, NothingToTrain, Run
from app.kernel.contract import DomainError
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings

SHOWN = 50
MOST_COMPARED = 6
LOG_LINES = 200


class StartForm(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind


class RetryForm(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with a run that has ended: the same again (`retry`), or the same bytes again (`reproduce`)."""

    again: Literal["retry", "reproduce"]
    back: Annotated[str, Meta(max_length=2000)] = ""


class CompareQuery(Struct, frozen=True, forbid_unknown_fields=True):
    run: list[UUID] = []
    metric: Annotated[str, Meta(max_length=40)] = ""


class BackForm(Struct, frozen=True, forbid_unknown_fields=True):
    back: Annotated[str, Meta(max_length=2000)] = ""


def is_over(run: Run) -> bool:
    return run.state in FINAL_STATES


def told(services: Services, run: Run) -> dict[str, Any]:
    """Return a run with what there is about it: its log, its moves, the runs it made, its figures."""
    return {
        "run": run,
        "log": (or_none(partial(services.training.run_log, run.run_id)) or [])[-LOG_LINES:],
        "moves": or_none(partial(services.training.transitions, run.run_id)) or [],
        "figures": figures_of(or_none(partial(services.training.evaluations, [run.run_id])) or []),
    }


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/runs")
    def runs() -> ResponseReturnValue:
        found = or_none(partial(services.training.list_runs, SHOWN))
        return render_template("admin/runs.html", runs=found)

    @bp.get("/runs/fragment")
    def runs_fragment() -> ResponseReturnValue:
        """The table alone, for the script that keeps it fresh: a schedule may begin a run at any time."""
        found = or_none(partial(services.training.list_runs, SHOWN))
        return fragment("admin/_runs.html", is_live=True, runs=found)

    @bp.post("/runs")
    def start_run() -> ResponseReturnValue:
        form: StartForm = parse_form(StartForm)
        try:
            run = services.training.start_run(form.kind)
        except NothingToTrain as error:
            say(said(error), tone="problem")
            return go(url_for("admin.runs"))
        return go(url_for("admin.run", run_id=run.run_id))

    @bp.get("/runs/<uuid:run_id>")
    def run(run_id: UUID) -> ResponseReturnValue:
        found = services.training.get_run(run_id)
        return render_template("admin/run.html", is_live=not is_over(found), **told(services, found))

    @bp.get("/runs/<uuid:run_id>/fragment")
    def run_fragment(run_id: UUID) -> ResponseReturnValue:
        found = services.training.get_run(run_id)
        return fragment("admin/_run.html", is_live=not is_over(found), **told(services, found))

    @bp.get("/runs/compare")
    def compare_runs() -> ResponseReturnValue:
        """Runs side by side: what they were made from, what they are worth, what they took."""
        query: CompareQuery = parse_query(CompareQuery, many=("run",))
        chosen = list(dict.fromkeys(query.run))[:MOST_COMPARED]
        recent = services.training.list_runs(SHOWN)
        runs = [next((r for r in recent if r.run_id == i), None) or services.training.get_run(i) for i in chosen]
        evaluations = services.training.evaluations(chosen) if chosen else []
        return render_template(
            "admin/compare.html", recent=recent, runs=runs, compared=compare(runs, evaluations, query.metric)
        )

    @bp.post("/runs/<uuid:run_id>/again")
    def run_again(run_id: UUID) -> ResponseReturnValue:
        form: RetryForm = parse_form(RetryForm)
        try:
            again = services.training.retry_run if form.again == "retry" else services.training.reproduce_run
            made = again(run_id)
        except DomainError as error:
            say(said(error), tone="problem")
            return go(url_for("admin.run", run_id=run_id))
        return go(url_for("admin.run", run_id=made.run_id))

    @bp.post("/runs/<uuid:run_id>/cancel")
    def cancel_run(run_id: UUID) -> ResponseReturnValue:
        parse_form(BackForm)
        try:
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
