"""What speaks for and against a model, as rows: moves, logs, checks, drift, figures, decisions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.training import (
    DataCheck,
    Drift,
    Evaluation,
    Figure,
    GateDecision,
    GateResult,
    RunLogLine,
    Transition,
)
from app.kernel import context


def explain(session: Session, reason: str) -> None:
    """Say who moves a run or model in this transaction, and why; the trigger that logs moves reads it."""
    session.execute(
        text("select set_config('segue.actor', :actor, true), set_config('segue.reason', :reason, true)"),
        {"actor": context.actor().name or context.actor().kind, "reason": reason},
    )


def transitions(session: Session, subject_id: UUID) -> list[Transition]:
    rows = session.execute(
        text(
            """
            select subject, subject_id, from_state, to_state, at, actor, reason
            from transition where subject_id = :id order by position
            """
        ),
        {"id": subject_id},
    )
    return [Transition(*row) for row in rows]


def tell(session: Session, run_id: UUID, message: str) -> None:
    """Add a line to a run's log."""
    session.execute(
        text("insert into run_log (run_id, message) values (:id, :message)"), {"id": run_id, "message": message}
    )


def run_log(session: Session, run_id: UUID, after: int) -> list[RunLogLine]:
    rows = session.execute(
        text("select position, at, message from run_log where run_id = :id and position > :after order by position"),
        {"id": run_id, "after": after},
    )
    return [RunLogLine(*row) for row in rows]


def store_checks(session: Session, snapshot_id: str, checks: Sequence[DataCheck]) -> None:
    for check in checks:
        session.execute(
            text(
                """
                insert into data_check (snapshot_id, name, level, value, limit_, message)
                values (:id, :name, :level, :value, :limit, :message)
                on conflict (snapshot_id, name) do update
                set level = excluded.level, value = excluded.value, limit_ = excluded.limit_,
                    message = excluded.message
                """
            ),
            {"id": snapshot_id, **msgspec.structs.asdict(check)},
        )


def data_checks(session: Session, snapshot_id: str) -> list[DataCheck]:
    rows = session.execute(
        text("select name, level, value, limit_, message from data_check where snapshot_id = :id order by name"),
        {"id": snapshot_id},
    )
    return [DataCheck(*row) for row in rows]


def store_drift(session: Session, found: Sequence[Drift]) -> None:
    for each in found:
        session.execute(
            text(
                """
                insert into drift (snapshot_id, against_id, feature, psi, limit_, n)
                values (:snapshot_id, :against_id, :feature, :psi, :limit, :n)
                on conflict do nothing
                """
            ),
            msgspec.structs.asdict(each),
        )


def drift(session: Session, limit: int) -> list[Drift]:
    rows = session.execute(
        text(
            """
            select snapshot_id, against_id, feature, psi, limit_, n, at
            from drift order by at desc, snapshot_id, feature limit :limit
            """
        ),
        {"limit": limit},
    )
    return [Drift(*row) for row in rows]


def store_figures(session: Session, run_id: UUID, figures: Sequence[Figure]) -> None:
    """Keep the figures of a run; those of an attempt before are replaced."""
    session.execute(text("delete from evaluation where run_id = :id"), {"id": run_id})
    if figures:
        session.execute(
            text(
                """
                insert into evaluation (run_id, subject, cohort, metric, value, low, high, listeners)
                select :id, * from jsonb_to_recordset(cast(:figures as jsonb)) as f (
                    subject text, cohort text, metric text, value double precision, low double precision,
                    high double precision, listeners integer)
                """
            ),
            {"id": run_id, "figures": msgspec.json.encode(list(figures)).decode()},
        )


def evaluations(session: Session, run_ids: Sequence[UUID]) -> list[Evaluation]:
    rows = session.execute(
        text(
            """
            select run_id, subject, cohort, metric, value, low, high, listeners
            from evaluation where run_id = any(:ids) order by subject, cohort, metric
            """
        ),
        {"ids": list(run_ids)},
    )
    found: dict[UUID, list[Figure]] = {run_id: [] for run_id in run_ids}
    for run_id, *values in rows:
        found[run_id].append(Figure(*values))
    return [Evaluation(run_id, figures) for run_id, figures in found.items()]


def store_decision(session: Session, model_id: UUID, run_id: UUID, results: Sequence[GateResult]) -> None:
    session.execute(
        text(
            """
            insert into gate_decision (model_id, run_id, is_passed, results)
            values (:model, :run, :is_passed, cast(:results as jsonb))
            on conflict (model_id, run_id) do update set is_passed = excluded.is_passed, results = excluded.results
            """
        ),
        {
            "model": model_id,
            "run": run_id,
            "is_passed": all(result.is_passed for result in results),
            "results": msgspec.json.encode(list(results)).decode(),
        },
    )


def gate_decision(session: Session, model_id: UUID) -> GateDecision | None:
    row: Any = session.execute(
        text(
            """
            select model_id, run_id, is_passed, results, at
            from gate_decision where model_id = :id order by at desc limit 1
            """
        ),
        {"id": model_id},
    ).one_or_none()
    if row is None:
        return None
    return GateDecision(row[0], row[1], row[2], msgspec.convert(row[3], list[GateResult]), row[4])
