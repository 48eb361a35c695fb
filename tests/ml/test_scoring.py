"""Scores are sums that can be taken apart; sessions say what belongs together where there is no crowd."""

import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.sparse as sp

from app.ml.interactions import interactions, profile_weights, session_numbers, with_sessions
from app.ml.item_item import ItemItem
from app.ml.scoring import Scorer, scorer_of
from tests.ml.group_tastes import GROUPS, ITEMS_A_GROUP, group_tastes


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    model = ItemItem().fit(group_tastes())
    return scorer_of(model.B_, model.popularity_)


def test_contributions_have_a_sign_and_sum_to_the_score_of_any_item(scorer: Scorer) -> None:
    signs: set[float] = set()
    for row in group_tastes(seed=5, listeners=20):
        weights = profile_weights(row.data, row.data > 20)
        scores = scorer.scores(row.indices, weights)
        for target in range(0, scorer.items, 7):
            parts = scorer.explain(row.indices, weights, target)
            assert abs(parts.sum() - scores[target]) < 1e-6
            signs |= set(np.sign(parts).tolist())
    assert signs >= {-1.0, 1.0}


def test_scores_are_the_product_with_the_operator(scorer: Scorer) -> None:
    B = sp.csr_matrix((scorer.data, scorer.indices, scorer.indptr), shape=(scorer.items, scorer.items))
    row = group_tastes(seed=5)[0]
    np.testing.assert_allclose(scorer.scores(row.indices, row.data), (row @ B).toarray()[0], rtol=1e-4, atol=1e-5)


def test_a_play_of_weight_nothing_says_nothing(scorer: Scorer) -> None:
    assert scorer.scores([3, 5], [1.0, 0.0]).tolist() == scorer.scores([3], [1.0]).tolist()
    assert scorer.explain([3, 5], [1.0, 0.0], 8)[1] == 0


def test_one_more_play_changes_the_answer_without_a_fit(scorer: Scorer) -> None:
    last = GROUPS * ITEMS_A_GROUP - 1
    before, _ = scorer.recommend([0], profile_weights([1]), 10)
    after, _ = scorer.recommend([0, last], profile_weights([1, 30]), 10)
    assert (after // ITEMS_A_GROUP == GROUPS - 1).sum() > (before // ITEMS_A_GROUP == GROUPS - 1).sum()


def test_more_plays_weigh_more_but_ever_less_so() -> None:
    one, ten, hundred = (float(weight) for weight in profile_weights([1, 10, 100]))
    assert 0 < one < ten < hundred < 10 * one


def test_plays_of_the_same_pair_add_up() -> None:
    assert interactions([0, 0, 1], [2, 2, 0], [1, 3, 1], (2, 3)).toarray().tolist() == [[0, 0, 4], [1, 0, 0]]


def test_half_an_hour_of_silence_or_another_listener_begins_a_session() -> None:
    assert session_numbers([1, 1, 1, 1, 2], [0, 100, 1901, 3701, 0]).tolist() == [0, 0, 1, 1, 2]
    assert session_numbers([], []).tolist() == []


def test_the_evenings_of_a_single_listener_say_what_belongs_together() -> None:
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.choice(np.arange(5) + 5 * (n % 2), size=3, replace=False) for n in range(40)])
    X = interactions(np.zeros(len(items), dtype=int), items, np.ones(len(items)), (1, 10))
    both = with_sessions(X, np.repeat(np.arange(40), 3), items, 0.5)
    assert both.shape == (41, 10)
    model = ItemItem().fit(both, is_weighted=True)
    for item in range(10):
        similar, _ = scorer_of(model.B_, model.popularity_).similar(item, 4)
        assert set(similar.tolist()) == set(range(5 * (item // 5), 5 * (item // 5) + 5)) - {item}


def test_fifty_plays_among_fifty_thousand_items_are_answered_at_once() -> None:
    rng = np.random.default_rng(0)
    items, links = 50_000, 200
    columns = np.sort(rng.integers(items, size=(items, links)), axis=1).ravel().astype(np.int32)
    indptr = np.arange(items + 1, dtype=np.int64) * links
    scorer = Scorer(indptr, columns, rng.random(len(columns), dtype=np.float32), np.ones(items, dtype=np.float32))
    played, weights = rng.choice(items, 50, replace=False), rng.random(50)
    taken = []
    for _ in range(50):
        started = time.perf_counter()
        scorer.recommend(played, weights, 20, excluded=played)
        taken.append(time.perf_counter() - started)
    # .3 ms on one free core; the quickest of fifty leaves out what else the machine does
    assert min(taken) < 0.002


def test_serving_needs_no_library_of_fitting() -> None:
    code = (
        "import sys, app.ml.artefact, app.ml.scoring, app.ml.interactions, app.ml.session_scoring, app.ml.steering;"
        "print(*{'sklearn', 'threadpoolctl', 'flask', 'sqlalchemy', 'celery'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")
