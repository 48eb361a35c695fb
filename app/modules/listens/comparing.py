"""Two listeners beside each other."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.contracts.statistics import Comparison, Shared, Span
from app.modules.listens import tops


def compare(session: Session, listener_id: UUID, other_id: UUID, span: Span, limit: int) -> Comparison:
    """Return what two play alike: the sum over artists of the smaller of their shares, and who these artists are."""
    own, others = (_artists(session, each, span) for each in (listener_id, other_id))
    plays, plays_of_other = (sum(row.plays for row in rows.values()) for rows in (own, others))
    both = [Shared(key, row.artist, row.plays, others[key].plays) for key, row in own.items() if key in others]
    overlap = sum(min(each.plays / plays, each.plays_of_other / plays_of_other) for each in both)
    both.sort(key=lambda s: (-min(s.plays / plays, s.plays_of_other / plays_of_other), s.artist))
    only_own = [Shared(key, row.artist, row.plays, 0) for key, row in own.items() if key not in others]
    only_others = [Shared(key, row.artist, 0, row.plays) for key, row in others.items() if key not in own]
    return Comparison(
        overlap=round(overlap, 4),
        plays=plays,
        plays_of_other=plays_of_other,
        shared=both[:limit],
        only_own=only_own[:limit],
        only_others=only_others[:limit],
        shared_total=len(both),
    )


def _artists(session: Session, listener_id: UUID, span: Span) -> dict[UUID, Any]:
    """Return a listener's artists, most played first."""
    return {row.key: row for row in tops.listed(session, listener_id, "artists", span)}
