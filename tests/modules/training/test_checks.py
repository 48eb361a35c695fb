"""Checks of data before training, drift, schedules and search."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.contracts.listens import TrainingEvent
from app.contracts.training import ChecksFailed, Run, Schedule
from app.modules.training import checks, runs
from app.modules.training.grid import Grid, load
from app.modules.training.plays import Plays
from app.modules.training.schedules import Standing, due
from app.settings import SettingsError
from tests.support.events import EventTable
from tests.support.line import Line

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
DAY = 86_400


def listened(days: list[float], *, items: int = 50, listeners: int = 10) -> Plays:
    table = EventTable()
    start = NOW.timestamp() - 100 * DAY
    for number, day in enumerate(days):
        item = UUID(int=(number * 7919 % items + 1) << 8 | number * 7919 % items)
        person = UUID(int=(number % listeners + 1) << 64 | number % listeners)
        table.add([TrainingEvent("listened", person, int(start + day * DAY), item, item)])
    return table.plays()


EVENLY = [n / 5 for n in range(500)]


def levels(plays: Plays, before: Plays | None = None) -> dict[str, str]:
    return {each.name: each.level for each in checks.check(plays, before, NOW)}


def test_data_as_it_should_be_passes_every_check() -> None:
    assert set(levels(listened(EVENLY)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("days", "check", "level"),
    [
        (EVENLY[:50], "volume", "warn"),
        ([], "volume", "stop"),
        ([*EVENLY, *[200.0] * 50], "times", "warn"),
        ([200.0] * 500, "times", "stop"),
        ([n // 50 for n in range(500)], "duplicates", "stop"),
        ([*EVENLY[:300], 99.0], "time_gap", "warn"),
    ],
)
def test_each_check_warns_or_stops(days: list[float], check: str, level: str) -> None:
    assert levels(listened(days))[check] == level


def test_what_is_gone_since_the_snapshot_before_is_seen() -> None:
    before = listened(EVENLY)
    assert levels(listened(EVENLY[:250]), before)["sudden_change"] == "warn"
    assert levels(listened(EVENLY[:20]), before)["sudden_change"] == "stop"


def test_drift_is_seen_and_chance_is_not_taken_for_it() -> None:
    """Of 300 pairs of samples without drift, at most a few per cent are beyond the limit, however small they are."""
    rng = np.random.default_rng(5)
    for n in (30, 100, 1000):
        beyond = 0
        for _ in range(300):
            one, other = (np.bincount(rng.integers(20, size=size), minlength=20).astype(float) for size in (n, 5 * n))
            value, limit = checks.psi(one, other)
            beyond += value > limit
        assert beyond <= 15
    moved = np.bincount(rng.integers(5, size=300), minlength=20).astype(float)
    value, limit = checks.psi(moved, np.full(20, 100.0))
    assert value > limit


def test_drift_compares_what_is_new_with_what_was_there() -> None:
    before = listened(EVENLY[:400], items=40)
    found = checks.drift("b", listened(EVENLY, items=40), "a", before)
    assert {each.feature for each in found} == {"items", "listeners", "play_times"}
    assert all(each.n == 100 for each in found)
    assert not checks.drift("b", before, "a", before)


SCHEDULE = Schedule("recordings", True, 180, 0.05, True, False, None, "")
YESTERDAY = NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("standing", "cause"),
    [
        (Standing(True, YESTERDAY, 0.001, False), "nightly"),
        (Standing(True, NOW - timedelta(hours=5), 0.001, False), None),
        (Standing(True, NOW - timedelta(hours=5), 0.06, False), "volume"),
        (Standing(True, NOW - timedelta(hours=5), 0.01, True), "drift"),
        (Standing(True, NOW - timedelta(minutes=5), 0.5, True), None),
        (Standing(True, YESTERDAY, 0.0, True), None),  # what has not changed trains nothing
        (Standing(False, None, 1.0, False), None),
    ],
)
def test_what_calls_for_training(standing: Standing, cause: str | None) -> None:
    assert due(SCHEDULE, standing, Grid(), NOW)[0] == cause


def test_a_schedule_waits_for_the_hours_of_low_intensity_but_not_for_ever() -> None:
    grid = Grid(tuple(100.0 if hour < 8 else 500.0 for hour in range(24)), is_known=True)
    careful = Schedule("recordings", True, 540, None, False, True, None, "")
    standing = Standing(True, YESTERDAY, 0.01, False)
    assert due(careful, standing, grid, NOW)[0] is None
    assert due(careful, standing, grid, NOW.replace(hour=22))[0] == "nightly"
    assert due(careful, standing, grid, (NOW + timedelta(days=1)).replace(hour=2))[0] == "nightly"


def test_a_table_of_the_grid_is_read_and_a_wrong_one_named(tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    file.write_text("hour,gco2_per_kwh\n" + "".join(f"{hour},{100 + hour}\n" for hour in range(24)))
    assert load(file).is_low(NOW.replace(hour=7))
    assert not load(file).is_low(NOW.replace(hour=8))
    file.write_text("hour,gco2_per_kwh\n0,100\n")
    with pytest.raises(SettingsError, match="each hour"):
        load(file)


def test_a_search_makes_child_runs_and_goes_on_after_a_kill(line: Line) -> None:
    line.two_tastes(30)
    run = line.services.training.start_run("recordings", None, {"evaluations": 1}, 4)

    class Killed(BaseException):
        """What a kill leaves: nothing is tidied up."""

    def dying(_fraction: float, step: str) -> None:
        if step.startswith("search: 2 of"):
            raise Killed

    with pytest.raises(Killed):
        line.training.runner.steps.advance(_taken(line, run.run_id), dying)
    before = line.services.training.run_children(run.run_id)
    assert [child.state for child in before] == ["done", "done"]
    line.training.run(run.run_id)
    after = line.services.training.run_children(run.run_id)
    assert [child.run_id for child in after][:2] == [child.run_id for child in before]
    assert [child.state for child in after] == ["done"] * 4
    done = line.services.training.get_run(run.run_id)
    best = max(after, key=lambda child: child.record["value"])
    assert done.state == "done"
    assert done.parameters["neighbours"] == best.parameters["neighbours"]
    assert not any(each.parent_run_id for each in line.services.training.list_runs())


def _taken(line: Line, run_id: UUID) -> Run:
    with line.database("training").begin() as session:
        taken = runs.take(session, run_id)
    assert taken is not None
    return taken


def test_data_that_fails_a_check_is_not_trained_on_and_the_run_says_why(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.listen(uuid4(), [("Artist", "Song")])
    monkeypatch.setitem(checks.LIMITS, "volume", checks.Limits(1e9, 1e9, is_least=True))
    failed = line.train("artists")
    assert failed.state == "failed"
    assert str(failed.error).startswith(f"{ChecksFailed.code}: volume")
    found = {each.name: each.level for each in line.services.training.data_checks(failed.snapshot_id or "")}
    assert found["volume"] == "stop"


def test_schedules_start_runs_and_say_what_they_decided(line: Line) -> None:
    line.two_tastes(12)
    line.train("recordings")
    line.listen(uuid4(), [("Artist", f"Song {n}") for n in range(10)])
    line.settle()
    line.training.follow_schedules(datetime.now(UTC) + timedelta(days=2))
    (run,) = [run for run in line.services.training.list_runs() if run.state == "queued"]
    assert (run.kind, run.cause) == ("recordings", "nightly")
    said = {each.kind: each.decision for each in line.services.training.list_schedules()}
    assert "nightly" in said["recordings"]
    line.services.training.cancel_run(run.run_id)
