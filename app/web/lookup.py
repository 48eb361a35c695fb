"""Finding things."""

from functools import partial
from typing import Annotated

from flask import Blueprint
from msgspec import Meta, Struct

from app.contracts.services import Services
from app.kernel.http import parse_query
from app.settings import Settings
from app.web.items import values
from app.web.library import playable
from app.web.page import Answer, me, render
from app.web.parts import gather, part

RESULTS = 20
SUGGESTED = 5


class SearchQuery(Struct, frozen=True, forbid_unknown_fields=True):
    q: Annotated[str, Meta(max_length=200)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/search")
    def search() -> Answer:
        query: SearchQuery = parse_query(SearchQuery)
        text = query.q.strip()
        if not text:
            return render("web/search.html", text="", found=None, feedback={})
        found, feedback = gather(
            partial(services.catalog.search, text, RESULTS),
            partial(services.listens.get_feedback, me()),
        )
        keys = [recording.recording_key for recording in found.value.recordings] if found else []
        return render(
            "web/search.html",
            text=text,
            found=found,
            feedback=values(feedback.value),
            playable=playable(services, keys),
        )

    @bp.get("/search/suggestions")
    def suggestions() -> Answer:
        """What fits so far, for the script that shows it while one types."""
        query: SearchQuery = parse_query(SearchQuery)
        text = query.q.strip()
        found = part(partial(services.catalog.search, text, SUGGESTED)) if text else None
        return render("web/_suggestions.html", text=text, found=found)
