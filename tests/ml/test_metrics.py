"""Metrics against slow ones written from their definitions."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from app.ml.holdout import mean_ndcg
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


# what ranx 0.3.21 says of fixed lists: the list, what is wanted, recall@10, NDCG@10, recall@20, NDCG@20
RANX: list[tuple[list[int], list[int], float, float, float, float]] = [
    (
        [26, 52, 11, 59, 5, 4, 53, 24, 34, 43, 6, 45, 1, 15, 9, 38, 3, 44, 37, 33],
        [5, 19, 47],
        0.3333333333, 0.1815417925, 0.3333333333, 0.1815417925,
    ),
    (
        [52, 27, 46, 37, 11, 8, 56, 14, 44, 58, 50, 48, 1, 0, 49, 55, 7, 57, 51, 30],
        [
            0, 2, 3, 4, 5, 6, 7, 9, 11, 14, 17, 20, 23, 25, 27, 30, 31, 34, 38, 39, 41, 42, 44, 45, 46, 50, 51, 53,
            55, 57,
        ],
        0.1666666667, 0.4697368901, 0.4, 0.5465841043,
    ),
    ([52, 55, 21, 33, 9], [27, 41, 54, 59], 0.0, 0.0, 0.0, 0.0),
    (
        [6, 36, 16, 11, 23, 27, 0, 46, 37, 56, 48, 19, 58, 24, 29, 3, 4, 7, 34, 20],
        [2, 4, 6, 9, 10, 19, 22, 23, 24, 26, 34, 35, 41, 47, 49, 50, 51, 53, 54, 59],
        0.1, 0.3052348839, 0.3, 0.3386574967,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ranked", "wanted", "recall_10", "ndcg_10", "recall_20", "ndcg_20"), RANX)
def test_the_figures_are_those_of_another_library(
    ranked: list[int], wanted: list[int], recall_10: float, ndcg_10: float, recall_20: float, ndcg_20: float
) -> None:
    assert recall_at_k(ranked, wanted, 10) == pytest.approx(recall_10, abs=1e-9)
    assert ndcg_at_k(ranked, wanted, 10) == pytest.approx(ndcg_10, abs=1e-9)
    assert recall_at_k(ranked, wanted, 20) == pytest.approx(recall_20, abs=1e-9)
    assert ndcg_at_k(ranked, wanted, 20) == pytest.approx(ndcg_20, abs=1e-9)


@given(st.lists(st.lists(st.integers(0, 40), min_size=20, max_size=20, unique=True), min_size=1, max_size=5), HOLDOUTS)
def test_choices_are_made_by_the_same_ndcg(lists: list[list[int]], wanted: set[int]) -> None:
    """The quick one over matrices, of `holdout`, and scikit-learn's agree with it."""
    scores = np.zeros((len(lists), 41), dtype=np.float32)
    hidden = np.zeros((len(lists), 41), dtype=np.float32)
    hidden[:, sorted(wanted)] = 1
    for row, ranked in enumerate(lists):
        scores[row, ranked] = np.arange(20, 0, -1)
    rows, nothing = sp.csr_matrix(hidden), sp.csr_matrix(hidden.shape, dtype=np.float32)
    expected = np.mean([ndcg_at_k(ranked, wanted, 20) for ranked in lists])
    assert mean_ndcg(lambda part: scores[part].copy(), nothing, rows) == pytest.approx(expected, abs=1e-6)
    assert ndcg_score(hidden, scores, k=20, ignore_ties=True) == pytest.approx(expected, abs=1e-6)
