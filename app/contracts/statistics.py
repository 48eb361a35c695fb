"""Figures about what was played: how much, how ranked, how varied, since when; of oneself, and with others."""

from datetime import date, datetime
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from app.kernel.contract import Access, DomainError, query

Entity = Literal["artists", "releases", "recordings"]


class Bucket(Struct, frozen=True):
    start: datetime
    end: datetime
    plays: int


class Span(Struct, frozen=True):
    """From `start` until before `end`; None is an open side."""

    start: datetime | None = None
    end: datetime | None = None


class Ranked(Struct, frozen=True):
    """An item of a top list. `rank` is shared by those with as many plays; what was before is 0 and None where not."""

    key: UUID
    title: str  # the artist's name where the entity is artists
    artist: str
    artist_key: UUID
    plays: int
    rank: int
    plays_before: int = 0
    rank_before: int | None = None


class RankedPage(Struct, frozen=True):
    """`total` counts all different items of the span, `total_before` of the one before."""

    items: list[Ranked]
    total: int
    total_before: int


class Counts(Struct, frozen=True):
    """`variety` is how many artists, played equally, would be as varied (the exponential of Shannon's entropy)."""

    plays: int
    artists: int
    new_artists: int  # played for the first time
    days: int  # on which something was played
    variety: float


class Run(Struct, frozen=True):
    """Days in a row on which something was played, both included."""

    first: date
    last: date
    days: int


class Discovery(Struct, frozen=True):
    artist_key: UUID
    artist: str
    first_listened_at: datetime
    last_listened_at: datetime
    plays: int  # of all time


class Overview(Struct, frozen=True):
    """The figures of a span beside those of the span before.

    `before` is cut to the part of the span that is over, so that a month under way is compared with as many days.
    `activity_before` is whole. `pattern` has 7 rows from Monday on and 24 columns. `run_now` ends today or yesterday.
    """

    counts: Counts
    before: Counts | None
    activity: list[Bucket]
    activity_before: list[Bucket]
    pattern: list[list[int]]
    longest_run: Run | None
    run_now: Run | None
    discoveries: list[Discovery]  # of the span, the most played first
    discovered: list[Bucket]  # how many, when
    forgotten: list[Discovery]  # much played, long ago


class ItemFigures(Struct, frozen=True):
    """An artist's, release's or recording's part in a listener's history.

    `plays`, `rank` and `activity` are of the span; `all_plays` and the times of all time.
    """

    key: UUID
    title: str
    artist: str
    artist_key: UUID
    all_plays: int
    first_listened_at: datetime
    last_listened_at: datetime
    plays: int
    plays_before: int
    rank: int | None
    activity: list[Bucket]
    recordings: list[Ranked]  # of the span; none of a recording
    releases: list[Ranked]


class Fan(Struct, frozen=True):
    listener_id: UUID
    name: str
    plays: int


class Shared(Struct, frozen=True):
    """An artist that both play, with the plays of each."""

    artist_key: UUID
    artist: str
    plays: int
    plays_of_other: int


class Comparison(Struct, frozen=True):
    """`overlap` is the share (0 to 1) of their plays that falls on the same artists alike."""

    overlap: float
    plays: int
    plays_of_other: int
    shared: list[Shared]
    only_own: list[Shared]
    only_others: list[Shared]
    shared_total: int


class NotComparable(DomainError):
    """Both have to show their listening to others for that."""

    code, status = "listens.not_comparable", 404


class ItemNotPlayed(DomainError):
    """This was not played yet."""

    code, status = "listens.item_not_played", 404


class Statistics(Protocol):
    @query(access=Access.OWNER)
    def overview(self, listener_id: UUID, span: Span, before: Span | None = None, timezone: str = "UTC") -> Overview:
        """The figures of a span, with those of the span before. Raises InvalidRange."""

    @query(access=Access.OWNER)
    def ranked(
        self,
        listener_id: UUID,
        entity: Entity,
        span: Span,
        before: Span | None = None,
        limit: int = 25,
        offset: int = 0,
    ) -> RankedPage:
        """The most played, with their ranks and those of the span before. Raises InvalidRange."""

    @query(access=Access.OWNER)
    def item_figures(
        self,
        listener_id: UUID,
        entity: Entity,
        key: UUID,
        span: Span,
        before: Span | None = None,
        timezone: str = "UTC",
    ) -> ItemFigures:
        """One's own history of an item. Raises ItemNotPlayed, InvalidRange."""

    @query(access=Access.LISTENER)
    def fans(self, entity: Entity, key: UUID, artist_key: UUID | None = None, limit: int = 10) -> list[Fan]:
        """Who plays an item most, of those whose listening is public; a release or recording by its artist."""

    @query(access=Access.OWNER)
    def compare(self, listener_id: UUID, other_id: UUID, span: Span, limit: int = 20) -> Comparison:
        """Set two listeners beside each other, where both are public. Raises NotComparable, InvalidRange."""
