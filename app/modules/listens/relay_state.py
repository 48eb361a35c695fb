"""How a connection fares, each way by itself: went well, failed and tries again later, or waits for its owner."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.modules.listens import outbox
from app.modules.listens.peers import PeerAway, brief

Way = Literal["push", "pull"]

FIRST_RETRY_S, LAST_RETRY_S = 30.0, 6 * 3600.0


def succeeded(session: Session, relay_id: UUID, way: Way, now: datetime, next_at: datetime | None = None) -> None:
    session.execute(
        text(
            f"""
            update relay
            set {way}_failures = 0, {way}_error = '', {way}_done_at = :now, {way}_next_at = :next_at
            where relay_id = :relay
            """  # noqa: S608
        ),
        {"relay": relay_id, "now": now, "next_at": next_at},
    )


def failed(session: Session, relay_id: UUID, way: Way, now: datetime, error: PeerAway, chance: float) -> None:
    """Try again later: after as long as the other service asks for, else after a time that doubles up to six hours.

    `chance` is from 0 to 1: so that not everybody comes back in the same second. What waits for a week is given up.
    """
    before = session.execute(
        text(f"select {way}_failures from relay where relay_id = :relay for update"),  # noqa: S608
        {"relay": relay_id},
    ).scalar_one_or_none()
    if before is None:
        return
    doubled = min(FIRST_RETRY_S * 2 ** min(before, 20), LAST_RETRY_S)
    spread = min(doubled * (0.75 + 0.5 * chance), LAST_RETRY_S)
    wait_s = spread if error.wait_s is None else error.wait_s * (1 + 0.1 * chance)
    session.execute(
        text(
            f"""
            update relay
            set {way}_failures = :failures, {way}_error = :error, {way}_failed_at = :now, {way}_next_at = :next_at
            where relay_id = :relay
            """  # noqa: S608
        ),
        {
            "relay": relay_id,
            "failures": before + (error.wait_s is None),
            "error": brief(str(error)),
            "now": now,
            "next_at": now + timedelta(seconds=wait_s),
        },
    )
    if way == "push":
        outbox.give_up(session, relay_id, brief(str(error)), now)


def pause(session: Session, relay_id: UUID, reason: str) -> None:
    """Wait for the owner; what waits to be sent is kept."""
    session.execute(
        text("update relay set paused = :reason where relay_id = :relay"),
        {"relay": relay_id, "reason": brief(reason, "it does not let Segue in")},
    )
