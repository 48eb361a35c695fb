"""The decision that runs in production, on simulated listeners: who is called, how often, and how soon."""

import numpy as np
import pytest

from app.contracts.experiments import ArmSums, ModelHealth, Verdict
from app.modules.training.deciding import Rule, failure, judge
from tests.modules.training.simulated_listeners import DAYS, simulate, sums

RUNS = 200
LISTENERS = 150
RULE = Rule(alpha=0.05, min_days=7, min_listeners=100, shares=(0.5, 0.5))


def called(lift: float, seed: int, runs: int = RUNS) -> list[tuple[Verdict, int]]:
    """Look at each run every day; return what ends it and when: the first call of a difference, if there is any."""
    simulation = simulate(seed, runs, LISTENERS, lift)
    ended: list[tuple[Verdict, int]] = []
    for run in range(runs):
        verdict: Verdict = "undecided"
        for day in range(1, DAYS + 1):
            verdict = judge(RULE, day, *sums(simulation, run, day)).verdict
            if verdict in {"better", "worse", "invalid"}:
                break
        ended.append((verdict, day))
    return ended


def share_of(verdicts: set[Verdict], ended: list[tuple[Verdict, int]]) -> float:
    return sum(verdict in verdicts for verdict, _ in ended) / len(ended)


def test_no_difference_is_called_one_in_at_most_five_of_a_hundred_runs() -> None:
    assert share_of({"better", "worse", "invalid"}, called(0.0, seed=1)) <= 0.05


def test_a_model_that_is_30_per_cent_worse_is_always_called_worse() -> None:
    ended = called(-0.3, seed=2)
    assert share_of({"worse"}, ended) == 1.0
    assert np.median([day for _, day in ended]) <= 10


def test_a_model_that_is_20_per_cent_better_is_found() -> None:
    assert share_of({"better"}, called(0.2, seed=3)) >= 0.95


def test_arms_of_wrong_sizes_decide_nothing() -> None:
    half = ArmSums(300, 3.0, 4.0, weight=250.0, impressions=9000, plays=900)
    third = ArmSums(200, 3.0, 5.0, weight=150.0, impressions=6000, plays=600)
    assert judge(RULE, 28, half, third).verdict == "invalid"


def test_too_few_listeners_decide_nothing() -> None:
    few = ArmSums(10, 1.0, 0.2, weight=5.0, impressions=100, plays=10)
    assert judge(RULE, 28, few, few).verdict == "undecided"


@pytest.mark.parametrize(
    ("treatment", "fails"),
    [
        (ModelHealth("t", 200, 0, 0, 40.0), False),
        (ModelHealth("t", 200, 5, 0, 40.0), True),
        (ModelHealth("t", 200, 0, 30, 40.0), True),
        (ModelHealth("t", 200, 0, 0, 400.0), True),
        (ModelHealth("t", 10, 10, 10, 9000.0), False),
    ],
)
def test_a_model_that_errs_gives_nothing_or_is_slow_fails(treatment: ModelHealth, fails: bool) -> None:
    assert (failure(treatment, ModelHealth("c", 1000, 1, 2, 30.0)) is not None) == fails
