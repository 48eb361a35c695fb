"""All listeners' pages as one blueprint."""

from flask import Blueprint, Response, redirect, request, url_for
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from app.contracts.services import Services
from app.kernel import context, locales
from app.kernel.contract import Unauthenticated
from app.settings import Settings
from app.web import (
    account,
    compare,
    compression,
    consent,
    corrections,
    design,
    discover,
    docs,
    files,
    history,
    home,
    imports,
    installable,
    items,
    library,
    listen_edit,
    look,
    lookup,
    notes,
    page,
    players,
    playlists,
    profile,
    relays,
    session,
    statistics,
    why,
    year,
)

OPEN_PAGES = (
    "login login_form register register_form reset reset_form logout docs cover favicon static gone gone_fragment "
    "styles manifest worker offline profile design"
)
AREAS = (
    session,
    home,
    discover,
    history,
    listen_edit,
    lookup,
    corrections,
    playlists,
    statistics,
    items,
    year,
    compare,
    account,
    imports,
    library,
    players,
    relays,
    consent,
    docs,
    files,
    installable,
    profile,
    design,
    why,
)
PUBLIC = frozenset(f"web.{name}" for name in OPEN_PAGES.split())


def blueprint(services: Services, settings: Settings) -> Blueprint:
    """Return the pages; `services` are the modules, wherever they run."""
    bp = Blueprint("web", __name__, template_folder="templates", static_folder="static", static_url_path="/static/web")
    for area in AREAS:
        area.add_routes(bp, services, settings)

    @bp.before_request
    def require_person() -> ResponseReturnValue | None:
        """Send whoever is not signed in to the sign-in page, from every page but the public ones."""
        if request.endpoint in PUBLIC or context.actor().listener_id is not None:
            return None
        if request.method != "GET":
            raise Unauthenticated
        return redirect(url_for("web.login", next=page.here()), 303)

    @bp.record_once
    def install(state: BlueprintSetupState) -> None:
        app = state.app
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
        app.jinja_env.filters.update(page.FILTERS)
        locales.install(app)

    @bp.before_app_request
    def prepare() -> None:
        look.prepare(services, is_page=is_page())

    @bp.app_context_processor
    def common() -> dict[str, object]:
        return page.context_of(settings)

    @bp.after_app_request
    def keep(response: Response) -> Response:
        if is_page():
            notes.keep(response, settings)
            look.keep(response, settings)
            response.headers["Content-Language"] = locales.language()
            response.vary.add("Accept-Language")
            if context.actor().listener_id is not None:
                response.headers["X-Segue-Person"] = "1"  # the worker keeps such pages for reading offline
        return compression.compress(response) if is_ours() else response

    return bp


def is_page() -> bool:
    """Say whether this request is for a page of ours, not for a file or the API."""
    endpoint = request.endpoint or ""
    return is_ours() and endpoint not in {"web.static", "web.cover", "web.styles", "web.manifest", "web.worker"}


def is_ours() -> bool:
    return (request.endpoint or "").startswith(("web.", "admin."))
