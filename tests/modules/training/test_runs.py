"""A run is a row: what starts, stops, is rescued, and what a worker that was given up can no longer do."""

import threading
import time
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.contracts.training import IllegalMove, NothingToTrain, Run, RunNotFound, SnapshotNotFound
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import InvalidRequest
from app.modules.training import runs
from app.modules.training.heart import Heart, Stopped, lock
from tests.support.line import Line
from tests.support.waiting import eventually


@pytest.fixture
def queued(line: Line) -> Run:
    """A run that no worker has taken yet."""
    for run in line.services.training.list_runs():
        if run.state in {"queued", "running", "cancelling"}:
            stop(line, run.run_id)
    line.two_tastes(3)
    return line.services.training.start_run("recordings")


def stop(line: Line, run_id: UUID) -> None:
    line.services.training.cancel_run(run_id)
    line.training.run(run_id)


def take(line: Line, run: Run) -> Run:
    with line.database("training").begin() as session:
        taken = runs.take(session, run.run_id)
    assert taken is not None
    return taken


def fall_silent(line: Line, run: Run) -> None:
    with line.database("training").begin() as session:
        session.execute(
            text("update run set heartbeat_at = now() - interval '1 minute' where run_id = :id"), {"id": run.run_id}
        )


def state(line: Line, run: Run) -> str:
    return line.services.training.get_run(run.run_id).state


def reaped(line: Line, run: Run) -> str:
    line.training.reap()
    return state(line, run)


def test_a_second_start_returns_the_run_under_way(line: Line, queued: Run) -> None:
    assert line.services.training.start_run("recordings").run_id == queued.run_id
    stop(line, queued.run_id)


def test_a_queued_run_is_cancelled_at_once(line: Line, queued: Run) -> None:
    assert line.services.training.cancel_run(queued.run_id).state == "cancelled"
    line.training.run(queued.run_id)
    assert state(line, queued) == "cancelled"


def test_cancelling_again_changes_nothing(line: Line, queued: Run) -> None:
    first = line.services.training.cancel_run(queued.run_id)
    assert line.services.training.cancel_run(queued.run_id) == first


def test_a_run_that_is_done_cannot_be_cancelled_or_run_again(line: Line, queued: Run) -> None:
    line.training.run(queued.run_id)
    done = line.services.training.get_run(queued.run_id)
    assert (done.state, done.progress, done.attempt) == ("done", 1.0, 1)
    with pytest.raises(IllegalMove):
        line.services.training.cancel_run(queued.run_id)
    line.training.run(queued.run_id)
    assert line.services.training.get_run(queued.run_id) == done


def test_an_unknown_run_is_not_found(line: Line) -> None:
    with pytest.raises(RunNotFound):
        line.services.training.get_run(uuid4())
    with pytest.raises(RunNotFound):
        line.services.training.cancel_run(uuid4())
    line.training.run(uuid4())


@pytest.mark.parametrize(
    "parameters", [{"neighbours": 0}, {"neighbours": 1.5}, {"ridge": "big"}, {"seed": True}, {"pickle": 1}]
)
def test_parameters_are_checked_at_the_start(line: Line, parameters: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="parameter"):
        line.services.training.start_run("artists", None, parameters)


def test_a_run_on_an_unknown_snapshot_is_refused(line: Line) -> None:
    for unknown in ("0" * 64, "../../etc", "%"):
        with pytest.raises(SnapshotNotFound):
            line.services.training.start_run("artists", unknown)


def test_a_run_whose_worker_is_gone_is_queued_again_and_finishes(line: Line, queued: Run) -> None:
    fall_silent(line, take(line, queued))
    line.training.reap()
    assert state(line, queued) == "queued"
    line.training.run(queued.run_id)
    done = line.services.training.get_run(queued.run_id)
    assert (done.state, done.attempt) == ("done", 2)


def test_the_third_lost_worker_fails_the_run(line: Line, queued: Run) -> None:
    for _ in range(3):
        fall_silent(line, take(line, queued))
        line.training.reap()
    failed = line.services.training.get_run(queued.run_id)
    assert failed.state == "failed"
    assert "lost 3 times" in str(failed.error)


def test_a_silent_worker_that_holds_its_lock_is_left_alone(line: Line, queued: Run) -> None:
    with line.database("training").dedicated() as connection:
        assert lock(connection, queued.run_id)
        fall_silent(line, take(line, queued))
        line.training.reap()
        assert state(line, queued) == "running"
        line.training.run(queued.run_id)  # a second message for it meets the lock
        assert line.services.training.get_run(queued.run_id).attempt == 1
    eventually(lambda: reaped(line, queued) == "queued")  # the server frees the lock when it sees the connection end
    stop(line, queued.run_id)


def test_a_cancelled_run_whose_worker_is_gone_ends_as_cancelled(line: Line, queued: Run) -> None:
    taken = take(line, queued)
    assert line.services.training.cancel_run(queued.run_id).state == "cancelling"
    fall_silent(line, taken)
    line.training.reap()
    assert state(line, queued) == "cancelled"


def test_an_attempt_that_was_given_up_can_write_nothing(line: Line, queued: Run) -> None:
    first = take(line, queued)
    fall_silent(line, first)
    line.training.reap()
    second = take(line, queued)
    with line.database("training").begin() as session:
        assert not runs.finish(session, first, uuid4())
        assert not runs.fail(session, first, "late")
        runs.give_back(session, first)
    assert line.services.training.get_run(queued.run_id).attempt == second.attempt == 2
    assert state(line, queued) == "running"
    fall_silent(line, second)
    eventually(lambda: reaped(line, queued) == "queued")
    stop(line, queued.run_id)


def test_cancelling_stops_a_running_attempt_within_two_seconds(line: Line, queued: Run) -> None:
    with line.database("training").dedicated() as connection:
        assert lock(connection, queued.run_id)
        heart = Heart(connection, take(line, queued))
        heart.start()
        heart.report(0.4, "fitting")
        eventually(lambda: line.services.training.get_run(queued.run_id).step == "fitting", within_s=2)
        started = time.monotonic()
        line.services.training.cancel_run(queued.run_id)
        eventually(lambda: state(line, queued) == "cancelled", within_s=2)
        eventually(lambda: heart.has_stopped, within_s=2)
        assert time.monotonic() - started < 2
        with pytest.raises(Stopped):
            heart.report(0.5, "fitting")
        heart.end()


def test_a_lost_lock_ends_the_attempt(line: Line, queued: Run) -> None:
    with line.database("training").dedicated() as connection:
        assert lock(connection, queued.run_id)
        heart = Heart(connection, take(line, queued))
        heart.start()
        pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
        with line.database("training").begin() as session:
            session.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        eventually(lambda: heart.has_stopped, within_s=3)
        with pytest.raises(Stopped):
            heart.report(0.5, "fitting")
        heart.end()
    fall_silent(line, queued)
    eventually(lambda: reaped(line, queued) == "queued")
    stop(line, queued.run_id)


def test_two_workers_at_one_run_make_one_model(line: Line, queued: Run) -> None:
    def work() -> None:
        with acting_as(SYSTEM):
            line.training.run(queued.run_id)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done = line.services.training.get_run(queued.run_id)
    assert (done.state, done.attempt) == ("done", 1)


def test_a_run_without_anything_to_train_on_says_so(empty_line: Line) -> None:
    with pytest.raises(NothingToTrain, match="nobody has listened"):
        empty_line.services.training.start_run("recordings")


def test_recordings_are_not_trained_on_totals_of_artists(empty_line: Line) -> None:
    empty_line.count_artists()
    failed = empty_line.train("recordings")
    assert failed.state == "failed"
    assert str(failed.error).startswith("training.nothing_to_train: ")
    assert "artists only" in str(failed.error)
    # now there is a snapshot that says so at once
    with pytest.raises(NothingToTrain, match="artists only"):
        empty_line.services.training.start_run("recordings")
    assert empty_line.train("artists").state == "done"
