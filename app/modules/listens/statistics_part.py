"""The part of the service that sets figures beside each other."""

import contextlib
from collections.abc import Iterator
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
from app.modules.listens import comparing, items, overview, periods, tops

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

    def overview(self, listener_id: UUID, span: Span, before: Span | None = None, timezone: str = "UTC") -> Overview:
        span, before = _checked(span), before and _checked(before)
        periods.zone(timezone)
        with self._reading() as session:
            return overview.overview(session, listener_id, span, before, timezone, self.clock())

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
        with self._reading() as session:
            return tops.ranked(session, listener_id, entity, span, before, limit, offset)

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
        with self._reading() as session:
            return items.item_figures(session, listener_id, entity, key, span, before, timezone, self.clock())

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

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        """Open a transaction for figures of one person: statements too short for the server to share them out."""
        with self.database.begin() as session:
            session.execute(
                text("select set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true)")
            )
            yield session


def _checked(span: Span) -> Span:
    """Return a span in UTC. Raises InvalidRange."""
    start, end = periods.between(span.start, span.end, "UTC")
    return Span(start, end)
