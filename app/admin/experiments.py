"""Models that are tried beside others: the effect as it stands, the share, the end."""

from collections.abc import Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.charts import Value, over_time
from app.admin.page import go, must_prove, or_none, say
from app.contracts.experiments import ExperimentEffect
from app.contracts.services import Services
from app.contracts.training import NotAvailableYet
from app.kernel.contract import DomainError
from app.kernel.http import parse_form
from app.kernel.locales import gettext as _
from app.kernel.locales import said
from app.settings import Settings


class ShareForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`share` in per cent."""

    share: Annotated[float, Meta(gt=0, le=100)]
    back: Annotated[str, Meta(max_length=2000)] = ""


class StopForm(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    back: Annotated[str, Meta(max_length=2000)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    training = services.training

    @bp.get("/experiments")
    def experiments() -> ResponseReturnValue:
        try:
            found = or_none(training.list_experiments)
        except NotAvailableYet:
            found = []
        numbers = {m.model_id: m.number for m in or_none(training.list_models) or []}
        return render_template("admin/experiments.html", experiments=found, numbers=numbers)

    @bp.get("/experiments/<uuid:experiment_id>")
    def experiment(experiment_id: UUID) -> ResponseReturnValue:
        return render_template("admin/experiment.html", **told(experiment_id))

    @bp.post("/experiments/<uuid:experiment_id>/share")
    def set_share(experiment_id: UUID) -> ResponseReturnValue:
        form: ShareForm = parse_form(ShareForm)
        if prove := must_prove():
            return prove
        return act(experiment_id, partial(training.set_share, experiment_id, form.share / 100))

    @bp.post("/experiments/<uuid:experiment_id>/stop")
    def stop_experiment(experiment_id: UUID) -> ResponseReturnValue:
        form: StopForm = parse_form(StopForm)
        if prove := must_prove():
            return prove
        return act(experiment_id, partial(training.stop_experiment, experiment_id, form.reason))

    def act(experiment_id: UUID, do: Callable[[], object]) -> ResponseReturnValue:
        try:
            do()
            say(_("Done."))
        except DomainError as error:
            say(said(error), tone="problem")
        return go(url_for("admin.experiment", experiment_id=experiment_id))

    def told(experiment_id: UUID) -> dict[str, object]:
        found = training.get_experiment(experiment_id)
        numbers = {m.model_id: m.number for m in or_none(training.list_models) or []}
        return {"found": found, "experiment": found.experiment, "numbers": numbers, "chart": effect_chart(found)}


def effect_chart(found: ExperimentEffect) -> object:
    """Return the relative effect by day with the interval that holds however often one looks."""
    days = [day for day in found.days if day.effect is not None]
    return over_time(
        [Value(f"{day.day}: {day.effect:+.1%}", day.effect or 0.0, day.low, day.high) for day in days], percent=True
    )
