"""What to hear next, and why."""

from typing import Annotated, Any, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.listens import Kind
from app.kernel.contract import Access, DomainError, command, query


class Because(Struct, frozen=True):
    """One of the listener's own items that spoke for a recommendation, with its share of all that did (0 to 1)."""

    key: UUID
    title: str
    artist: str
    share: float


class Recommendation(Struct, frozen=True):
    """`because` holds the greatest shares; `other` the rest, so that they sum to 1 (0 where nothing personal spoke)."""

    key: UUID
    title: str
    artist: str
    artist_key: UUID
    score: float
    because: list[Because]
    other: float


class Recommendations(Struct, frozen=True):
    """`model` is the SHA-256 of the artefact that answered, or "popular"; `degraded` marks the fallback."""

    items: list[Recommendation]
    model: str
    degraded: bool


class SimilarListener(Struct, frozen=True):
    """`similarity` is the cosine of the two listeners' artists, 0 to 1."""

    listener_id: UUID
    similarity: float


class ServedModel(Struct, frozen=True):
    kind: Kind
    sha256: str
    model_id: UUID
    items: int


class Shown(Struct, frozen=True):
    """An item that a page showed: on which shelf, chosen by which model, in which arm of an experiment if in any."""

    kind: Kind
    key: UUID
    shelf: Annotated[str, Meta(max_length=50)]
    model: Annotated[str, Meta(max_length=64)]
    arm: Annotated[str, Meta(max_length=50)] | None = None


class ItemUnknown(DomainError):
    """The serving model does not know this item (yet)."""

    code, status = "recommendations.item_unknown", 404


class Recommender(Protocol):
    @query(access=Access.OWNER)
    def recommend(
        self, listener_id: UUID, kind: Kind = "recordings", limit: int = 20, include_known: bool = False
    ) -> Recommendations:
        """The best items for a listener, folded in now, without known and hidden ones; popular ones for the new."""

    @query(access=Access.LISTENER)
    def similar(self, kind: Kind, key: UUID, limit: int = 20) -> Recommendations:
        """Items near an item. Raises ItemUnknown."""

    @query(access=Access.OWNER)
    def similar_listeners(self, listener_id: UUID, limit: int = 25) -> list[SimilarListener]:
        """Those here who play the same artists, nearest first; whether they may be named is for accounts to say."""

    @command(access=Access.OWNER, idempotent=True)
    def record_impressions(self, listener_id: UUID, shown: Annotated[list[Shown], Meta(max_length=500)]) -> None:
        """Note what a listener was shown now: what is shown on several days and never played steps back."""

    @query(access=Access.SERVICE)
    def served_models(self) -> list[ServedModel]:
        """The models that this process serves now."""

    @query(access=Access.SERVICE)
    def profile_size(self, listener_id: UUID) -> int:
        """How many items the listener's profile holds; the freshness benchmark waits for it."""

    @query(access=Access.SERVICE)
    def has_traces(self, listener_id: UUID) -> bool:
        """Whether anything of a person is left here."""

    @query(access=Access.OWNER)
    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        """What is kept of a person, as JSON values."""
