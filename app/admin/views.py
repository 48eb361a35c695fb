"""All administrators' pages as one blueprint under /admin."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.admin import corrections, data, experiments, explain, model, models, overview, people, runs, system
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import Forbidden, Unauthenticated
from app.settings import Settings


def blueprint(services: Services, settings: Settings) -> Blueprint:
    """Return the dashboard; everything in it needs the role of an administrator."""
    bp = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates")
    for area in (overview, data, runs, models, model, experiments, system, people, explain, corrections):
        area.add_routes(bp, services, settings)

    @bp.before_request
    def require_admin() -> ResponseReturnValue | None:
        actor = context.actor()
        if actor.kind == "anonymous":
            if request.method != "GET":
                raise Unauthenticated
            return redirect(url_for("web.login", next=request.full_path.rstrip("?")), 303)
        if not actor.is_admin:
            raise Forbidden("these pages are for administrators")
        return None

    return bp
