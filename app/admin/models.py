"""Models: how good they are beside plain popularity, and which one serves."""

from dataclasses import dataclass
from typing import Annotated, get_args
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.page import go, must_prove, or_none, say
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.contracts.training import IllegalMove, Model, NothingToRollBackTo
from app.kernel.http import parse_form
from app.kernel.locales import N_, said
from app.kernel.locales import gettext as _
from app.settings import Settings

KINDS: tuple[Kind, ...] = get_args(Kind)
BASELINE = "popularity"

# The usual names of the measures, in the order to read them in.
MEASURES = {
    "ndcg": "nDCG",
    "recall": "Recall",
    "hit_rate": N_("Hit rate"),
    "mrr": "MRR",
    "coverage": N_("Coverage"),
    "novelty": N_("Novelty"),
}


class ReasonForm(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    back: Annotated[str, Meta(max_length=2000)] = ""


class RollBackForm(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    back: Annotated[str, Meta(max_length=2000)] = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of a model beside popularity's on the same data; None where it was not taken."""

    label: str
    value: float
    baseline: float | None

    @property
    def gain(self) -> float | None:
        """Return how much better than popularity, as a share of it; None where that says nothing."""
        return self.value / self.baseline - 1 if self.baseline else None


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/models")
    def models() -> ResponseReturnValue:
        found = or_none(services.training.list_models)
        groups = {kind: [m for m in found or [] if m.kind == kind] for kind in KINDS}
        return render_template("admin/models.html", is_away=found is None, groups=groups, measures_of=measures_of)

    @bp.get("/models/<uuid:model_id>/promote")
    def confirm_promotion(model_id: UUID) -> ResponseReturnValue:
        """Say what it means, and ask why."""
        model = services.training.get_model(model_id)
        models = services.training.list_models(model.kind)
        champion = next((each for each in models if each.state == "champion"), None)
        decision = services.training.gate_decision(model_id)
        return render_template("admin/promote.html", model=model, champion=champion, decision=decision)

    @bp.post("/models/<uuid:model_id>/promote")
    def promote(model_id: UUID) -> ResponseReturnValue:
        form: ReasonForm = parse_form(ReasonForm)
        if prove := must_prove():
            return prove
        try:
            model = services.training.promote(model_id, form.reason)
            say(_("Model %(number)s serves %(kind)s from now on.", number=model.number, kind=_(model.kind)))
        except IllegalMove as error:
            say(said(error), tone="problem")
        return go(url_for("admin.models"))

    @bp.post("/models/<uuid:model_id>/archive")
    def archive_model(model_id: UUID) -> ResponseReturnValue:
        form: ReasonForm = parse_form(ReasonForm)
        if prove := must_prove():
            return prove
        try:
            model = services.training.archive_model(model_id, form.reason)
            say(_("The files of model %(number)s of %(kind)s are deleted.", number=model.number, kind=_(model.kind)))
        except IllegalMove as error:
            say(said(error), tone="problem")
        return go(url_for("admin.model", model_id=model_id))

    @bp.post("/models/roll-back")
    def roll_back() -> ResponseReturnValue:
        form: RollBackForm = parse_form(RollBackForm)
        if prove := must_prove():
            return prove
        try:
            model = services.training.roll_back(form.kind, form.reason)
            say(_("Model %(number)s serves %(kind)s again.", number=model.number, kind=_(model.kind)))
        except (NothingToRollBackTo, IllegalMove) as error:
            say(said(error), tone="problem")
        return go(url_for("admin.models"))


def measures_of(model: Model) -> list[Measure]:
    """Return a model's measures in reading order, each with popularity's where that was taken too."""
    found = []
    for name, value in model.metrics.items():
        if value is None or BASELINE in name or not (label := label_of(name)):
            continue
        others = (f"{BASELINE}_{name}", f"{name}_{BASELINE}", f"{BASELINE}.{name}", f"{name}.{BASELINE}")
        baseline = next((model.metrics[other] for other in others if model.metrics.get(other) is not None), None)
        found.append((rank_of(name), Measure(label, value, baseline)))
    return [measure for _, measure in sorted(found, key=lambda pair: pair[0])]


def label_of(name: str) -> str:
    """Return a measure's usual name, "" for a figure that is none: `ndcg_at_10` is nDCG@10."""
    for key, label in MEASURES.items():
        if name == key or name.startswith((f"{key}_", f"{key}@")):
            suffix = name[len(key) :].replace("_at_", "@").replace("_", " ")
            return f"{label}{suffix}"
    return ""


def rank_of(name: str) -> int:
    return next((place for place, key in enumerate(MEASURES) if name.startswith(key)), len(MEASURES))
