"""Static files and generated covers, which browsers may keep."""

from functools import partial
from uuid import UUID

from flask import Blueprint, Response, request

from app.contracts.services import Services
from app.settings import Settings
from app.web import cover as covers
from app.web import page
from app.web.parts import part

FOR_EVER = "public, max-age=31536000, immutable"
A_DAY, SOON = 86_400, 60


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/cover/<uuid:key>.svg")
    def cover(key: UUID) -> Response:
        """Return the picture of an artist, release or recording: one that was fetched, or one drawn from the key."""
        found = part(partial(services.catalog.find_cover, key)).value if settings.fetch_covers else None
        if found:
            response = Response(found.content, content_type=found.content_type)
        else:
            response = Response(covers.svg(key), content_type="image/svg+xml")
        # where covers are fetched, a drawn one may have its place taken soon
        response.headers["Cache-Control"] = (
            f"public, max-age={A_DAY if found else SOON}" if settings.fetch_covers else FOR_EVER
        )
        return response

    @bp.get("/favicon.ico")
    def favicon() -> Response:
        response = bp.send_static_file("segue.svg")
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

    @bp.after_request
    def cache_static(response: Response) -> Response:
        if request.endpoint == "web.static":
            is_versioned = request.args.get("v") == page.assets_version() and response.status_code in {200, 304}
            response.headers["Cache-Control"] = FOR_EVER if is_versioned else "no-cache"
        return response
