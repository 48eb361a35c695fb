"""What a model is judged on: nothing of after the cut is known before it, and every figure has its interval."""

from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.contracts.listens import TrainingEvent
from app.contracts.training import NotReproducible
from app.ml.artefact import open_artefact
from app.ml.offline import figures, popular_answers
from app.modules.training import fitting
from app.modules.training.plays import Plays
from app.modules.training.splitting import by_time, held_out
from app.modules.training.totals import totals
from tests.support.events import EventTable
from tests.support.line import Line

PLANTED = UUID(int=7)


def history(listeners: int = 60, *, is_planted: bool = False) -> Plays:
    """A year in which each listener hears something of their own taste every day, now and then something new."""
    rng = np.random.default_rng(1)
    table = EventTable()
    for number in range(listeners):
        person = uuid4()
        taste = [UUID(int=1000 + 100 * (number % 3) + song) for song in range(60)]
        for day in range(number % 2, 60, 1 + number % 2):
            song = taste[int(rng.integers(min(60, 20 + day)))]
            table.add([TrainingEvent("listened", person, day * 86_400 + number, song, UUID(int=song.int // 10))])
        if is_planted:
            table.add([TrainingEvent("listened", person, 60 * 86_400, PLANTED, PLANTED)])
    return table.plays()


def test_nothing_from_after_the_cut_is_in_what_is_fitted() -> None:
    plays = history(is_planted=True)
    held = by_time(plays, "recordings", seed=0)
    assert held is not None
    assert held.method == "time"
    before = plays.listens[plays.listens[:, 1] < held.cut]
    assert held.train.sum() == len(before)  # every play of before, and no other
    assert held.train.shape[1] == len(np.unique(before[:, 2]))
    assert held.cold >= 60  # the planted item, which nobody knew before, is counted and not in the vocabulary
    assert not held.train.multiply(held.test).nnz


def test_what_is_planted_after_the_cut_changes_no_choice(tmp_path: Path) -> None:
    """The same listens with every later one moved to another song: all that is fitted before the cut stays the same."""
    plays = history()
    held = by_time(plays, "recordings", seed=0)
    assert held is not None
    swapped = plays.listens.copy()
    is_after = swapped[:, 1] >= held.cut
    swapped[is_after, 2] = np.roll(swapped[is_after, 2], 7)
    other = by_time(Plays(plays.people, plays.keys, swapped, plays.playcounts, plays.feedback), "recordings", seed=0)
    assert other is not None
    assert (held.train != other.train).nnz == 0


def test_totals_and_opinions_of_what_was_first_heard_later_are_left_out() -> None:
    plays = history()
    held = by_time(plays, "recordings", seed=0)
    assert held is not None
    late = plays.listens[plays.listens[:, 1] >= held.cut]
    counted = np.stack([late[:, 0], np.zeros(len(late)), late[:, 2], late[:, 3], np.full(len(late), 9)], axis=1)
    said = np.stack([late[:, 0], np.zeros(len(late)), late[:, 2], np.ones(len(late))], axis=1)
    told = Plays(plays.people, plays.keys, plays.listens, counted.astype(np.int64), said.astype(np.int64))
    again = by_time(told, "recordings", seed=0)
    assert again is not None
    assert (again.test != held.test).nnz == 0
    assert not again.train.multiply(held.test).nnz


def test_without_times_items_are_hidden_instead() -> None:
    plays = history()
    person, item, count = totals(plays, "artists")
    counted = np.stack([person, np.ones_like(person), item, item, count], axis=1)
    untimed = Plays(plays.people, plays.keys, plays.listens[:0], counted, plays.feedback)
    assert held_out(untimed, "artists", seed=0).method == "hidden"


def test_every_figure_has_its_interval_by_group_beside_baselines_and_the_champion(tmp_path: Path) -> None:
    plays = history()
    quiet = fitting.fit(plays, "recordings", {}, "x", tmp_path, lambda _f, _s: None)
    rival = fitting.recipe_of(open_artefact(tmp_path / quiet.sha256).manifest)
    fitted = fitting.fit(plays, "recordings", {"neighbours": 5}, "x", tmp_path, lambda _f, _s: None, rival=rival)
    found = {(f.subject, f.cohort, f.metric): f for f in fitted.figures}
    metrics = {"recall", "ndcg", "novelty", "popularity_bias", "coverage"}
    for subject in ("model", "champion", "popularity", "item-knn"):
        assert {metric for s, c, metric in found if (s, c) == (subject, "all")} == metrics
    assert {c for s, c, _ in found if s == "model"} >= {"all", "light", "heavy"}
    for figure in fitted.figures:
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value + 1e-9
        assert figure.value - 1e-9 <= figure.high
    assert found["model", "all", "ndcg"].value > found["popularity", "all", "ndcg"].value
    difference = found["difference", "all", "ndcg"]
    expected = found["model", "all", "ndcg"].value - found["champion", "all", "ndcg"].value
    assert difference.value == pytest.approx(expected, abs=2e-6)


def test_a_recipe_against_itself_differs_by_nothing(tmp_path: Path) -> None:
    plays = history()
    quiet = fitting.fit(plays, "recordings", {}, "x", tmp_path, lambda _f, _s: None)
    rival = fitting.recipe_of(open_artefact(tmp_path / quiet.sha256).manifest)
    again = fitting.fit(plays, "recordings", {}, "x", tmp_path, lambda _f, _s: None, rival=rival)
    assert again.sha256 == quiet.sha256
    assert {f.value for f in again.figures if f.subject == "difference"} == {0.0}


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Of 200 samples of listeners with a known mean, 95 per cent intervals miss it in about 5 (at most 10) per cent."""
    rng = np.random.default_rng(3)
    held = held_out(history(), "recordings", seed=0)
    answers = popular_answers(held)
    count, missed = len(answers.lists), 0
    for _ in range(200):
        answers.by_listener["ndcg"] = rng.beta(1, 4, size=count)  # its mean is a fifth
        found = next(f for f in figures({"model": answers}, held) if (f.cohort, f.metric) == ("all", "ndcg"))
        missed += not (found.low or 0) <= 0.2 <= (found.high or 0)
    assert 2 <= missed <= 20


def test_a_run_is_reproduced_to_the_byte_and_says_what_it_took(line: Line) -> None:
    line.two_tastes(12)
    done = line.train("recordings")
    assert done.state == "done"
    assert done.record["dependencies"]["numpy"]
    assert done.resources["kwh"] > 0
    assert 0 < done.resources["kwh_error"] < 1
    again = line.services.training.reproduce_run(done.run_id)
    line.training.run(again.run_id)
    again = line.services.training.get_run(again.run_id)
    assert (again.state, again.model_id) == ("done", done.model_id)
    assert line.services.training.evaluations([done.run_id])[0].figures


def test_other_bytes_fail_a_reproduction_and_say_what_has_changed(line: Line) -> None:
    line.two_tastes(12)
    done = line.train("artists")
    with line.database("training").begin() as session:
        session.connection().exec_driver_sql(
            """
            update run set parameters = '{"neighbours": 2}', record = record || '{"code": "other"}' where run_id = %s
            """,
            (str(done.run_id),),
        )
    again = line.services.training.reproduce_run(done.run_id)
    line.training.run(again.run_id)
    failed = line.services.training.get_run(again.run_id)
    assert failed.state == "failed"
    assert "other bytes" in str(failed.error)
    assert "code" in str(failed.error)


def test_what_has_not_changed_is_not_trained_again(line: Line) -> None:
    line.two_tastes(12)
    first = line.train("recordings")
    second = line.train("recordings")
    assert (second.state, second.model_id) == ("done", first.model_id)
    log = line.services.training.run_log(second.run_id)
    assert any("nothing has changed" in each.message for each in log)
    assert second.resources["cpu_s"] < max(1.0, first.resources["cpu_s"])


def test_a_run_without_a_model_cannot_be_reproduced(line: Line) -> None:
    line.two_tastes(3)
    run = line.services.training.start_run("artists", None, {"neighbours": 3})
    line.services.training.cancel_run(run.run_id)
    with pytest.raises(NotReproducible):
        line.services.training.reproduce_run(run.run_id)


def test_moves_are_logged_with_their_reasons(line: Line) -> None:
    line.two_tastes(12)
    done = line.train("recordings")
    assert [move.to_state for move in line.services.training.transitions(done.run_id)] == ["queued", "running", "done"]
    model_id = done.model_id or uuid4()
    moves = line.services.training.transitions(model_id)
    assert moves[0].from_state is None
    assert moves[0].to_state == "registered"
    assert moves[1].to_state in {"candidate", "rejected"}
    assert moves[1].reason
    decision = line.services.training.gate_decision(model_id)
    assert decision is not None
    assert decision.is_passed == (moves[1].to_state == "candidate")
    assert {"latency", "size"} <= {result.rule for result in decision.results}
