"""Public routes of `recommendations`."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.listens import Kind
from app.contracts.recommendations import Recommendations
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import InvalidRequest, NotFound
from app.kernel.routes import Api

api = Api("recommendations", prefixes=("recommendations", "similar"))

KINDS: tuple[Kind, ...] = ("recordings", "artists")


class RecommendQuery(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind = "recordings"
    n: Annotated[int, Meta(ge=1, le=200)] = 20
    include_known: bool = False


class SimilarQuery(Struct, frozen=True, forbid_unknown_fields=True):
    n: Annotated[int, Meta(ge=1, le=200)] = 20


@api.route("GET", "/recommendations", query=RecommendQuery, returns=Recommendations)
def recommend(services: Services, *, query: RecommendQuery) -> Recommendations:
    """What to hear next, and which of one's own plays spoke for it."""
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise InvalidRequest("only a person gets recommendations")
    return services.recommendations.recommend(listener_id, query.kind, query.n, query.include_known)


@api.route("GET", "/similar/<kind>/<uuid:key>", query=SimilarQuery, returns=Recommendations)
def similar(services: Services, *, kind: str, key: UUID, query: SimilarQuery) -> Recommendations:
    """Items near an item."""
    if kind not in KINDS:
        raise NotFound
    return services.recommendations.similar(kind, key, query.n)
