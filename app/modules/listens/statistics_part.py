"""The part of the service that sets figures beside each other."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar, cast
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.accounts import Listener
from app.contracts.services import Services
from app.contracts.statistics import (
    Comparison,
    Entity,
    Fan,
    ItemFigures,
    NotComparable,
    Overview,
    RankedPage,
    Span,
)
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.kernel.kept import Kept
from app.modules.listens import comparing, items, overview, periods, stamps, tops

T = TypeVar("T")

MOST_KEPT = 500  # figures of a process; the largest has some 100 kB

# What suits short statements over some tens of thousands of rows, however the server is set.
ALONE = text(
    """
    select set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true),
           set_config('work_mem', '32MB', true)
    """
)


class StatisticsPart:
    """Base of the service, which sets these."""

    database: Database
    clock: Clock
    services: Services
    figures: Kept[object]

    def overview(self, listener_id: UUID, span: Span, before: Span | None = None, timezone: str = "UTC") -> Overview:
        span, before = _checked(span), before and _checked(before)
        periods.zone(timezone)
        return self._kept(
            listener_id,
            ("overview", span, before, timezone),
            lambda session: overview.overview(session, listener_id, span, before, timezone, self.clock()),
        )

    def ranked(
        self,
        listener_id: UUID,
        entity: Entity,
        span: Span,
        before: Span | None = None,
        limit: int = 25,
        offset: int = 0,
    ) -> RankedPage:
        periods.check_page(limit, offset)
        span, before = _checked(span), before and _checked(before)
        return self._kept(
            listener_id,
            ("ranked", entity, span, before, limit, offset),
            lambda session: tops.ranked(session, listener_id, entity, span, before, limit, offset),
        )

    def item_figures(
        self,
        listener_id: UUID,
        entity: Entity,
        key: UUID,
        span: Span,
        before: Span | None = None,
        timezone: str = "UTC",
    ) -> ItemFigures:
        span, before = _checked(span), before and _checked(before)
        periods.zone(timezone)
        return self._kept(
            listener_id,
            ("item", entity, key, span, before, timezone),
            lambda session: items.item_figures(session, listener_id, entity, key, span, before, timezone, self.clock()),
        )

    def fans(self, entity: Entity, key: UUID, artist_key: UUID | None = None, limit: int = 10) -> list[Fan]:
        with self._reading() as session:
            found = items.listeners_of(session, entity, key, artist_key)
        names = {each.listener_id: each.name for each in self._visible([listener for listener, _ in found])}
        return [Fan(who, names[who], plays) for who, plays in found if who in names][: max(1, min(limit, 100))]

    def compare(self, listener_id: UUID, other_id: UUID, span: Span, limit: int = 20) -> Comparison:
        span = _checked(span)
        if listener_id == other_id or len(self._visible([listener_id, other_id])) < 2:
            raise NotComparable
        with self._reading() as session:
            return comparing.compare(session, listener_id, other_id, span, max(1, min(limit, 100)))

    def _visible(self, listener_ids: list[UUID]) -> list[Listener]:
        with context.acting_as(context.SYSTEM):
            return self.services.accounts.visible_of(listener_ids) if listener_ids else []

    def _kept(self, listener_id: UUID, asked: tuple[object, ...], count: Callable[[Session], T]) -> T:
        """Return figures that were counted already, if nothing changed for them, or count them."""
        with self._reading() as session:
            stamp = stamps.read(session, listener_id)
            found = self.figures.get((listener_id, asked), stamp) if stamp else None
            if found is None:
                found = count(session)
                if stamp:
                    self.figures.keep((listener_id, asked), stamp, found)
            return cast(T, found)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        """Open a transaction for figures of one person: statements too short for the server to share them out."""
        with self.database.begin() as session:
            session.execute(ALONE)
            yield session


def _checked(span: Span) -> Span:
    """Return a span in UTC. Raises InvalidRange."""
    start, end = periods.between(span.start, span.end, "UTC")
    return Span(start, end)
