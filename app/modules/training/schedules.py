"""Training without being asked: nightly, when enough is new, or on drift."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind
from app.contracts.training import Schedule

COLUMNS = "kind, is_enabled, nightly_minute, new_share, on_drift, prefers_low_carbon, considered_at, decision"


def listed(session: Session) -> list[Schedule]:
    rows = session.execute(text(f"select {COLUMNS} from schedule order by kind"))  # noqa: S608
    return [Schedule(*row) for row in rows]


def change(session: Session, kind: Kind, values: dict[str, Any]) -> Schedule:
    """Set a kind's schedule."""
    row = session.execute(
        text(
            f"""
            insert into schedule (kind, is_enabled, nightly_minute, new_share, on_drift, prefers_low_carbon)
            values (:kind, :is_enabled, :nightly_minute, :new_share, :on_drift, :prefers_low_carbon)
            on conflict (kind) do update
            set is_enabled = excluded.is_enabled, nightly_minute = excluded.nightly_minute,
                new_share = excluded.new_share, on_drift = excluded.on_drift,
                prefers_low_carbon = excluded.prefers_low_carbon
            returning {COLUMNS}
            """  # noqa: S608
        ),
        {"kind": kind, **values},
    ).one()
    return Schedule(*row)
