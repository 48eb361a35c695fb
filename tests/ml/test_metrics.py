"""Metrics against slow ones written from their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ml.metrics import hit_and_reciprocal, ndcg_at_k, recall_at_k
from app.ml.scoring import best
from app.ml.sessions import rank_of

LISTS = st.lists(st.integers(0, 30), max_size=25, unique=True)
HOLDOUTS = st.sets(st.integers(0, 30), min_size=1, max_size=20)


@given(LISTS, HOLDOUTS, st.integers(1, 30))
def test_recall_is_the_found_share_of_what_was_hidden(ranked: list[int], holdout: set[int], k: int) -> None:
    found = sum(1 for item in holdout if item in ranked[:k])
    assert recall_at_k(ranked, holdout, k) == pytest.approx(found / len(holdout))


@given(LISTS, HOLDOUTS, st.integers(1, 30))
def test_ndcg_is_the_gain_over_the_greatest_possible(ranked: list[int], holdout: set[int], k: int) -> None:
    gain = 0.0
    for place, item in enumerate(ranked[:k], 1):
        if item in holdout:
            gain += 1 / math.log2(place + 1)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(holdout)) + 1))
    assert ndcg_at_k(ranked, holdout, k) == pytest.approx(gain / ideal)
    assert 0 <= ndcg_at_k(ranked, holdout, k) <= 1 + 1e-12


def test_by_hand() -> None:
    assert recall_at_k([1, 2, 3], {3, 9}, 3) == 0.5
    assert recall_at_k([1, 2, 3], {3, 9}, 2) == 0
    assert ndcg_at_k([9, 3], {3, 9}, 20) == 1
    assert ndcg_at_k([1, 3], {3}, 20) == pytest.approx(1 / math.log2(3))
    assert hit_and_reciprocal(0, 20) == (1, 1)
    assert hit_and_reciprocal(19, 20) == (1, 0.05)
    assert hit_and_reciprocal(20, 20) == hit_and_reciprocal(None, 20) == (0, 0)


@given(st.dictionaries(st.integers(0, 9), st.integers(0, 4).map(float), max_size=10), st.integers(0, 9))
def test_ties_count_against_the_target(scores: dict[int, float], target: int) -> None:
    if target not in scores:
        assert rank_of(target, scores) is None
    else:
        others = [item for item, score in scores.items() if item != target and score >= scores[target]]
        assert rank_of(target, scores) == len(others)


@given(st.lists(st.integers(-3, 6).map(float), min_size=1, max_size=40), st.integers(0, 45))
def test_the_best_are_the_greatest_positive_ones_with_ties_by_place(scores: list[float], n: int) -> None:
    expected = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda p: (-scores[p], p))[:n]
    places, found = best(np.array(scores), n)
    assert places.tolist() == expected
    assert found.tolist() == [scores[place] for place in expected]
