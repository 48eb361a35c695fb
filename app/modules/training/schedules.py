"""Training without being asked: nightly, when enough is new, or on drift."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind
from app.contracts.training import Schedule
from app.modules.training.grid import Grid

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


WAIT = timedelta(hours=1)  # between runs of a kind that nobody asked for
LATEST = timedelta(hours=12)  # that a nightly run waits for the grid


@dataclass(frozen=True)
class Standing:
    """What a schedule looks at. `new_share` is what came since the champion, of what it was trained on."""

    has_champion: bool
    last_started: datetime | None
    new_share: float
    has_drifted: bool


def due(schedule: Schedule, standing: Standing, grid: Grid, now: datetime) -> tuple[str | None, str]:
    """Return the cause for which to train now, None where there is none, and in words why."""
    if not schedule.is_enabled:
        return None, "switched off"
    if not standing.has_champion:
        return None, "waits for a first training, which somebody asks for"
    last = standing.last_started
    if last is not None and now - last < WAIT:
        return None, "trained within the hour"
    if standing.new_share <= 0:
        return None, "nothing is new since the champion was trained"
    cause, why = None, "nothing calls for it yet"
    if schedule.new_share is not None and standing.new_share >= schedule.new_share:
        cause, why = "volume", f"{standing.new_share:.1%} are new"
    if schedule.on_drift and standing.has_drifted:
        cause, why = "drift", "what is played has drifted"
    at = _night(schedule, now)
    if at is not None and (last is None or last < at):
        cause, why = "nightly", f"nightly at {at:%H:%M} UTC"
    if cause and schedule.prefers_low_carbon and grid.is_known and not grid.is_low(now):
        waited_since = at if cause == "nightly" and at else (last or now)
        if cause != "nightly" or now - waited_since < LATEST:
            return None, f"{why}, but waits for an hour of lower grid intensity"
    return cause, why


def _night(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the last time that the night's minute came, None where there is none."""
    if schedule.nightly_minute is None:
        return None
    at = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(minutes=schedule.nightly_minute)
    return at if at <= now else at - timedelta(days=1)


def decided(session: Session, kind: Kind, decision: str) -> None:
    session.execute(
        text("update schedule set considered_at = now(), decision = :decision where kind = :kind"),
        {"kind": kind, "decision": decision},
    )


def standing(session: Session, kind: Kind) -> Standing:
    """Return how a kind stands, by the newest snapshot there is."""
    row = session.execute(
        text(
            """
            with champion as (
                select coalesce(child.rows, s.rows) as rows, coalesce(child.snapshot_id, s.snapshot_id) as id
                from model m
                left join snapshot s using (snapshot_id)
                left join snapshot child on child.parent_id = m.snapshot_id
                where m.kind = :kind and m.state = 'champion'
                limit 1
            ), newest as (
                select snapshot_id, rows from snapshot order by created_at desc, snapshot_id limit 1
            )
            select exists (select from champion),
                   (select max(coalesce(started_at, created_at)) from run
                    where kind = :kind and parent_run_id is null),
                   case when (select id from champion) is not distinct from (select snapshot_id from newest) then 0
                        else greatest(
                            (select rows from newest) - coalesce((select rows from champion), 0), 1
                        )::double precision / greatest(coalesce((select rows from champion), 0), 1) end,
                   exists (select from drift join newest using (snapshot_id) where psi > limit_)
            """
        ),
        {"kind": kind},
    ).one()
    return Standing(row[0], row[1], float(row[2] or 0), row[3])
