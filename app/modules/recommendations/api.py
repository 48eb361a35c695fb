"""Public routes of `recommendations`."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.listens import Kind
from app.contracts.recommendations import (
    ArtistMap,
    Radio,
    Recommendations,
    Seeds,
    Shelves,
    Shown,
    Steering,
    Turned,
)
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import InvalidRequest, NotFound
from app.kernel.routes import Api

api = Api("recommendations", prefixes=("recommendations", "similar"))

KINDS: tuple[Kind, ...] = ("recordings", "artists")
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=200)]
Tag = Annotated[str, Meta(max_length=100)]
List = Annotated[str, Meta(max_length=2000)]  # separated by commas
MOST_SEEDS = 20


class Sliders(Struct, frozen=True, forbid_unknown_fields=True):
    """Without any of them an answer is as the model says."""

    novelty: Turned = 0.0
    obscurity: Turned = 0.0
    energy: Turned = 0.0
    variety: Share = 0.0


class RecommendQuery(Sliders, frozen=True, forbid_unknown_fields=True):
    kind: Kind = "recordings"
    n: Count = 20
    include_known: bool = False
    artist: UUID | None = None
    tag: Tag | None = None
    per_artist: Count = 2
    rotates: bool = False


class ShelvesQuery(Sliders, frozen=True, forbid_unknown_fields=True):
    n: Annotated[int, Meta(ge=1, le=30)] = 8


class RadioQuery(Sliders, frozen=True, forbid_unknown_fields=True):
    artists: List = ""
    recordings: List = ""
    tags: List = ""
    page: Annotated[int, Meta(ge=0, le=100_000)] = 0
    n: Count = 20


class MapQuery(Struct, frozen=True, forbid_unknown_fields=True):
    artist: UUID | None = None
    n: Annotated[int, Meta(ge=1, le=100)] = 40


class SimilarQuery(Struct, frozen=True, forbid_unknown_fields=True):
    n: Count = 20


class ClickBody(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    key: UUID


class ImpressionsBody(Struct, frozen=True, forbid_unknown_fields=True):
    shown: Annotated[list[Shown], Meta(max_length=500)]


@api.route("GET", "/recommendations", query=RecommendQuery, returns=Recommendations)
def recommend(services: Services, *, query: RecommendQuery) -> Recommendations:
    """What to hear next, and which of one's own plays spoke for it."""
    steering = Steering(
        query.novelty,
        query.obscurity,
        query.energy,
        query.variety,
        query.artist,
        query.tag or None,
        query.per_artist,
        query.rotates,
    )
    return services.recommendations.recommend(_me(), query.kind, query.n, query.include_known, steering)


@api.route("GET", "/recommendations/shelves", query=ShelvesQuery, returns=Shelves)
def shelves(services: Services, *, query: ShelvesQuery) -> Shelves:
    """Shelves of different intentions, no item twice; others tomorrow."""
    return services.recommendations.shelves(_me(), _turned(query), query.n)


@api.route("GET", "/recommendations/radio", query=RadioQuery, returns=Radio)
def radio(services: Services, *, query: RadioQuery) -> Radio:
    """An endless playlist from artists, recordings or tags, several separated by commas; `next` is the page after."""
    seeds = Seeds(_keys("artists", query.artists), _keys("recordings", query.recordings), _list("tags", query.tags))
    return services.recommendations.radio(_me(), seeds, query.page, query.n, _turned(query))


@api.route("GET", "/recommendations/map", query=MapQuery, returns=ArtistMap)
def artist_map(services: Services, *, query: MapQuery) -> ArtistMap:
    """Artists near one, or near one's own, placed on a plane."""
    return services.recommendations.artist_map(_me(), query.artist, query.n)


@api.route("POST", "/recommendations/impressions", body=ImpressionsBody)
def impressions(services: Services, *, body: ImpressionsBody) -> None:
    """Tell what was shown: what is shown on several days and never played steps back."""
    services.recommendations.record_impressions(_me(), body.shown)


@api.route("POST", "/recommendations/clicks", body=ClickBody)
def click(services: Services, *, body: ClickBody) -> None:
    """Tell that something that was shown was opened or started."""
    services.recommendations.record_click(_me(), body.kind, body.key)


@api.route("GET", "/similar/<kind>/<uuid:key>", query=SimilarQuery, returns=Recommendations)
def similar(services: Services, *, kind: str, key: UUID, query: SimilarQuery) -> Recommendations:
    """Items near an item."""
    if kind not in KINDS:
        raise NotFound
    return services.recommendations.similar(kind, key, query.n)


def _me() -> UUID:
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise InvalidRequest("only a person gets recommendations")
    return listener_id


def _turned(query: Sliders) -> Steering:
    return Steering(query.novelty, query.obscurity, query.energy, query.variety)


def _list(name: str, text: str) -> list[str]:
    found = [word.strip() for word in text.split(",") if word.strip()]
    if len(found) > MOST_SEEDS or any(len(word) > 100 for word in found):
        raise InvalidRequest(f"{name}: at most {MOST_SEEDS}, each of at most 100 characters")
    return found


def _keys(name: str, text: str) -> list[UUID]:
    try:
        return [UUID(word) for word in _list(name, text)]
    except ValueError:
        raise InvalidRequest(f"{name}: keys are UUIDs, separated by commas") from None
