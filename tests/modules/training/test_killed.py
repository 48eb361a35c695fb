"""Killed (kill -9) at every move between states: what it left is what was before, and the next one goes on.

Each move is stopped in the middle of its transaction by a lock that a trigger asks for and the test holds; then whoever
makes it is killed.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, text

from app.bench.system import Servers
from app.contracts.training import Model, Run
from tests.modules.training.test_states import MODEL_MOVES
from tests.support.line import Line
from tests.support.planted_models import plant
from tests.support.victim import Victim, running_victim
from tests.support.waiting import eventually

TRIGGERS = """
    create or replace function training.pause() returns trigger language plpgsql as $$
    begin
        perform pg_advisory_xact_lock_shared(hashtext(tg_table_name || ' ' || old.state || ' ' || new.state));
        return new;
    end $$;
    create or replace trigger pause after update of state on training.run for each row
        when (old.state <> new.state) execute function training.pause();
    create or replace trigger pause after update of state on training.model for each row
        when (old.state <> new.state) execute function training.pause();
"""


class Scene:
    """An instance where moves can be stopped in the middle, and who makes them be killed."""

    def __init__(self, line: Line, victim: Victim, admin: Connection) -> None:
        self.line = line
        self.victim = victim
        self.admin = admin

    def killed_at(self, subject: str, old: str, new: str, begin: Callable[[], int]) -> None:
        """Let `begin` start a process (its pid), and kill it in the middle of a move; nothing of the move is left."""
        key = {"key": f"{subject} {old} {new}"}
        self.admin.execute(text("select pg_advisory_lock(hashtext(:key))"), key)
        try:
            pid = begin()
            waiting = eventually(self._waiting, within_s=60)
            between = self.states()
            os.kill(pid, signal.SIGKILL)
            # the server sees that its client is gone only when it answers
            self.admin.execute(text("select pg_terminate_backend(:pid)"), {"pid": waiting})
            eventually(lambda: self._waiting() is None)
        finally:
            self.admin.execute(text("select pg_advisory_unlock(hashtext(:key))"), key)
        assert self.states() == between

    def _waiting(self) -> int | None:
        found = self.admin.execute(
            text(
                """
                select pid from pg_locks join pg_database d on d.oid = database
                where locktype = 'advisory' and not granted and datname = current_database()
                """
            )
        ).scalar_one_or_none()
        return int(found) if found is not None else None

    def states(self) -> list[tuple[Any, ...]]:
        """Return all that a move changes, as others see it."""
        rows = self.admin.execute(
            text(
                """
                select 'run', run_id::text, state::text from training.run
                union all select 'model', model_id::text, state from training.model
                union all select 'experiment', experiment_id::text, state from training.experiment
                union all select 'told', count(*)::text, '' from training.event
                order by 1, 2
                """
            )
        )
        return [tuple(row) for row in rows]

    def rescued(self) -> None:
        """Let the time pass after which a silent worker counts as gone, and reap."""
        self.admin.execute(text("update training.run set heartbeat_at = now() - interval '1 minute'"))
        self.line.training.reap()


@pytest.fixture(scope="module")
def scene(servers: Servers, tmp_path_factory: pytest.TempPathFactory, line: Line) -> Iterator[Scene]:
    engine = create_engine(line.environment["DATABASE_URL"], isolation_level="AUTOCOMMIT")
    with engine.connect() as admin, running_victim(line.environment) as victim:
        admin.execute(text(TRIGGERS))
        yield Scene(line, victim, admin)
        admin.execute(text("drop function training.pause cascade"))
    engine.dispose()


@pytest.fixture
def queued(scene: Scene) -> Run:
    line = scene.line
    for run in line.services.training.list_runs():
        if run.ended_at is None:
            line.services.training.cancel_run(run.run_id)
            line.training.run(run.run_id)
    line.two_tastes(3)
    line.settle()
    return line.services.training.start_run("recordings")


def run_of(scene: Scene, run: Run) -> Run:
    return scene.line.services.training.get_run(run.run_id)


def models_of(scene: Scene, run: Run) -> list[Model]:
    return [model for model in scene.line.services.training.list_models() if model.run_id == run.run_id]


def finished(scene: Scene, run: Run) -> Run:
    scene.line.training.run(run.run_id)
    return run_of(scene, run)


def test_killed_while_taking_a_run_up_it_is_still_queued(scene: Scene, queued: Run) -> None:
    scene.killed_at("run", "queued", "running", lambda: scene.victim.call("run", queued.run_id))
    assert (run_of(scene, queued).state, run_of(scene, queued).attempt) == ("queued", 0)
    eventually(lambda: finished(scene, queued).state == "done")
    assert (run_of(scene, queued).attempt, len(models_of(scene, queued))) == (1, 1)


@pytest.mark.parametrize(
    ("subject", "old", "new"),
    [("model", "registered", "candidate"), ("model", "candidate", "champion"), ("run", "running", "done")],
)
def test_killed_while_registering_no_model_is_there_and_the_next_attempt_makes_one(
    scene: Scene, queued: Run, subject: str, old: str, new: str
) -> None:
    # none serves yet: a run makes its own model the champion, and the gate compares it with nothing
    scene.admin.execute(text("update training.model set state = 'quarantined' where state <> 'quarantined'"))
    scene.killed_at(subject, old, new, lambda: scene.victim.call("run", queued.run_id))
    assert run_of(scene, queued).state == "running"
    assert models_of(scene, queued) == []
    eventually(lambda: scene.rescued() or run_of(scene, queued).state == "queued")
    done = finished(scene, queued)
    assert (done.state, done.attempt, len(models_of(scene, queued))) == ("done", 2, 1)


def test_killed_while_rejecting_the_next_attempt_rejects(scene: Scene, queued: Run, tmp_path: Any) -> None:
    strict = tmp_path / "gate.toml"
    strict.write_text("[size]\nmost_mb = 0.0\n")
    begin = lambda: scene.victim.call("run", queued.run_id, SEGUE_GATE_FILE=str(strict))  # noqa: E731
    scene.killed_at("model", "registered", "rejected", begin)
    assert models_of(scene, queued) == []
    eventually(lambda: scene.rescued() or run_of(scene, queued).state == "queued")
    begin()
    eventually(lambda: run_of(scene, queued).state == "done", within_s=20)
    assert [model.state for model in models_of(scene, queued)] == ["rejected"]


def test_killed_while_failing_the_next_attempt_fails_with_the_same_reason(scene: Scene, queued: Run) -> None:
    scene.admin.execute(
        text("""update training.run set parameters = '{"seed": "none"}' where run_id = :id"""), {"id": queued.run_id}
    )
    scene.killed_at("run", "running", "failed", lambda: scene.victim.call("run", queued.run_id))
    eventually(lambda: scene.rescued() or run_of(scene, queued).state == "queued")
    failed = finished(scene, queued)
    assert (failed.state, failed.attempt) == ("failed", 2)
    assert "internal" in str(failed.error)


def test_killed_while_stopping_a_cancelled_run_it_ends_as_cancelled(scene: Scene, queued: Run) -> None:
    def begin() -> int:
        pid = scene.victim.call("run", queued.run_id)
        eventually(lambda: run_of(scene, queued).state == "running", within_s=20, every_s=0.01)
        scene.line.services.training.cancel_run(queued.run_id)
        return pid

    scene.killed_at("run", "cancelling", "cancelled", begin)
    assert run_of(scene, queued).state == "cancelling"
    eventually(lambda: scene.rescued() or run_of(scene, queued).state == "cancelled")
    assert models_of(scene, queued) == []


def test_killed_while_cancelling_it_can_be_asked_again(scene: Scene, queued: Run) -> None:
    scene.killed_at("run", "queued", "cancelled", lambda: scene.victim.call("cancel_run", queued.run_id))
    assert run_of(scene, queued).state == "queued"
    scene.admin.execute(text("update training.run set state = 'running' where run_id = :id"), {"id": queued.run_id})
    scene.killed_at("run", "running", "cancelling", lambda: scene.victim.call("cancel_run", queued.run_id))
    assert scene.line.services.training.cancel_run(queued.run_id).state == "cancelling"
    scene.rescued()
    assert run_of(scene, queued).state == "cancelled"


def test_killed_while_rescuing_a_run_the_next_one_rescues_it(scene: Scene, queued: Run) -> None:
    scene.admin.execute(
        text(
            "update training.run set state = 'running', attempt = 1, heartbeat_at = now() - interval '1 minute' "
            "where run_id = :id"
        ),
        {"id": queued.run_id},
    )
    scene.killed_at("run", "running", "queued", lambda: scene.victim.call("reap"))
    assert run_of(scene, queued).state == "running"
    scene.rescued()
    assert finished(scene, queued).state == "done"


def test_a_model_killed_at_any_move_is_where_it_was_and_moves_when_asked_again(scene: Scene) -> None:
    training = scene.line.services.training
    scene.line.two_tastes(3)
    if not training.champions():
        scene.line.train("recordings")
    first = next(model for model in training.champions() if model.kind == "recordings")
    second, third = (plant(scene.line.services, scene.line.settings, first, "none") for _ in range(2))
    moves: set[tuple[str, str]] = set()

    def at(model: Model, old: str, new: str, method: str, *arguments: object) -> None:
        assert training.get_model(model.model_id).state == old
        scene.killed_at("model", old, new, lambda: scene.victim.call(method, *arguments))
        assert training.get_model(model.model_id).state == old
        getattr(training, method)(*arguments)
        assert training.get_model(model.model_id).state == new
        moves.add((old, new))

    def stopped() -> UUID:
        return next(each.experiment_id for each in training.list_experiments() if each.state == "running")

    at(second, "candidate", "shadow", "start_experiment", second.model_id, "shadow")
    at(second, "shadow", "candidate", "stop_experiment", stopped())
    training.start_experiment(second.model_id, "shadow")
    at(second, "shadow", "champion", "promote", second.model_id, "killed")
    at(second, "champion", "retired", "promote", third.model_id, "killed")
    at(third, "champion", "rolled_back", "roll_back", "recordings", "killed")
    at(first, "retired", "champion", "roll_back", "recordings", "killed")
    at(third, "rolled_back", "champion", "promote", third.model_id, "killed")
    at(first, "retired", "canary", "start_experiment", first.model_id, "canary")
    at(first, "canary", "candidate", "stop_experiment", stopped())
    at(first, "candidate", "canary", "start_experiment", first.model_id, "canary")
    at(first, "canary", "champion", "promote", first.model_id, "killed")
    at(second, "rolled_back", "archived", "archive_model", second.model_id, "killed")
    folder = scene.line.settings.data_dir / "models" / first.sha256
    (folder / "manifest.json").write_text("{}")
    at(first, "champion", "quarantined", "report_damage", first.sha256, "tests", "damaged")
    assert next(each.sha256 for each in training.champions()) == third.sha256
    assert moves <= MODEL_MOVES
    assert len(moves) == 13
