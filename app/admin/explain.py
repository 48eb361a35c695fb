"""Why somebody is shown what they are shown: the plays, weights and rules behind each recommendation.

What one sees of a person here is written into the audit trail: it tells what they play.
"""

from typing import Annotated
from uuid import UUID

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.people import person_of
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.kernel.http import parse_form
from app.settings import Settings

SHOWN = 20


class ExplainForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=200)]
    kind: Kind = "recordings"
    back: Annotated[str, Meta(max_length=2000)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.post("/users/<uuid:listener_id>/explain")
    def explain(listener_id: UUID) -> ResponseReturnValue:
        form: ExplainForm = parse_form(ExplainForm)
        person = person_of(services, listener_id, form.name)
        services.accounts.record_act("listener.explain", str(listener_id), {"kind": form.kind})
        found = services.recommendations.recommend(listener_id, form.kind, SHOWN)
        return render_template("admin/explain.html", person=person, kind=form.kind, found=found)
