"""Finding things: search, and the page of an artist."""

from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint, url_for
from msgspec import Meta, Struct

from app.contracts.catalog import ArtistNotFound
from app.contracts.recommendations import ItemUnknown, Recommendations
from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.kernel.http import parse_query
from app.settings import Settings
from app.web.library import playable
from app.web.page import Answer, go, me, render
from app.web.parts import gather, part

RESULTS = 20
SUGGESTED = 5
TOP = 15
SIMILAR = 8
KNOWN = 60


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

    @bp.get("/artists/<uuid:key>")
    def artist(key: UUID) -> Answer:
        known, summary, top, similar, feedback = gather(
            partial(artist_page, services, key),
            partial(services.listens.summary, me(), key),
            partial(services.listens.artist_top, me(), key, TOP),
            partial(similar_artists, services, key),
            partial(services.listens.get_feedback, me()),
        )
        name = known.value.artist.name if known and known.value else name_from(top.value)
        if not name:
            if known:
                raise NotFound("no artist of this key is known here")
            name = "An artist"
        if known and known.value and known.value.artist.artist_key != key:
            return go(url_for("web.artist", key=known.value.artist.artist_key))
        heard = {item.key for item in top.value or []}
        unheard = [r for r in known.value.recordings if r.recording_key not in heard] if known and known.value else []
        return render(
            "web/artist.html",
            key=key,
            name=name,
            known=known,
            summary=summary,
            top=top,
            similar=similar,
            feedback=values(feedback.value),
            unheard=unheard,
            playable=playable(services, [*heard, *(recording.recording_key for recording in unheard)]),
        )


def values(feedback: object) -> dict[UUID, int]:
    """Return what was said of each key: 1 loved, -1 hidden."""
    return {item.key: item.value for item in feedback} if isinstance(feedback, list) else {}


def name_from(top: object) -> str:
    """Return the artist's name as the listener sent it, for when the catalog does not say."""
    return str(top[0].artist) if isinstance(top, list) and top else ""


def artist_page(services: Services, key: UUID) -> object:
    try:
        return services.catalog.get_artist_page(key, KNOWN)
    except ArtistNotFound:
        return None


def similar_artists(services: Services, key: UUID) -> Recommendations:
    """Return artists near this one; none where the model does not know it yet."""
    try:
        return services.recommendations.similar("artists", key, SIMILAR)
    except ItemUnknown:
        return Recommendations([], "", degraded=False)
