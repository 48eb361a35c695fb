"""The pages of an artist, a release and a recording, with one's own history of them."""

from functools import partial
from typing import Any, get_args
from uuid import UUID

from flask import Blueprint, url_for

from app.contracts.catalog import ArtistNotFound, ArtistPage
from app.contracts.playlists import NewEntry
from app.contracts.recommendations import ItemUnknown, Recommendations
from app.contracts.services import Services
from app.contracts.statistics import Entity, ItemFigures, ItemNotPlayed
from app.kernel.contract import NotFound
from app.kernel.http import parse_query
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import look, spans
from app.web.chart import bar_chart
from app.web.library import playable
from app.web.page import Answer, go, me, render
from app.web.parts import AWAY, gather
from app.web.spans import Chosen, RangeQuery

SIMILAR = 8
KNOWN = 60
PLAYLIST = 30


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/artists/<uuid:key>")
    def artist(key: UUID) -> Answer:
        shown = spans.chosen(parse_query(RangeQuery))
        own, known, similar, fans, feedback = gather(
            partial(figures, services, "artists", key, shown),
            partial(artist_page, services, key),
            partial(similar_artists, services, key),
            partial(services.listens.fans, "artists", key),
            partial(services.listens.get_feedback, me()),
        )
        page: ArtistPage | None = known.value
        if page and page.artist.artist_key != key:
            return go(url_for("web.artist", key=page.artist.artist_key))
        name = page.artist.name if page else own.value.title if own.value else ""
        if not name and known and own:
            raise NotFound("no artist of this key is known here")
        heard = {each.key for each in own.value.recordings} if own.value else set()
        unheard = [each for each in page.recordings if each.recording_key not in heard] if page else []
        return render(
            "web/artist.html",
            **_shared(shown, own, key, feedback),
            name=name or _("An artist"),
            known=known,
            similar=similar,
            fans=fans,
            unheard=unheard if shown.unit == "all_time" else [],
            playable=playable(services, [*heard, *(each.recording_key for each in unheard)]),
        )

    @bp.get("/releases/<uuid:key>")
    def release(key: UUID) -> Answer:
        return item("releases", key)

    @bp.get("/recordings/<uuid:key>")
    def recording(key: UUID) -> Answer:
        return item("recordings", key)

    @bp.post("/playlists/from/<entity>/<uuid:key>")
    def playlist_from(entity: Entity, key: UUID) -> Answer:
        if entity not in get_args(Entity):
            raise NotFound
        own = figures(services, entity, key, spans.chosen(RangeQuery()))
        name, entries = beginning(services, entity, key, own)
        made = services.playlists.create_playlist(me(), name[:200], "", False, entries)
        return go(url_for("web.playlist", playlist_id=made.playlist_id))

    def item(entity: Entity, key: UUID) -> Answer:
        shown = spans.chosen(parse_query(RangeQuery))
        own, feedback = gather(
            partial(figures, services, entity, key, shown), partial(services.listens.get_feedback, me())
        )
        known = None
        if own and own.value is None:
            found = services.catalog.get_recordings([key]) if entity == "recordings" else []
            if not found:
                raise NotFound("this was not played yet")
            known = found[0]
        artist_key = own.value.artist_key if own.value else known.artist_key if known else None
        [fans] = gather(partial(services.listens.fans, entity, key, artist_key)) if artist_key else [AWAY]
        return render(
            "web/item.html",
            **_shared(shown, own, key, feedback),
            entity=entity,
            known=known,
            fans=fans,
            playable=playable(services, [key, *(each.key for each in own.value.recordings)] if own.value else [key]),
        )


def _shared(shown: Chosen, own: Any, key: UUID, feedback: Any) -> dict[str, object]:
    found: ItemFigures | None = own.value
    return {
        "key": key,
        "shown": shown,
        "words": spans.WORDS,
        "own": own,
        "chart": bar_chart(found.activity, look.look().zone) if found else None,
        "feedback": values(feedback.value),
        "compared_with": spans.label_before(shown),
    }


def figures(services: Services, entity: Entity, key: UUID, shown: Chosen) -> ItemFigures | None:
    """Return one's own history of an item; None where there is none."""
    try:
        return services.listens.item_figures(me(), entity, key, shown.span, shown.before, look.look().timezone)
    except ItemNotPlayed:
        return None


def beginning(services: Services, entity: Entity, key: UUID, own: ItemFigures | None) -> tuple[str, list[NewEntry]]:
    """Return the name and first entries of a playlist that begins with an item: the best known of it, and what is near.

    Raises NotFound.
    """
    found = [(own.artist, own.title)] if own and entity == "recordings" else []
    found += [(each.artist, each.title) for each in own.recordings] if own else []
    name = own.title if own else ""
    if entity == "artists":
        [page] = gather(partial(artist_page, services, key))
        if page and page.value:
            name = page.value.artist.name
            found += [(each.artist, each.title) for each in page.value.recordings]
    elif entity == "recordings":
        [near] = gather(partial(similar_recordings, services, key))
        found += [(each.artist, each.title) for each in near.value.items] if near else []
    if not found:
        raise NotFound("nothing of this is known here")
    return name or found[0][1], [NewEntry(*each) for each in list(dict.fromkeys(found))[:PLAYLIST]]


def similar_recordings(services: Services, key: UUID) -> Recommendations:
    try:
        return services.recommendations.similar("recordings", key, PLAYLIST)
    except ItemUnknown:
        return Recommendations([], "", degraded=False)


def values(feedback: object) -> dict[UUID, int]:
    """Return what was said of each key: 1 loved, -1 hidden."""
    return {item.key: item.value for item in feedback} if isinstance(feedback, list) else {}


def artist_page(services: Services, key: UUID) -> ArtistPage | None:
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
