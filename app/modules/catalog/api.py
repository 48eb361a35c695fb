"""Public routes of `catalog`."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.catalog import ArtistPage, SearchResult
from app.contracts.services import Services
from app.kernel.http import Api

api = Api("catalog", prefixes=("search", "artists"))


class SearchQuery(Struct, frozen=True, forbid_unknown_fields=True):
    q: Annotated[str, Meta(min_length=1, max_length=200)]
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


@api.route("GET", "/search", query=SearchQuery, returns=SearchResult)
def search(services: Services, *, query: SearchQuery) -> SearchResult:
    """Artists and recordings whose names are near a text."""
    return services.catalog.search(query.q, query.limit)


@api.route("GET", "/artists/<uuid:key>", query=PageQuery, returns=ArtistPage)
def artist(services: Services, *, key: UUID, query: PageQuery) -> ArtistPage:
    """An artist with tags, known recordings and releases."""
    return services.catalog.get_artist_page(key, query.limit)
