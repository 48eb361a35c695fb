"""Segue as an app of the device: its manifest, the worker that keeps what was seen last, and one sheet of styles."""

import json
from functools import cache
from typing import Any

from flask import Blueprint, Response, request, url_for

from app.contracts.services import Services
from app.kernel import locales
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import page
from app.web.page import Answer, asset, render

# In the order in which they build on each other, with all that home needs, so that it is seen after two requests; pages
# add the sheets of their own parts.
SHEETS = (
    "tokens", "base", "shell", "page", "button", "form", "note", "pick", "segue", "slider", "row", "chart", "table",
    "player",
)  # fmt: skip
FOR_EVER = "public, max-age=31536000, immutable"


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/styles.css")
    def styles() -> Answer:
        """Return the styles that every page needs as one file, so that a browser far away asks once."""
        answer = Response(common_styles(), content_type="text/css; charset=utf-8")
        is_current = request.args.get("v") == page.assets_version()
        answer.headers["Cache-Control"] = FOR_EVER if is_current else "no-cache"
        return answer

    @bp.get("/manifest.webmanifest")
    def manifest() -> Answer:
        answer = Response(json.dumps(described()), content_type="application/manifest+json")
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    @bp.get("/worker.js")
    def worker() -> Answer:
        """Return the service worker; it changes with any static file, and browsers then take the new one."""
        known = {"version": page.assets_version(), "offline": url_for("web.offline"), "files": kept_files()}
        script = (page.STATIC / "js" / "worker.js").read_text()
        answer = Response(f"const KNOWN = {json.dumps(known)};\n{script}", content_type="text/javascript")
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    @bp.get("/offline")
    def offline() -> Answer:
        """Say that there is no connection and that this page was not seen before; the worker keeps it."""
        # of nobody: it stays when somebody signs out, and what the next page has to say isn't said here
        return render("web/offline.html", is_signed_in=False, notes=list)


@cache
def common_styles() -> str:
    return "\n".join((page.STATIC / "css" / f"{sheet}.css").read_text() for sheet in SHEETS)


def described() -> dict[str, Any]:
    """Return the manifest of the app (W3C Web Application Manifest)."""
    icons = [
        {"src": asset("segue.svg"), "sizes": "any", "type": "image/svg+xml"},
        {"src": asset("segue-192.png"), "sizes": "192x192", "type": "image/png"},
        {"src": asset("segue-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "any maskable"},
    ]
    places = [(_("For you"), "/"), (_("History"), "/history"), (_("Search"), "/search")]
    return {
        "id": "/",
        "name": "Segue",
        "short_name": "Segue",
        "description": _("Your listening, and what follows from it."),
        "lang": locales.language(),
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f2f5f1",
        "theme_color": "#0a6558",
        "categories": ["music"],
        "icons": icons,
        "shortcuts": [{"name": name, "url": address} for name, address in places],
    }


def kept_files() -> list[str]:
    """Return the addresses that pages need offline as well: scripts are asked for by their plain names as modules."""
    scripts = [
        url_for("web.static", filename=f"js/{file.name}")
        for file in sorted((page.STATIC / "js").glob("*.js"))
        if file.name != "worker.js"
    ]
    sheets = [
        asset(f"css/{file.name}") for file in sorted((page.STATIC / "css").glob("*.css")) if file.stem not in SHEETS
    ]
    styles = url_for("web.styles", v=page.assets_version())
    return [styles, asset("icons.svg"), asset("segue.svg"), asset("js/site.js"), *sheets, *scripts]
