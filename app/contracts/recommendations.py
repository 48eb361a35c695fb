"""What to hear next, and why."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.experiments import ExperimentSums, ModelHealth, ServedBy
from app.contracts.listens import Kind
from app.kernel.contract import Access, DomainError, command, query


class Because(Struct, frozen=True, omit_defaults=True):
    """One of the listener's own items that spoke for a recommendation, with its share of all that did (0 to 1).

    `plays` are how often they played it, on shelves and radios only: the form of `recommend` is fixed.
    """

    key: UUID
    title: str
    artist: str
    share: float
    plays: int = 0


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
    """`model` is the SHA-256 of the artefact that answered, or "popular"; `degraded` marks the fallback.

    "likeness" answered what is similar to a recording that no model knows: by its sound, artist and tags.
    """

    items: list[Recommendation]
    model: str
    degraded: bool


Turned = Annotated[float, Meta(ge=-1, le=1)]


class Steering(Struct, frozen=True):
    """What a listener turned. Sliders go from -1 to 1, 0 for as the model says; `variety` from 0 to 1.

    `novelty`: familiar to new, and from -0.5 down with what they know already. `obscurity`: popular to obscure.
    `energy`: calm to loud, where it is known how loud recordings are. `artist` and `tag` restrict to what is by one or
    has it. `rotates`: tomorrow the order is another one.
    """

    novelty: Turned = 0.0
    obscurity: Turned = 0.0
    energy: Turned = 0.0
    variety: Annotated[float, Meta(ge=0, le=1)] = 0.0
    artist: UUID | None = None
    tag: Annotated[str, Meta(max_length=100)] | None = None
    per_artist: Annotated[int, Meta(ge=1, le=200)] = 2
    rotates: bool = False


# Why something is shown. near: of the listener's items those in `because` speak for it. follows: so do those just
# played. session: it is played in sessions like this one. hour: they play it at this time of day. often: they play it
# much. artist: it is by an artist they play, of whose recordings `because` are the most played. forgotten: they played
# it much, and not for long. popular: others here play it. tag: it has the tag asked for. seed: it goes with the seeds.
Why = Literal["near", "follows", "session", "hour", "often", "artist", "forgotten", "popular", "tag", "seed"]
ShelfName = Literal["for_now", "deep_cuts", "new_artists", "forgotten", "popular"]


class Pick(Recommendation, frozen=True):
    """A recommendation with its reason. `plays` and `last_at` are the listener's own of it, `listeners` those here.

    For `hour`, `plays` are those around this time of day; for `artist` those of the artist.
    """

    why: Why = "near"
    plays: int = 0
    last_at: datetime | None = None
    listeners: int = 0


class Shelf(Struct, frozen=True):
    """`is_known`: there was nothing that would be new to the listener, so it holds what they know little or well.

    `around` are artists that the listener plays, of the taste that the shelf keeps to today, by name.
    """

    name: ShelfName
    kind: Kind
    items: list[Pick]
    is_known: bool = False
    around: list[str] = []


class Shelves(Struct, frozen=True):
    """Shelves without an item twice; `models` by kind are what answered, `degraded` that one is missing.

    `has_energy`: of something here it is known how loud it is, so that slider has a meaning. `tags` are the listener's
    own, most played first. `unplayed` are recordings that nobody here has played, alike to the listener's own.
    """

    shelves: list[Shelf]
    models: dict[Kind, str]
    degraded: bool
    day: date
    has_energy: bool = False
    tags: list[str] = []
    unplayed: list[Pick] = []


class Seeds(Struct, frozen=True):
    """What a radio goes by: any of these, together."""

    artists: Annotated[list[UUID], Meta(max_length=20)] = []
    recordings: Annotated[list[UUID], Meta(max_length=20)] = []
    tags: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=20)] = []


class Radio(Struct, frozen=True):
    """A page of an endless playlist; `next` asks for the one after. `seeds` in words, as far as they have names."""

    items: list[Pick]
    seeds: list[str]
    next: int
    model: str
    degraded: bool


class MapArtist(Struct, frozen=True):
    """An artist at a place of the map, x and y from 0 to 1; `plays` are the listener's own."""

    key: UUID
    name: str
    x: float
    y: float
    plays: int
    listeners: int


class MapLink(Struct, frozen=True):
    """Two artists (places in the list) that are alike, by `strength` of 0 to 1."""

    source: int
    target: int
    strength: float


class ArtistMap(Struct, frozen=True):
    """Artists around one (the first), or around those that a listener plays most; never with a hidden one."""

    artists: list[MapArtist]
    links: list[MapLink]
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
        self,
        listener_id: UUID,
        kind: Kind = "recordings",
        limit: int = 20,
        include_known: bool = False,
        steering: Steering | None = None,
    ) -> Recommendations:
        """The best items for a listener, folded in now, without known and hidden ones; popular ones for the new."""

    @query(access=Access.OWNER, timeout=5)
    def shelves(self, listener_id: UUID, steering: Steering | None = None, size: int = 8) -> Shelves:
        """Shelves of different intentions: the same all day for the same plays and opinions, others tomorrow."""

    @query(access=Access.OWNER, timeout=5)
    def radio(
        self, listener_id: UUID, seeds: Seeds, page: int = 0, limit: int = 20, steering: Steering | None = None
    ) -> Radio:
        """What goes with seeds, known or not, without an end. Raises ItemUnknown where none of them is known here."""

    @query(access=Access.OWNER, timeout=5)
    def artist_map(self, listener_id: UUID, around: UUID | None = None, limit: int = 40) -> ArtistMap:
        """Artists near one, or near the listener's own, and which are alike. Raises ItemUnknown."""

    @query(access=Access.OWNER, timeout=5)
    def known_and_loved(self, listener_id: UUID, limit: int = 50) -> list[Pick]:
        """Recordings that a listener loves or plays much, in an order of the week."""

    @query(access=Access.LISTENER)
    def similar(self, kind: Kind, key: UUID, limit: int = 20) -> Recommendations:
        """Items near an item; of a recording that no model knows, those alike in content. Raises ItemUnknown."""

    @query(access=Access.OWNER)
    def similar_listeners(self, listener_id: UUID, limit: int = 25) -> list[SimilarListener]:
        """Those here who play the same artists, nearest first; whether they may be named is for accounts to say."""

    @command(access=Access.OWNER, idempotent=True)
    def record_impressions(self, listener_id: UUID, shown: Annotated[list[Shown], Meta(max_length=500)]) -> None:
        """Note what a listener was shown now: what is shown on several days and never played steps back."""

    @command(access=Access.OWNER, idempotent=True)
    def record_click(self, listener_id: UUID, kind: Kind, key: UUID) -> None:
        """Note that a listener opened or started something that was shown to them today or yesterday."""

    @query(access=Access.SERVICE, timeout=10)
    def outcome_sums(
        self,
        kind: Kind,
        control_sha256: str,
        treatment_sha256: str,
        since: datetime,
        until: datetime | None = None,
    ) -> ExperimentSums:
        """What came of what two models showed in a time, summed over listeners."""

    @query(access=Access.SERVICE)
    def model_health(self, sha256s: list[str], since: datetime) -> list[ModelHealth]:
        """How models answered since a time, of those that answered at all."""

    @query(access=Access.ADMIN)
    def served_by(self) -> list[ServedBy]:
        """Which process serves which model: proof that a swap arrived everywhere."""

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
