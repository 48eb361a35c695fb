"""Runs as rows: the truth of a job. Everything else (tasks, workers, rings) only advances them.

Times are the server's own, because several processes compare them.
"""

from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind
from app.contracts.training import IllegalMove, Run, RunNotFound

MAX_ATTEMPTS = 3
SILENT_S = 10  # a worker tells of itself every half second
UNHEARD_S = 5  # a queued run that nobody took up after this long is rung for again

COLUMNS = """run_id, kind, state, progress, step, attempt, snapshot_id, model_id, parameters,
             created_at, started_at, ended_at, error, cause, parent_run_id, reproduces, record, resources"""


def insert(
    session: Session,
    kind: Kind,
    snapshot_id: str | None,
    parameters: dict[str, Any],
    *,
    cause: str = "asked",
    reproduces: UUID | None = None,
) -> tuple[Run, bool]:
    """Queue a run, or return the one of its kind that is under way; the second value tells whether it is new."""
    while True:
        row = session.execute(
            text(
                f"""
                insert into run (run_id, kind, state, snapshot_id, parameters, cause, reproduces)
                values (:id, :kind, 'queued', :snapshot, cast(:parameters as jsonb), :cause, :reproduces)
                on conflict (kind) where state in ('queued', 'running', 'cancelling') and parent_run_id is null
                do nothing
                returning {COLUMNS}
                """  # noqa: S608
            ),
            {
                "id": uuid4(),
                "kind": kind,
                "snapshot": snapshot_id,
                "parameters": msgspec.json.encode(parameters).decode(),
                "cause": cause,
                "reproduces": reproduces,
            },
        ).one_or_none()
        if row is not None:
            return to_run(row), True
        row = session.execute(
            text(f"select {COLUMNS} from run where kind = :kind and ended_at is null and parent_run_id is null"),  # noqa: S608
            {"kind": kind},
        ).one_or_none()
        if row is not None:
            return to_run(row), False


def get(session: Session, run_id: UUID, *, is_locked: bool = False) -> Run:
    """Return a run. Raises RunNotFound."""
    statement = f"select {COLUMNS} from run where run_id = :id{' for update' if is_locked else ''}"  # noqa: S608
    row = session.execute(text(statement), {"id": run_id}).one_or_none()
    if row is None:
        raise RunNotFound
    return to_run(row)


def newest(session: Session, limit: int) -> list[Run]:
    rows = session.execute(
        text(f"select {COLUMNS} from run where parent_run_id is null order by created_at desc, run_id limit :limit"),  # noqa: S608
        {"limit": limit},
    )
    return [to_run(row) for row in rows]


def children(session: Session, run_id: UUID) -> list[Run]:
    """Return the runs of a search, oldest first."""
    rows = session.execute(
        text(f"select {COLUMNS} from run where parent_run_id = :id order by created_at, run_id"),  # noqa: S608
        {"id": run_id},
    )
    return [to_run(row) for row in rows]


def cancel(session: Session, run_id: UUID) -> Run:
    """Cancel a queued run at once; ask a running one to stop. Raises RunNotFound, IllegalMove.

    A run that is cancelled already stays so: the request may be a repeated one.
    """
    run = get(session, run_id, is_locked=True)
    if run.state == "queued":
        session.execute(text("update run set state = 'cancelled', ended_at = now() where run_id = :id"), {"id": run_id})
    elif run.state == "running":
        session.execute(text("update run set state = 'cancelling' where run_id = :id"), {"id": run_id})
    elif run.state not in {"cancelling", "cancelled"}:
        raise IllegalMove(f"this run is {run.state} and can't be cancelled")
    return get(session, run_id)


def take(session: Session, run_id: UUID) -> Run | None:
    """Begin the next attempt at a run whose lock the caller holds; None when there is nothing to do.

    A run that says it is running, with its lock free, lost its worker.
    """
    _give_up(session, "where run_id = :id", {"id": run_id})
    row = session.execute(
        text(
            f"""
            update run
            set state = 'running', attempt = attempt + 1, started_at = coalesce(started_at, now()),
                heartbeat_at = now(), progress = 0, step = 'starting'
            where run_id = :id and state = 'queued'
            returning {COLUMNS}
            """  # noqa: S608
        ),
        {"id": run_id},
    ).one_or_none()
    return to_run(row) if row is not None else None


def give_back(session: Session, run: Run) -> None:
    """Queue an attempt that met something away for another; the last one fails."""
    _give_up(session, "where run_id = :id and attempt = :attempt", {"id": run.run_id, "attempt": run.attempt})


def _give_up(session: Session, where: str, values: dict[str, Any]) -> list[UUID]:
    rows = session.execute(
        text(
            f"""
            update run
            set state    = case when state = 'cancelling' then 'cancelled'
                                when attempt >= :most then 'failed'
                                else 'queued' end,
                ended_at = case when state = 'cancelling' or attempt >= :most then now() end,
                error    = case when state = 'running' and attempt >= :most
                                then 'the worker was lost ' || attempt || ' times' end,
                rung_at  = null
            {where} and state in ('running', 'cancelling')
            returning run_id
            """  # noqa: S608
        ),
        {"most": MAX_ATTEMPTS, **values},
    )
    return list(rows.scalars())


def reap(session: Session) -> tuple[list[UUID], list[UUID]]:
    """Give up attempts whose worker is gone; return those and the queued runs to ring for.

    Gone is: silent for a while, and its lock is free, which the server does the moment a connection ends.
    """
    gone = session.execute(
        text(
            """
            with silent as materialized (
                select run_id
                from run
                where state in ('running', 'cancelling')
                  and heartbeat_at < now() - make_interval(secs => :silent)
                for update skip locked
            )
            select run_id from silent where pg_try_advisory_xact_lock(hashtextextended(run_id::text, 0))
            """
        ),
        {"silent": SILENT_S},
    ).scalars()
    given_up = _give_up(session, "where run_id = any(:ids)", {"ids": list(gone)})
    waiting = session.execute(
        text(
            """
            update run set rung_at = now()
            where state = 'queued' and parent_run_id is null
              and coalesce(rung_at, created_at) < now() - make_interval(secs => :unheard)
            returning run_id
            """
        ),
        {"unheard": UNHEARD_S},
    ).scalars()
    return given_up, list(waiting)


def finish(session: Session, run: Run, model_id: UUID) -> bool:
    """Note the model; False, with nothing changed, when the attempt was cancelled or given up meanwhile."""
    return _end(session, run, "done", "running", model_id=model_id, progress=1.0, step="done")


def fail(session: Session, run: Run, error: str) -> bool:
    return _end(session, run, "failed", "running", error=error[:2000])


def stop(session: Session, run: Run) -> bool:
    """End a cancelled attempt."""
    return _end(session, run, "cancelled", "cancelling")


def _end(session: Session, run: Run, state: str, from_state: str, **values: Any) -> bool:
    assignments = "".join(f", {name} = :{name}" for name in values)
    done = session.execute(
        text(
            f"""
            update run set state = :state, ended_at = now(){assignments}
            where run_id = :id and attempt = :attempt and state = :from_state
            """  # noqa: S608
        ),
        {"state": state, "from_state": from_state, "id": run.run_id, "attempt": run.attempt, **values},
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def note_snapshot(session: Session, run: Run, snapshot_id: str) -> None:
    session.execute(
        text("update run set snapshot_id = :snapshot where run_id = :id and attempt = :attempt"),
        {"snapshot": snapshot_id, "id": run.run_id, "attempt": run.attempt},
    )


def same(session: Session, run: Run, snapshot_id: str, code: str) -> Run | None:
    """Return a run that was done with the same data, parameters and code, so that another would make the same."""
    row = session.execute(
        text(
            f"""
            select {COLUMNS}
            from run
            where kind = :kind and state = 'done' and snapshot_id = :snapshot and record->>'code' = :code
              and parameters = cast(:parameters as jsonb) and parent_run_id is null and model_id is not null
            order by created_at desc
            limit 1
            """  # noqa: S608
        ),
        {
            "kind": run.kind,
            "snapshot": snapshot_id,
            "code": code,
            "parameters": msgspec.json.encode(run.parameters).decode(),
        },
    ).one_or_none()
    return to_run(row) if row is not None else None


def note_parameters(session: Session, run: Run, parameters: dict[str, Any]) -> Run:
    """Note what a search found; the run goes on with it, also after a kill."""
    _note(session, run, "parameters", parameters)
    return get(session, run.run_id)


def note_record(session: Session, run: Run, record: dict[str, Any]) -> None:
    """Note what it takes to repeat a run."""
    _note(session, run, "record", record)


def note_resources(session: Session, run: Run, resources: dict[str, Any]) -> None:
    """Note what a run took; attempts before count too."""
    before = run.resources
    summed = {
        name: value + before[name]
        if name in {"wall_s", "cpu_s", "kwh", "gco2", "cost"} and isinstance(before.get(name), int | float)
        else value
        for name, value in resources.items()
    }
    _note(session, run, "resources", summed)


def _note(session: Session, run: Run, column: str, value: dict[str, Any]) -> None:
    session.execute(
        text(f"update run set {column} = cast(:value as jsonb) where run_id = :id and attempt = :attempt"),  # noqa: S608
        {"value": msgspec.json.encode(value).decode(), "id": run.run_id, "attempt": run.attempt},
    )


def to_run(row: Row[Any]) -> Run:
    return Run(*tuple(row))
