"""The server refuses every move between states that is not allowed, whoever asks."""

from collections.abc import Callable
from itertools import product
from typing import get_args
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from app.contracts.training import FINAL_STATES, ModelState, RunState
from tests.support.line import Line

RUN_MOVES = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "done"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "cancelling"),
    ("running", "queued"),
    ("cancelling", "cancelled"),
}
# One way from the first state to each other one.
RUN_PATHS: dict[str, list[str]] = {
    "queued": [],
    "running": ["running"],
    "cancelling": ["running", "cancelling"],
    "done": ["running", "done"],
    "failed": ["running", "failed"],
    "cancelled": ["cancelled"],
}
MODEL_PATHS: dict[str, list[str]] = {
    "registered": [],
    "rejected": ["rejected"],
    "candidate": ["candidate"],
    "shadow": ["candidate", "shadow"],
    "canary": ["candidate", "canary"],
    "champion": ["candidate", "champion"],
    "retired": ["candidate", "champion", "retired"],
    "rolled_back": ["candidate", "champion", "rolled_back"],
    "archived": ["rejected", "archived"],
    "quarantined": ["quarantined"],
}
MODEL_MOVES = {
    ("registered", "candidate"),
    ("registered", "rejected"),
    ("candidate", "shadow"),
    ("candidate", "canary"),
    ("candidate", "champion"),
    ("shadow", "candidate"),
    ("shadow", "canary"),
    ("shadow", "champion"),
    ("canary", "candidate"),
    ("canary", "champion"),
    ("canary", "rolled_back"),
    ("champion", "retired"),
    ("champion", "rolled_back"),
    ("retired", "champion"),
    ("rolled_back", "champion"),
    *((old, new) for old in ("retired", "rolled_back") for new in ("shadow", "canary")),
    *((state, "archived") for state in ("retired", "rolled_back", "rejected")),
    *((state, "quarantined") for state in MODEL_PATHS if state not in {"quarantined", "archived"}),
}


def move(session: Session, table: str, row: UUID, state: str) -> None:
    session.execute(text(f"update {table} set state = :state where {table}_id = :id"), {"state": state, "id": row})


def new_row(session: Session, table: str) -> UUID:
    row = uuid4()
    values = {
        "run": "insert into run (run_id, kind, state) values (:id, 'artists', 'queued')",
        "model": """
            insert into model (model_id, kind, number, state, sha256, bytes, metrics)
            select :id, 'artists', coalesce(max(number), 0) + 1, 'registered', cast(:id as text), 1, '{}' from model
        """,
    }
    if table == "run":
        session.execute(text("delete from run where kind = 'artists'"))
    else:
        session.execute(text("delete from model where kind = 'artists'"))
    session.execute(text(values[table]), {"id": row})
    return row


class RolledBack(Exception):
    """Ends a transaction without a trace."""


def is_refused(line: Line, table: str, path: list[str], state: str) -> bool:
    try:
        with line.database("training").begin() as session:
            row = new_row(session, table)
            for step in path:
                move(session, table, row, step)
            move(session, table, row, state)
            raise RolledBack
    except IntegrityError as error:
        return "does not move" in str(error)
    except RolledBack:
        return False


def test_a_run_moves_only_as_allowed(line: Line) -> None:
    for old, new in product(get_args(RunState), get_args(RunState)):
        if old != new:
            assert is_refused(line, "run", RUN_PATHS[old], new) == ((old, new) not in RUN_MOVES), f"{old} to {new}"


def test_a_run_that_has_ended_never_moves() -> None:
    assert not {old for old, _ in RUN_MOVES} & FINAL_STATES


def test_a_model_moves_only_as_allowed(line: Line) -> None:
    for old, new in product(get_args(ModelState), get_args(ModelState)):
        if old != new:
            refused = is_refused(line, "model", MODEL_PATHS[old], new)
            assert refused == ((old, new) not in MODEL_MOVES), f"{old} to {new}"


@pytest.mark.parametrize(
    "statement",
    [
        "insert into run (run_id, kind, state) values (gen_random_uuid(), 'artists', 'running')",
        """insert into model (model_id, kind, number, state, sha256, bytes, metrics)
           values (gen_random_uuid(), 'artists', 999, 'champion', 'x', 1, '{}')""",
    ],
)
def test_nothing_begins_in_the_middle(line: Line, statement: str) -> None:
    with pytest.raises(IntegrityError, match="a new"), line.database("training").begin() as session:
        session.execute(text(statement))


@pytest.mark.parametrize(
    "statement", ["delete from allowed_move", "insert into allowed_move values ('run', 'done', 'queued')"]
)
def test_the_process_cannot_change_the_rules(line: Line, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), line.database("training").begin() as session:
        session.execute(text(statement))


def two_runs(session: Session) -> None:
    new_row(session, "run")
    session.execute(text("insert into run (run_id, kind, state) values (:id, 'artists', 'queued')"), {"id": uuid4()})


def two_champions(session: Session) -> None:
    first = new_row(session, "model")
    second = session.execute(
        text(
            """
            insert into model (model_id, kind, number, state, sha256, bytes, metrics)
            select gen_random_uuid(), kind, number + 1, 'registered', 'another', 1, '{}'
            from model where model_id = :id
            returning model_id
            """
        ),
        {"id": first},
    ).scalar_one()
    for row in (first, second):
        move(session, "model", row, "candidate")
        move(session, "model", row, "champion")


@pytest.mark.parametrize(("doubled", "rule"), [(two_runs, "run_under_way"), (two_champions, "model_champion")])
def test_a_kind_has_one_run_under_way_and_one_champion(
    line: Line, doubled: Callable[[Session], None], rule: str
) -> None:
    with pytest.raises(IntegrityError, match=rule), line.database("training").begin() as session:
        doubled(session)
