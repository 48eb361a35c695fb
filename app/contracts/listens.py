"""What was played: listens, imported play counts, love and hate, statistics."""

from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.events import FeedPage
from app.contracts.imports import Imports
from app.contracts.relays import Relays
from app.contracts.statistics import Bucket, Entity, Statistics
from app.kernel.contract import Access, DomainError, command, query

Kind = Literal["recordings", "artists"]
Range = Literal[
    "this_week", "this_month", "this_year", "week", "month", "quarter", "year", "half_yearly", "all_time"
]  # the words of ListenBrainz; week, month, … without "this" are the last complete ones

MAX_BATCH = 1000


class NewListen(Struct, frozen=True):
    """A play as a client sends it; checked one by one, so that a bad one does not fail its batch."""

    listened_at: datetime
    artist: str
    title: str
    release: str | None = None
    release_artist: str | None = None
    duration_ms: int | None = None
    recording_mbid: UUID | None = None
    extra: dict[str, Any] | None = None
    client: str | None = None  # where one batch holds the listens of several


class ListenId(Struct, frozen=True):
    """Names one listen of a listener."""

    listened_at: datetime
    recording_key: UUID


class Rejection(Struct, frozen=True):
    index: int
    reason: str


class SubmitResult(Struct, frozen=True):
    accepted: int
    duplicate: int
    rejected: list[Rejection]


class Sent(Struct, frozen=True):
    """What a listen was sent as that corrections show as another."""

    recording_key: UUID
    artist_key: UUID
    artist: str
    title: str


class Listen(Struct, frozen=True):
    listened_at: datetime
    recording_key: UUID
    artist_key: UUID
    release_key: UUID | None
    artist: str
    title: str
    release: str | None
    duration_ms: int | None
    client: str
    inserted_at: datetime | None = None
    extra: dict[str, Any] | None = None  # what else its client told, `recording_mbid` and `release_artist` included
    sent: Sent | None = None  # where corrections show it as another


class PlayingNow(Struct, frozen=True):
    """What is playing, until `until` unless something else is."""

    artist: str
    title: str
    artist_key: UUID
    recording_key: UUID
    release: str | None
    duration_ms: int | None
    client: str
    extra: dict[str, Any] | None
    started_at: datetime
    until: datetime


class ListenPage(Struct, frozen=True):
    """Listens, newest first; `next` continues the page, None at the end."""

    listens: list[Listen]
    next: str | None


class NewPlaycount(Struct, frozen=True):
    """A total without timestamps, of a recording or (title None) of an artist."""

    listener_id: UUID
    artist: str
    title: str | None
    plays: Annotated[int, Meta(ge=1, le=100_000_000)]


class ListenerListens(Struct, frozen=True):
    listener_id: UUID
    listens: list[NewListen]


class TopItem(Struct, frozen=True):
    key: UUID
    title: str  # the artist's name where the entity is artists
    artist: str
    artist_key: UUID
    plays: int


class Top(Struct, frozen=True):
    """The most played; `total` counts all different ones in the range [start, end)."""

    items: list[TopItem]
    total: int
    start: datetime | None
    end: datetime | None


class Activity(Struct, frozen=True):
    """Plays per day, month or year of the range, cut in the time zone asked for."""

    buckets: list[Bucket]


class Pattern(Struct, frozen=True):
    """Plays by day of the week (Monday first, 7 rows) and hour (24 columns)."""

    plays: list[list[int]]
    start: datetime | None
    end: datetime | None


class Summary(Struct, frozen=True):
    plays: int
    first_listened_at: datetime | None
    last_listened_at: datetime | None


class Feedback(Struct, frozen=True):
    kind: Kind
    key: UUID
    value: int  # 1 loved, -1 hidden
    at: datetime
    title: str  # as the listener sent it; empty where never played or named
    artist: str


class PopularItem(Struct, frozen=True):
    kind: Kind
    key: UUID
    title: str
    artist: str
    artist_key: UUID
    listeners: int


class Listened(Struct, frozen=True, tag="listened"):
    """A listen was stored."""

    listener_id: UUID
    listened_at: datetime
    recording_key: UUID
    artist_key: UUID
    release_key: UUID | None
    artist: str
    title: str
    release: str | None
    recording_mbid: UUID | None = None
    release_mbid: UUID | None = None


class Unlistened(Struct, frozen=True, tag="unlistened"):
    """A listen was deleted or hidden as a duplicate."""

    listener_id: UUID
    listened_at: datetime
    recording_key: UUID
    artist_key: UUID


class PlaycountSet(Struct, frozen=True, tag="playcount_set"):
    """A total without timestamps now stands at `plays`; `title` and `recording_key` are None for an artist's."""

    listener_id: UUID
    artist_key: UUID
    recording_key: UUID | None
    artist: str
    title: str | None
    plays: int


class FeedbackSet(Struct, frozen=True, tag="feedback_set"):
    """Love (1), hide (-1) or neither (0) was said of an item."""

    listener_id: UUID
    kind: Kind
    key: UUID
    value: int


class ListenerForgotten(Struct, frozen=True, tag="listener_forgotten"):
    """Everything of a person was erased."""

    listener_id: UUID


ListensEvent = Listened | Unlistened | PlaycountSet | FeedbackSet | ListenerForgotten


class Track(Struct, frozen=True, array_like=True):
    """What was played, as it was sent."""

    recording_key: UUID
    artist_key: UUID
    release_key: UUID | None
    artist: str
    title: str
    release: str | None
    recording_mbid: UUID | None = None
    release_mbid: UUID | None = None


class ListenedMany(Struct, frozen=True, tag="listened_together"):
    """Many listens of one person: at `times`, UNIX seconds in their order, the tracks at `places` in `tracks`."""

    listener_id: UUID
    tracks: list[Track]
    times: list[int]
    places: list[int]


FoldedEvent = ListensEvent | ListenedMany


class TrainingEvent(Struct, frozen=True):
    """An event for training: the person is a keyed pseudonym, and there is no name.

    `kind` is listened, unlistened, playcount_set, feedback_set or forgotten; `at` is UNIX seconds.
    """

    kind: Literal["listened", "unlistened", "playcount_set", "feedback_set", "forgotten"]
    pseudonym: UUID
    at: int = 0
    recording_key: UUID | None = None
    artist_key: UUID | None = None
    value: int = 1


class BatchTooLarge(DomainError):
    """Send at most 1000 listens at once."""

    code, status = "listens.batch_too_large", 413


class ListenNotFound(DomainError):
    """There is no such listen."""

    code, status = "listens.listen_not_found", 404


class InvalidListen(DomainError):
    """This listen can't be taken as it is."""

    code, status = "listens.invalid_listen", 422


class InvalidRange(DomainError):
    """The range, time zone or cursor is not one that exists."""

    code, status = "listens.invalid_range", 422


class Listens(Imports, Relays, Statistics, Protocol):
    @command(access=Access.OWNER, idempotent=True, timeout=10, scope="scrobble")
    def submit(self, listener_id: UUID, listens: list[NewListen], client: str = "") -> SubmitResult:
        """Store up to 1000 listens: all valid ones, each once; the invalid ones are told by index.

        Idempotent by nature: the same listen again is counted as a duplicate. Raises BatchTooLarge.
        """

    @command(access=Access.SERVICE, idempotent=True, timeout=60)
    def load(self, batches: list[ListenerListens], client: str) -> SubmitResult:
        """Store the listens of many listeners in one transaction (data sets); indexes run over all of them."""

    @command(access=Access.SERVICE, idempotent=True, timeout=60)
    def set_playcounts(self, playcounts: list[NewPlaycount], source: str) -> SubmitResult:
        """Store totals without timestamps; the same listener, item and source again replaces the total."""

    @query(access=Access.OWNER)
    def history(
        self,
        listener_id: UUID,
        before: str | None = None,
        after: str | None = None,
        limit: int = 25,
        search: str = "",
        is_nearest_after: bool = False,
        offset: int = 0,
        artist_key: UUID | None = None,
        client: str | None = None,
    ) -> ListenPage:
        """Listens older than `before` and newer than `after`, newest first, 1 to 1000 of them.

        Both are ISO 8601, UNIX seconds, or a page's `next`: paging is stable while listens arrive. Where more fit, the
        newest are given, or with `is_nearest_after` those just after `after` (without a `next`). `offset`, up to a
        million, passes over some, for protocols that page by number. `search` looks in artist, title and release;
        `artist_key` and `client` leave those of one artist, or that one client sent. Raises InvalidRange.
        """

    @query(access=Access.OWNER)
    def count(self, listener_id: UUID, before: str | None = None, after: str | None = None) -> int:
        """How many listens `history` would page through. Raises InvalidRange."""

    @command(access=Access.OWNER, idempotent=True, scope="scrobble")
    def set_playing_now(self, listener_id: UUID, listen: NewListen, client: str = "") -> UUID:
        """Say what is playing now; its `listened_at` is not looked at. Returns the recording's key.

        It ends by itself after its duration, or ten minutes where that is not known; the same again does not prolong
        it. Raises InvalidListen.
        """

    @command(access=Access.OWNER, idempotent=True, scope="scrobble")
    def clear_playing_now(self, listener_id: UUID) -> None:
        """Nothing is playing."""

    @query(access=Access.OWNER)
    def get_playing_now(self, listener_id: UUID) -> PlayingNow | None:
        """What is playing, or None."""

    @query(access=Access.OWNER)
    def get_import_mark(self, listener_id: UUID, source: str) -> datetime | None:
        """Up to when an importer outside of Segue has brought the history of another service in."""

    @command(access=Access.OWNER, idempotent=True, scope="scrobble")
    def set_import_mark(self, listener_id: UUID, source: str, at: datetime) -> None:
        """Note how far an importer came; the mark only moves forward."""

    @command(access=Access.OWNER)
    def delete_listen(self, listener_id: UUID, listened_at: datetime, recording_key: UUID) -> None:
        """Delete one listen. Raises ListenNotFound."""

    @command(access=Access.OWNER, idempotent=True, timeout=10)
    def delete_listens(self, listener_id: UUID, which: list[ListenId]) -> list[NewListen]:
        """Delete up to 1000 listens and return them, to be submitted again; those that are gone are passed over.

        Raises BatchTooLarge.
        """

    @command(access=Access.OWNER)
    def edit_listen(self, listener_id: UUID, which: ListenId, listen: NewListen) -> NewListen:
        """Say that a listen was another one: of another recording or release, at another time. Returns what it was.

        What else its client told stays. Raises ListenNotFound, InvalidListen.
        """

    @command(access=Access.OWNER, idempotent=True)
    def set_feedback(self, listener_id: UUID, kind: Kind, key: UUID, value: int) -> None:
        """Love (1), hide (-1) or neither (0). Raises InvalidRequest for another value."""

    @query(access=Access.OWNER)
    def get_feedback(self, listener_id: UUID, kind: Kind | None = None, value: int | None = None) -> list[Feedback]:
        """What the listener loved and hid, newest first."""

    @query(access=Access.OWNER)
    def top(
        self,
        listener_id: UUID,
        entity: Entity,
        range: Range = "all_time",
        start: datetime | None = None,
        end: datetime | None = None,
        timezone: str = "UTC",
        limit: int = 25,
        offset: int = 0,
    ) -> Top:
        """The most played in a range, or from `start` to `end` when given. Raises InvalidRange."""

    @query(access=Access.OWNER)
    def activity(
        self,
        listener_id: UUID,
        range: Range = "all_time",
        start: datetime | None = None,
        end: datetime | None = None,
        timezone: str = "UTC",
    ) -> Activity:
        """Plays over time. Raises InvalidRange."""

    @query(access=Access.OWNER)
    def pattern(
        self,
        listener_id: UUID,
        range: Range = "all_time",
        start: datetime | None = None,
        end: datetime | None = None,
        timezone: str = "UTC",
    ) -> Pattern:
        """Plays by day of the week and hour. Raises InvalidRange."""

    @query(access=Access.LISTENER)
    def top_here(self, entity: Entity, range: Range = "all_time", limit: int = 25, offset: int = 0) -> Top:
        """The most played of everybody here, in UTC; no personal data in it. Raises InvalidRange."""

    @query(access=Access.LISTENER)
    def activity_here(self, range: Range = "all_time") -> Activity:
        """Plays of everybody here over time, in UTC. Raises InvalidRange."""

    @query(access=Access.OWNER)
    def summary(self, listener_id: UUID, artist_key: UUID | None = None) -> Summary:
        """How much was played, in all or of one artist."""

    @query(access=Access.OWNER)
    def artist_top(self, listener_id: UUID, artist_key: UUID, limit: int = 25) -> list[TopItem]:
        """The recordings of an artist that the listener played most."""

    @query(access=Access.OWNER)
    def plays_of(self, listener_id: UUID, kind: Kind, key: UUID) -> int:
        """How many listens are of an item, as corrections show them to the listener."""

    @query(access=Access.LISTENER)
    def popular(self, kind: Kind, limit: int = 20) -> list[PopularItem]:
        """What most listeners here played; no personal data in it."""

    @query(access=Access.OWNER)
    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        """Counts, play counts and feedback of a person, as JSON values; listens are read by `history`."""

    @query(access=Access.SERVICE)
    def pseudonyms_of(self, listener_ids: list[UUID]) -> list[UUID]:
        """The pseudonyms under which training knows these people."""

    @query(access=Access.SERVICE)
    def has_traces(self, listener_id: UUID) -> bool:
        """Whether anything of a person is left here."""

    @query(access=Access.SERVICE, timeout=10)
    def feed(self, after: str, limit: int = 1000) -> FeedPage[ListensEvent]:
        """Events after a cursor ("" for the beginning). Raises FeedReset when the cursor is of another generation."""

    @query(access=Access.SERVICE, timeout=10, former="feed")
    def folded_feed(self, after: str, limit: int = 20_000) -> FeedPage[FoldedEvent]:
        """The same log, of the same cursors, for those who count: what was stored together is told together.

        `limit` counts listens; a page has one event at the least.
        """

    @query(access=Access.SERVICE, timeout=10)
    def training_feed(self, after: str, limit: int = 5000) -> FeedPage[TrainingEvent]:
        """The same log for training: pseudonyms, no names."""
