"""One model: its card, its figures, what the gate said, where it comes from, and what to do with it."""

from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.compared import figures_of
from app.admin.page import go, must_prove, or_none, say
from app.contracts.services import Services
from app.contracts.training import NotAvailableYet
from app.kernel.contract import DomainError
from app.kernel.http import parse_form
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings


class TrialForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`share` in per cent."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    mode: Literal["shadow", "canary"] = "canary"
    share: Annotated[float, Meta(gt=0, le=100)] = 10
    promotes_itself: bool = False
    back: Annotated[str, Meta(max_length=2000)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    training = services.training

    @bp.get("/models/<uuid:model_id>")
    def model(model_id: UUID) -> ResponseReturnValue:
        found = training.get_model(model_id)
        evaluations = [] if found.run_id is None else or_none(partial(training.evaluations, [found.run_id])) or []
        experiments = or_none(lambda: training.list_experiments(found.kind)) or []
        return render_template(
            "admin/model.html",
            model=found,
            card=card_of(services, model_id),
            figures=figures_of(evaluations),
            decision=or_none(partial(training.gate_decision, model_id)),
            moves=or_none(partial(training.transitions, model_id)) or [],
            snapshot=snapshot_of(services, found.snapshot_id),
            experiments=[e for e in experiments if model_id in (e.treatment_id, e.control_id)],
        )

    @bp.post("/models/<uuid:model_id>/try")
    def try_model(model_id: UUID) -> ResponseReturnValue:
        """Show a model to a share of the listeners, or ask it beside the champion without showing it."""
        form: TrialForm = parse_form(TrialForm)
        if prove := must_prove():
            return prove
        try:
            made = training.start_experiment(
                model_id, form.mode, form.share / 100, promotes_itself=form.promotes_itself, reason=form.reason
            )
        except DomainError as error:
            say(said(error), tone="problem")
            return go(url_for("admin.model", model_id=model_id))
        say(_("It is being tried."))
        return go(url_for("admin.experiment", experiment_id=made.experiment_id))


def card_of(services: Services, model_id: UUID) -> str:
    """Return a model's card, "" where there is none."""
    try:
        return services.training.model_card(model_id)
    except NotAvailableYet:
        return ""


def snapshot_of(services: Services, snapshot_id: str | None) -> object:
    """Return the snapshot that a model was trained on; None where it is gone."""
    if snapshot_id is None:
        return None
    try:
        return services.training.get_snapshot(snapshot_id)
    except DomainError:
        return None
