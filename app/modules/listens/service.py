"""The rules of what was played."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy.orm import Session

from app.contracts.accounts import ListenerErased
from app.contracts.events import FeedPage
from app.contracts.listens import (
    MAX_BATCH,
    Activity,
    BatchTooLarge,
    Feedback,
    FoldedEvent,
    InvalidListen,
    Kind,
    ListenerListens,
    ListenId,
    ListenNotFound,
    ListenPage,
    ListensEvent,
    NewListen,
    NewPlaycount,
    Pattern,
    PlayingNow,
    PopularItem,
    Range,
    Rejection,
    SubmitResult,
    Summary,
    Top,
    TopItem,
    TrainingEvent,
)
from app.contracts.services import Services
from app.contracts.statistics import Entity
from app.kernel import feed
from app.kernel.clock import Clock
from app.kernel.contract import InvalidRequest
from app.kernel.db import Database
from app.kernel.kept import Kept
from app.modules.listens import (
    aliases,
    edits,
    feedback,
    history,
    imports,
    log,
    outbox,
    periods,
    playing,
    popular,
    statistics,
    tops,
)
from app.modules.listens import playcounts as totals
from app.modules.listens.here import Counted
from app.modules.listens.importer import Importer
from app.modules.listens.imports_part import ImportsPart
from app.modules.listens.relays import Relays
from app.modules.listens.relays_part import RelaysPart
from app.modules.listens.statistics_part import MOST_KEPT, StatisticsPart
from app.modules.listens.training_feed import Pseudonyms
from app.modules.listens.validation import Rejected, clean_name, row_of, whole_second

MAX_LOAD = 50_000
MAX_FEED = 10_000
MAX_FOLDED = 50_000
FEW = 20  # listens that are told of one by one
DELETED = "this account was deleted"


class ListensService(ImportsPart, RelaysPart, StatisticsPart):
    """Implements `app.contracts.listens.Listens`. `ring` wakes a worker for a task, and may fail silently."""

    def __init__(
        self,
        database: Database,
        services: Services,
        clock: Clock,
        pseudonyms: Pseudonyms,
        importer: Importer,
        relays: Relays,
        ring: Callable[[str], None],
    ) -> None:
        self.database = database
        self.services = services
        self.clock = clock
        self.pseudonyms = pseudonyms
        self.importer = importer
        self.relays = relays
        self.ring = ring
        self.here = Counted()
        self.figures = Kept[object](MOST_KEPT)

    def submit(self, listener_id: UUID, listens: list[NewListen], client: str = "") -> SubmitResult:
        if len(listens) > MAX_BATCH:
            raise BatchTooLarge
        return self._store([ListenerListens(listener_id, listens)], client, forwards=True)

    def take_in(self, listener_id: UUID, listens: list[NewListen], client: str) -> SubmitResult:
        """Store what was fetched from elsewhere: it is forwarded nowhere."""
        return self._store([ListenerListens(listener_id, listens)], client)

    def load(self, batches: list[ListenerListens], client: str) -> SubmitResult:
        if sum(len(batch.listens) for batch in batches) > MAX_LOAD:
            raise BatchTooLarge(f"load at most {MAX_LOAD} listens at once")
        return self._store(batches, client)

    def _store(self, batches: Sequence[ListenerListens], client: str, *, forwards: bool = False) -> SubmitResult:
        """Store what is valid in one transaction; indexes run over the listens of all batches.

        `forwards`: what is new is to be sent to the services that its listener connected.
        """
        now, client = self.clock(), clean_name(client)
        rows: list[tuple[int, dict[str, Any]]] = []
        rejected: list[Rejection] = []
        start = 0
        for batch in batches:
            for index, listen in enumerate(batch.listens, start):
                try:
                    rows.append((index, row_of(batch.listener_id, listen, client, now)))
                except Rejected as error:
                    rejected.append(Rejection(index, str(error)))
            start += len(batch.listens)
        listeners = {batch.listener_id for batch in batches}
        with self.database.begin() as session:
            if len(listeners) == 1 and len(rows) <= FEW:
                kept = [row for _, row in rows]
                given, accepted, has_relays = log.insert(session, kept)
                erased = listeners if given < len(kept) else set()
                kept = kept[:given]
            else:
                erased = log.lock_listeners(session, listeners)
                kept = [row for _, row in rows if row["listener_id"] not in erased]
                accepted, has_relays = len(kept) - len(log.insert_many(session, kept)), True
            if forwards and accepted and has_relays:
                outbox.queue(session, kept, now)
        rejected += [Rejection(index, DELETED) for index, row in rows if row["listener_id"] in erased]
        return SubmitResult(accepted, len(kept) - accepted, sorted(rejected, key=lambda r: r.index))

    def set_playcounts(self, playcounts: list[NewPlaycount], source: str) -> SubmitResult:
        valid, rejected = totals.checked(playcounts)
        with self.database.begin() as session:
            erased = log.lock_listeners(session, {each.listener_id for each in playcounts})
            kept = [row for _, row in valid if row["listener_id"] not in erased]
            changed, unchanged = totals.put(session, kept, clean_name(source))
        rejected += [Rejection(index, DELETED) for index, row in valid if row["listener_id"] in erased]
        return SubmitResult(changed, unchanged, sorted(rejected, key=lambda r: r.index))

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
        periods.check_page(limit, offset)
        wanted = history.Wanted(search, artist_key, client)
        with self.database.begin() as session:
            return history.page(
                session, listener_id, before, after, limit, wanted, is_nearest_after=is_nearest_after, offset=offset
            )

    def count(self, listener_id: UUID, before: str | None = None, after: str | None = None) -> int:
        with self.database.begin() as session:
            return history.count(session, listener_id, before, after)

    def set_playing_now(self, listener_id: UUID, listen: NewListen, client: str = "") -> UUID:
        now = self.clock()
        try:
            row = row_of(listener_id, structs.replace(listen, listened_at=now), clean_name(client), now)
        except Rejected as error:
            raise InvalidListen(str(error)) from None
        with self.database.begin() as session:
            if not log.lock_listeners(session, [listener_id]):
                playing.put(session, row, now)
        key: UUID = row["recording_key"]
        return key

    def clear_playing_now(self, listener_id: UUID) -> None:
        with self.database.begin() as session:
            playing.clear(session, listener_id)

    def get_playing_now(self, listener_id: UUID) -> PlayingNow | None:
        with self.database.begin() as session:
            return playing.read(session, listener_id, self.clock())

    def get_import_mark(self, listener_id: UUID, source: str) -> datetime | None:
        with self.database.begin() as session:
            return playing.get_mark(session, listener_id, clean_name(source))

    def set_import_mark(self, listener_id: UUID, source: str, at: datetime) -> None:
        with self.database.begin() as session:
            if not log.lock_listeners(session, [listener_id]):
                playing.set_mark(session, listener_id, clean_name(source), whole_second(at))

    def delete_listen(self, listener_id: UUID, listened_at: datetime, recording_key: UUID) -> None:
        try:
            at = whole_second(listened_at)
        except OverflowError:  # beyond the first or last year in UTC
            raise ListenNotFound from None
        with self.database.begin() as session:
            log.delete(session, listener_id, at, aliases.stored_key(session, listener_id, at, recording_key))

    def delete_listens(self, listener_id: UUID, which: list[ListenId]) -> list[NewListen]:
        if len(which) > MAX_BATCH:
            raise BatchTooLarge
        with self.database.begin() as session:
            return edits.delete(session, listener_id, which)

    def edit_listen(self, listener_id: UUID, which: ListenId, listen: NewListen) -> NewListen:
        with self.database.begin() as session:
            return edits.edit(session, listener_id, which, listen, self.clock())

    def set_feedback(self, listener_id: UUID, kind: Kind, key: UUID, value: int) -> None:
        if value not in {-1, 0, 1}:
            raise InvalidRequest("value is 1 (love), -1 (hide) or 0 (neither)")
        with self.database.begin() as session:
            if not log.lock_listeners(session, [listener_id]):
                feedback.put(session, listener_id, kind, key, value, self.clock())

    def get_feedback(self, listener_id: UUID, kind: Kind | None = None, value: int | None = None) -> list[Feedback]:
        with self.database.begin() as session:
            return feedback.shown(session, listener_id, kind, value)

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
        periods.check_page(limit, offset)
        start, end = self._span(range, start, end, timezone)
        with self._reading() as session:
            return tops.top(session, listener_id, entity, start, end, limit, offset)

    def top_here(self, entity: Entity, range: Range = "all_time", limit: int = 25, offset: int = 0) -> Top:
        periods.check_page(limit, offset)
        start, end = self._span(range, None, None, "UTC")

        def count() -> Top:
            with self.database.begin() as session:
                return tops.top(session, None, entity, start, end, limit, offset)

        return self.here.get((entity, start, end, limit, offset), count)

    def activity_here(self, range: Range = "all_time") -> Activity:
        start, end = self._span(range, None, None, "UTC")

        def count() -> Activity:
            with self.database.begin() as session:
                return statistics.activity(session, None, start, end, "UTC", self.clock())

        return self.here.get(("activity", start, end), count)

    def pattern(
        self,
        listener_id: UUID,
        range: Range = "all_time",
        start: datetime | None = None,
        end: datetime | None = None,
        timezone: str = "UTC",
    ) -> Pattern:
        start, end = self._span(range, start, end, timezone)
        with self._reading() as session:
            return statistics.pattern(session, listener_id, start, end, timezone)

    def activity(
        self,
        listener_id: UUID,
        range: Range = "all_time",
        start: datetime | None = None,
        end: datetime | None = None,
        timezone: str = "UTC",
    ) -> Activity:
        start, end = self._span(range, start, end, timezone)
        with self._reading() as session:
            return statistics.activity(session, listener_id, start, end, timezone, self.clock())

    def _span(
        self, range: Range, start: datetime | None, end: datetime | None, timezone: str
    ) -> tuple[datetime | None, datetime | None]:
        if start is None and end is None:
            return periods.span(range, self.clock(), timezone)
        return periods.between(start, end, timezone)

    def summary(self, listener_id: UUID, artist_key: UUID | None = None) -> Summary:
        with self._reading() as session:
            return statistics.summary(session, listener_id, artist_key)

    def artist_top(self, listener_id: UUID, artist_key: UUID, limit: int = 25) -> list[TopItem]:
        with self._reading() as session:
            return statistics.artist_top(session, listener_id, artist_key, max(1, min(limit, periods.MAX_PAGE)))

    def plays_of(self, listener_id: UUID, kind: Kind, key: UUID) -> int:
        with self._reading() as session:
            return statistics.plays_of(session, listener_id, kind, key)

    def popular(self, kind: Kind, limit: int = 20) -> list[PopularItem]:
        with self.database.begin() as session:
            return popular.read(session, kind, max(1, min(limit, popular.KEPT)))

    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        with self.database.begin() as session:
            said = feedback.read(session, listener_id, None, None)
            counts = totals.read(session, listener_id)
            total = statistics.summary(session, listener_id, None)
            brought = imports.listed(session, listener_id)
        told = {"listens": total, "playcounts": counts, "feedback": said, "imports": brought}
        exported: dict[str, Any] = msgspec.to_builtins({**told, "relays": self.relays.all_of(listener_id)})
        return exported

    def pseudonyms_of(self, listener_ids: list[UUID]) -> list[UUID]:
        return [self.pseudonyms.of(each) for each in listener_ids]

    def has_traces(self, listener_id: UUID) -> bool:
        with self.database.begin() as session:
            if log.has_traces(session, listener_id):
                return True
            known, _ = imports.known(session)
        return self.importer.files.has_orphans(known)

    def feed(self, after: str, limit: int = 1000) -> FeedPage[ListensEvent]:
        page = self.folded_feed(after, min(limit, MAX_FEED))
        return FeedPage(log.expanded(page.events), page.cursor)

    def folded_feed(self, after: str, limit: int = 20_000) -> FeedPage[FoldedEvent]:
        limit = max(1, min(limit, MAX_FOLDED))
        events, cursor = feed.read(self.database, after, limit, is_weighed=True, told=log.TOLD)
        return FeedPage(log.folded(events), cursor)

    def training_feed(self, after: str, limit: int = 5000) -> FeedPage[TrainingEvent]:
        page = self.feed(after, limit)
        return FeedPage([self.pseudonyms.translate(event) for event in page.events], page.cursor)


def forget_erased(session: Session, events: Sequence[ListenerErased]) -> None:
    """Erase the people that accounts erased, and tell followers."""
    if events:
        log.forget(session, [event.listener_id for event in events])
