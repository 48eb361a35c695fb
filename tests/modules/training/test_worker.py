"""Real Celery workers: killed in the middle, the broker away, a run cancelled under way."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Process, Servers, kill, start_worker
from app.contracts.listens import ListenerListens, NewListen
from app.contracts.training import FINAL_STATES, Run
from app.host.valkey import running_valkey
from app.settings import load
from tests.support.line import START, Line, new_line
from tests.support.waiting import eventually

Start = Callable[[], Process]


@pytest.fixture
def broken_line(servers: Servers, folder: Path) -> Iterator[Line]:
    """An instance with enough different recordings that a fit takes some seconds, and its own broker."""
    with new_line(servers, folder / f"w-{uuid4().hex[:6]}") as line:
        for _ in range(40):
            plays = [NewListen(START, f"Artist {uuid4()}", f"Song {n}") for n in range(50)]
            line.services.listens.load([ListenerListens(uuid4(), plays)], "tests")
        line.two_tastes(10)
        yield line


def worker_of(line: Line, broker_url: str) -> Process:
    line.environment["BROKER_URL"] = broker_url
    return start_worker(load(line.environment), line.environment)


def seen(line: Line, run_id: UUID) -> Run:
    return line.services.training.get_run(run_id)


def models_of(line: Line, run_id: UUID) -> int:
    return sum(model.run_id == run_id for model in line.services.training.list_models())


def is_fitting(line: Line, run_id: UUID) -> bool:
    run = seen(line, run_id)
    assert run.state not in FINAL_STATES, f"{run.state} before it could be disturbed: {run.error}"
    return run.state == "running" and run.progress > 0.12


def test_a_run_survives_the_kill_of_its_worker_and_makes_one_model(broken_line: Line, folder: Path) -> None:
    line = broken_line
    with running_valkey(folder / f"vk-{uuid4().hex[:6]}") as valkey:
        run_id = line.services.training.start_run("recordings").run_id
        first = worker_of(line, valkey.broker_url)
        eventually(lambda: is_fitting(line, run_id), within_s=90)
        kill(first)
        second = worker_of(line, valkey.broker_url)
        try:
            eventually(lambda: seen(line, run_id).state in FINAL_STATES, within_s=150, every_s=0.2)
        finally:
            kill(second)
    run = seen(line, run_id)
    assert (run.state, run.attempt, run.error) == ("done", 2, None)
    assert models_of(line, run_id) == 1
    line.settle()
    told = [event.model_id for event in line.services.training.feed("", 1000).events]
    assert told == [run.model_id]
    with line.database("training").begin() as session:
        assert session.execute(text("select count(*) from run")).scalar_one() == 1


def test_a_run_waits_for_the_broker_and_can_be_cancelled_under_way(broken_line: Line, folder: Path) -> None:
    line = broken_line
    started = time.monotonic()
    run_id = line.services.training.start_run("recordings").run_id
    assert time.monotonic() - started < 2
    vk = folder / f"vk-{uuid4().hex[:6]}"
    with running_valkey(vk) as valkey:
        away = valkey.broker_url
    worker = worker_of(line, away)  # looks for a broker that has just gone
    try:
        time.sleep(3)
        assert seen(line, run_id).state == "queued"
        with running_valkey(vk):
            eventually(lambda: is_fitting(line, run_id), within_s=90, every_s=0.1)
            asked = time.monotonic()
            line.services.training.cancel_run(run_id)
            eventually(lambda: seen(line, run_id).state == "cancelled", within_s=5)
            assert time.monotonic() - asked < 2
            other = line.services.training.start_run("artists").run_id
            eventually(lambda: seen(line, other).state == "done", within_s=60, every_s=0.2)
    finally:
        kill(worker)
    assert models_of(line, run_id) == 0
