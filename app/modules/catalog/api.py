"""Public routes of `catalog`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.catalog import Act, ArtistPage, Correction, Scope, SearchResult
from app.contracts.services import Services
from app.kernel.routes import Api

api = Api("catalog", prefixes=("search", "artists", "catalog"))


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


class CorrectionsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    scope: Scope = "me"
    before: datetime | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class NewCorrection(Struct, frozen=True, forbid_unknown_fields=True):
    """`act` says by its `type` what it is: merge, rename, split_artist or reassign_artist."""

    act: Act
    scope: Scope = "me"


class CorrectionList(Struct, frozen=True):
    corrections: list[Correction]


@api.route("GET", "/catalog/corrections", query=CorrectionsQuery, returns=CorrectionList)
def list_corrections(services: Services, *, query: CorrectionsQuery) -> CorrectionList:
    """The corrections that hold for oneself, or for everyone, newest first."""
    return CorrectionList(services.catalog.list_corrections(query.scope, query.before, query.limit))


@api.route("POST", "/catalog/corrections", body=NewCorrection, returns=Correction, status=201)
def add_correction(services: Services, *, body: NewCorrection) -> Correction:
    """Merge, rename, split or reassign, for oneself or (administrators) for everyone; listens stay as sent."""
    return services.catalog.add_correction(body.scope, body.act)


@api.route("DELETE", "/catalog/corrections/<uuid:correction>")
def undo_correction(services: Services, *, correction: UUID) -> None:
    """Take a correction back."""
    services.catalog.undo_correction(correction)
