"""Weighing what parts say, against scikit-learn's logistic regression and against weights that are known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from app.ml.conditional_logit import ConditionalLogit, Position
from app.ml.part_features import features, lift, named, weights_of


def drawn(count: int, items: int, coef: list[float], seed: int = 1) -> list[Position]:
    """Return positions at which an item came by the probabilities of a logit with these weights."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        values = draw.random((items, 2)).astype(np.float32) * draw.integers(0, 2, (items, 2))
        odds = np.exp(features(values) @ np.array(coef))
        found.append((values.astype(np.float32), int(draw.choice(items, p=odds / odds.sum()))))
    return found


def test_features_are_share_place_and_being_listed() -> None:
    values = np.array([[4, 0], [4, 0], [2, 0], [8, 0], [0, 0]], dtype=np.float32)
    second = [0.5, 0, 0.5, 0, 1, 0]
    expected = [second, second, [0.25, 0, 0.25, 0, 1, 0], [1, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]]
    assert features(values) == pytest.approx(np.array(expected))


def test_of_two_items_it_is_a_logistic_regression_on_their_difference() -> None:
    positions = drawn(2000, 2, [1.0, -1.0, 0.5, 0.5, 0.0, 1.0])
    fitted = ConditionalLogit(precision=1e-6).fit(positions)
    differences = np.array([features(values)[came] - features(values)[1 - came] for values, came in positions])
    # as well the other way round, or there is but one class to tell
    both, classes = np.vstack([differences, -differences]), np.repeat([1, 0], len(differences))
    reference = LogisticRegression(C=1e6, fit_intercept=False, max_iter=1000).fit(both, classes)
    assert fitted.coef_ == pytest.approx(reference.coef_[0], abs=0.05)


def test_weights_that_are_known_are_found() -> None:
    coef = [2.0, 0.0, 0.0, 1.5, 0.5, -1.0]
    fitted = ConditionalLogit().fit(drawn(6000, 12, coef))
    assert fitted.coef_ == pytest.approx(coef, abs=0.3)


def test_weights_have_names_and_what_is_not_named_weighs_nothing() -> None:
    weights = np.arange(1.0, 7.0)
    names = named(weights, ["a", "b"])
    assert names == {"a": 1, "b": 2, "a/place": 3, "b/place": 4, "a/listed": 5, "b/listed": 6}
    assert weights_of(names, ["a", "b"]).tolist() == weights.tolist()
    assert weights_of({"a": 2.0}, ["a", "b"]).tolist() == [2, 0, 0, 0, 0, 0]


def test_scores_are_lifted_above_those_of_what_nothing_lists() -> None:
    assert lift(np.array([-2.0, 3.0])) == pytest.approx(2, abs=1e-5)
    assert lift(np.array([1.0, 3.0])) < 1e-5
    assert lift(np.array([])) < 1e-5


def test_the_same_positions_give_the_same_weights_also_where_they_are_cut() -> None:
    positions = drawn(300, 40, [2.0, 0.0, 0.0, 1.5, 0.5, -1.0])
    first, second = (ConditionalLogit(most=5, drawn=5).fit(positions) for _ in range(2))
    assert first.coef_.tobytes() == second.coef_.tobytes()
    assert first.coef_[0] > first.coef_[1]


def test_probabilities_sum_to_one() -> None:
    positions = drawn(100, 5, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    fitted = ConditionalLogit().fit(positions)
    assert fitted.probabilities(positions[0][0]).sum() == pytest.approx(1)


@pytest.mark.parametrize("positions", [[], [(np.ones((3, 2), dtype=np.float32), -1)]])
def test_nothing_can_be_learnt_where_nothing_listed_came(positions: list[Position]) -> None:
    with pytest.raises(ValueError, match="nothing that was listed"):
        ConditionalLogit().fit(positions)
