"""Discover: a map of artists to walk on, radios from any seed, and what is made each week."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, request, url_for
from msgspec import Meta, Struct, ValidationError, convert

from app.contracts.recommendations import ArtistMap, ItemUnknown, Seeds, Steering, Turned
from app.contracts.services import Services
from app.kernel.contract import InvalidRequest, NotFound
from app.kernel.http import parse_query
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web.library import playable
from app.web.page import Answer, me, render
from app.web.parts import Part, gather, part

ON_A_MAP = 36
A_PAGE = 20
WIDTH, HEIGHT, EDGE = 1000, 720, 70  # of the drawing
SEEDS = ("artists", "recordings", "tags")
SLIDERS = ("novelty", "obscurity", "energy")


class MapQuery(Struct, frozen=True, forbid_unknown_fields=True):
    artist: UUID | None = None


class RadioQuery(Struct, frozen=True):
    page: Annotated[int, Meta(ge=0, le=100_000)] = 0
    novelty: Turned = 0.0
    obscurity: Turned = 0.0
    energy: Turned = 0.0


@dataclass(frozen=True)
class Dot:
    """An artist on the drawing."""

    key: UUID
    name: str
    x: float
    y: float
    radius: float
    plays: int
    listeners: int
    is_middle: bool
    near: list[str]

    @property
    def short(self) -> str:
        return self.name if len(self.name) <= 22 else f"{self.name[:21]}…"


@dataclass(frozen=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    width: float


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/discover")
    def discover() -> Answer:
        query: MapQuery = parse_query(MapQuery)
        try:
            found, lists, shelves = gather(
                partial(services.recommendations.artist_map, me(), query.artist, ON_A_MAP),
                partial(services.playlists.list_playlists, me()),
                partial(services.recommendations.shelves, me(), None, 1),
            )
        except ItemUnknown:
            raise NotFound(_("Nobody here plays this artist yet, so it is on no map.")) from None
        dots, lines = drawn(found, query.artist) if found else ([], [])
        weekly = [each for each in lists.value if each.kind != "manual"] if lists else []
        return render(
            "web/discover.html",
            map=found,
            dots=dots,
            lines=lines,
            size=(WIDTH, HEIGHT),
            weekly=weekly[:8],
            tags=shelves.value.tags if shelves else [],
        )

    @bp.get("/discover/radio")
    def radio() -> Answer:
        try:
            query = convert(
                {name: request.args[name] for name in ("page", *SLIDERS) if name in request.args},
                RadioQuery,
                strict=False,
            )
            seeds = Seeds(_keys("artists"), _keys("recordings"), _words("tags"))
        except (ValidationError, ValueError) as error:
            raise InvalidRequest(str(error)) from None
        steering = Steering(query.novelty, query.obscurity, query.energy)
        given = {name: ",".join(_words(name)) for name in SEEDS if _words(name)}
        try:
            found = part(partial(services.recommendations.radio, me(), seeds, query.page, A_PAGE, steering))
        except ItemUnknown:
            return render("web/radio.html", radio=None, is_unknown=True, turn=query, given=given), 404
        turned = {name: value for name in SLIDERS if (value := getattr(query, name))}
        keys = [item.key for item in found.value.items] if found else []
        said = part(partial(services.listens.get_feedback, me()))
        return render(
            "web/radio.html",
            radio=found,
            is_unknown=False,
            turn=query,
            given=given,
            more=f"{url_for('web.radio')}?{urlencode({**given, **turned, 'page': found.value.next})}" if found else "",
            said={item.key: item.value for item in said.value} if said else {},
            playable=playable(services, keys),
        )


def _words(name: str) -> list[str]:
    """Return the words of a parameter, given several times or separated by commas."""
    found = [word.strip() for value in request.args.getlist(name) for word in value.split(",") if word.strip()]
    return [word.replace("\0", "")[:100] for word in found][:20]


def _keys(name: str) -> list[UUID]:
    return [UUID(word) for word in _words(name)]


def drawn(found: Part[ArtistMap], middle: UUID | None) -> tuple[list[Dot], list[Line]]:
    """Return the drawing of a map."""
    artists = found.value.artists
    near: list[list[str]] = [[] for _each in artists]
    for link in sorted(found.value.links, key=lambda each: -each.strength):
        near[link.source].append(artists[link.target].name)
        near[link.target].append(artists[link.source].name)
    most = max((each.listeners for each in artists), default=1) or 1
    dots = [
        Dot(
            each.key,
            each.name,
            round(EDGE + each.x * (WIDTH - 2 * EDGE), 1),
            round(EDGE / 2 + each.y * (HEIGHT - EDGE * 1.2), 1),
            round(7 + 9 * (each.listeners / most) ** 0.5, 1),
            each.plays,
            each.listeners,
            each.key == middle,
            near[number][:4],
        )
        for number, each in enumerate(artists)
    ]
    lines = [
        Line(
            dots[link.source].x,
            dots[link.source].y,
            dots[link.target].x,
            dots[link.target].y,
            round(1 + 3 * link.strength, 1),
        )
        for link in found.value.links
    ]
    return dots, lines
