"""Hyper-parameter search: each set of parameters is a child run.

It is judged on listening before that which the run itself is judged on. A killed search goes on where it was: children
that are done are told to a new study.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import text

from app.contracts.training import NotInstalled, Run
from app.kernel.db import Database
from app.modules.training import evidence, runs
from app.modules.training.heart import Stopped
from app.modules.training.snapshots import Progress

MOST = 200
# What is tried; the model chooses the rest itself.
SPACE: dict[str, tuple[int, int]] = {"neighbours": (50, 600), "iterations": (3, 14), "factors": (32, 256)}


def check_installed() -> None:
    """Raise NotInstalled where Optuna is missing."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise NotInstalled("a search needs Optuna: install it with `pip install 'segue[search]'`") from None


def search(
    database: Database,
    run: Run,
    snapshot_id: str,
    count: int,
    value_of: Callable[[dict[str, Any]], float],
    tell: Progress,
) -> dict[str, Any]:
    """Return the best of `count` sets of parameters by `value_of`; greater is better. Raises Stopped."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    fixed = {name: value for name, value in run.parameters.items() if name != "search"}
    # the same seed and the same trials in the same order give the same next trial
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=int(fixed.get("seed", 0)))
    )
    space: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.IntDistribution(*SPACE[name]) for name in SPACE if name not in fixed
    }
    for child in _children(database, run):
        if child.state == "done":
            tried = {name: child.parameters[name] for name in space}
            study.add_trial(
                optuna.trial.create_trial(params=tried, distributions=space, value=float(child.record["value"]))
            )
    try:
        while (done := len(study.trials)) < count:
            tell(done / count, f"search: {done} of {count}")
            trial = study.ask(space)
            child_id = _begin(database, run, snapshot_id, {**fixed, **trial.params})
            value = value_of({**fixed, **trial.params})
            _end(database, child_id, value)
            study.tell(trial, value)
    except Stopped:
        _cancel(database, run)
        raise
    with database.begin() as session:
        evidence.tell(
            session, run.run_id, f"search: the best of {count} has {study.best_value:.4f}: {study.best_params}"
        )
    return {**fixed, **study.best_params}


def _children(database: Database, run: Run) -> list[Run]:
    with database.begin() as session:
        # those of a killed attempt are tried anew
        session.execute(
            text("delete from run where parent_run_id = :id and state in ('queued', 'running')"), {"id": run.run_id}
        )
        return runs.children(session, run.run_id)


def _begin(database: Database, run: Run, snapshot_id: str, parameters: dict[str, Any]) -> UUID:
    child_id = uuid4()
    with database.begin() as session:
        session.execute(
            text(
                """
                insert into run (run_id, kind, state, snapshot_id, parameters, cause, parent_run_id, step)
                values (:id, :kind, 'queued', :snapshot, cast(:parameters as jsonb), 'search', :parent, 'scoring')
                """
            ),
            {
                "id": child_id,
                "kind": run.kind,
                "snapshot": snapshot_id,
                "parameters": msgspec.json.encode(parameters).decode(),
                "parent": run.run_id,
            },
        )
        session.execute(
            text("update run set state = 'running', started_at = now(), attempt = 1 where run_id = :id"),
            {"id": child_id},
        )
    return child_id


def _end(database: Database, child_id: UUID, value: float) -> None:
    with database.begin() as session:
        session.execute(
            text(
                """
                update run
                set state = 'done', ended_at = now(), progress = 1, step = 'done',
                    record = jsonb_build_object('value', cast(:value as double precision))
                where run_id = :id
                """
            ),
            {"id": child_id, "value": value},
        )


def _cancel(database: Database, run: Run) -> None:
    with database.begin() as session:
        session.execute(
            text(
                """
                update run set state = 'cancelled', ended_at = now()
                where parent_run_id = :id and state in ('queued', 'running')
                """
            ),
            {"id": run.run_id},
        )
