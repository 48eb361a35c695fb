"""What every model must do, whichever it is; each is asked as it was written and opened again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ml.artefact import Artefact, open_artefact, write
from app.ml.blend import Blend
from app.ml.interactions import profile_weights
from app.ml.item_item import ItemItem
from app.ml.popularity import Popularity
from app.ml.ranking import hide_some, holdout_metrics
from app.ml.scoring import Scorer
from tests.ml.group_tastes import GROUPS, ITEMS_A_GROUP, group_tastes

ITEMS = GROUPS * ITEMS_A_GROUP
KEYS = [UUID(int=number + 1) for number in range(ITEMS)]
MODELS: dict[str, Callable[[], Any]] = {
    "blend": lambda: Blend(evaluations=6),
    "blend beyond its dense size": lambda: Blend(dense_items=10, evaluations=6),
    "item-item": ItemItem,
    "item-item beyond its dense size": lambda: ItemItem(dense_items=10),
    "popularity": Popularity,
}


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def model(request: pytest.FixtureRequest) -> Callable[[], Any]:
    made: Callable[[], Any] = request.param
    return made


def written(model: Callable[[], Any], home: Path, X: sp.csr_matrix | None = None) -> Artefact:
    fitted = model().fit(group_tastes() if X is None else X)
    keys = KEYS[: len(fitted.popularity_)]
    name = write(home, keys, fitted.B_, fitted.popularity_, {}, factors=fitted.factors_)
    return open_artefact(home / name)


@pytest.fixture(scope="module")
def opened(model: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return written(model, tmp_path_factory.mktemp("models"))


def answer(scorer: Scorer, items: list[int], n: int, excluded: list[int]) -> list[int]:
    """Answer as it is served: popular items where a profile says nothing."""
    found: list[int] = scorer.recommend(items, profile_weights(np.ones(len(items))), n, excluded=excluded)[0].tolist()
    return found + scorer.popular(n - len(found), excluded=[*excluded, *found]).tolist()


def test_the_same_plays_give_the_same_bytes(model: Callable[[], Any], tmp_path: Path) -> None:
    assert written(model, tmp_path / "a").sha256 == written(model, tmp_path / "b").sha256
    assert written(model, tmp_path / "c", group_tastes(seed=1)).sha256 != written(model, tmp_path / "a").sha256


def test_the_order_of_plays_within_a_listener_does_not_matter(model: Callable[[], Any], tmp_path: Path) -> None:
    plays = group_tastes().tocoo()
    order = np.random.default_rng(5).permutation(plays.nnz)
    shuffled = sp.coo_matrix((plays.data[order], (plays.row[order], plays.col[order])), shape=plays.shape).tocsr()
    assert written(model, tmp_path / "a").sha256 == written(model, tmp_path / "b", shuffled).sha256


@given(
    items=st.lists(st.integers(0, ITEMS - 1), max_size=30, unique=True),
    excluded=st.lists(st.integers(0, ITEMS - 1), max_size=ITEMS, unique=True),
    n=st.integers(1, ITEMS + 10),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_set_aside_is_never_recommended(
    opened: Artefact, items: list[int], excluded: list[int], n: int
) -> None:
    found = answer(opened.scorer, items, n, excluded)
    assert not set(found) & set(excluded)
    assert len(found) == len(set(found)) <= n


def test_who_played_nothing_gets_the_popular_items(opened: Artefact) -> None:
    found, scores = opened.scorer.recommend([], [], 5)
    assert len(found) == len(scores) == 0
    popular = opened.scorer.popular(ITEMS).tolist()
    assert answer(opened.scorer, [], 5, []) == popular[:5]
    counts = opened.scorer.popularity[popular].tolist()
    assert counts == sorted(counts, reverse=True)


def test_scores_are_finite_and_the_best_come_first(opened: Artefact) -> None:
    found, scores = opened.scorer.recommend([0, 31, 62], [1.0, 0.5, 2.0], 50)
    assert np.isfinite(scores).all()
    assert (scores > 0).all()
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert len(set(found.tolist())) == len(found)


def test_a_fit_tells_how_far_it_is_and_can_be_cancelled(model: Callable[[], Any]) -> None:
    told: list[float] = []
    model().fit(group_tastes(), lambda fraction, _step: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0

    def cancel(_fraction: float, _step: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        model().fit(group_tastes(), cancel)


@pytest.mark.parametrize(
    "X",
    [
        sp.csr_matrix((3, 5), dtype=np.float32),
        sp.csr_matrix(([1.0], ([0], [0])), shape=(1, 1), dtype=np.float32),
        sp.csr_matrix(np.ones((2, 4), dtype=np.float32)),
        sp.csr_matrix(np.diag(np.full(6, 3.0, dtype=np.float32))),
    ],
    ids=["no play", "one play", "all alike", "nothing in common"],
)
def test_a_model_of_hardly_anything_is_no_error(model: Callable[[], Any], tmp_path: Path, X: sp.csr_matrix) -> None:
    opened = written(model, tmp_path, X)
    assert np.isfinite(opened.scorer.data).all()
    assert len(answer(opened.scorer, [0], X.shape[1], [0])) <= X.shape[1]


@pytest.mark.parametrize("dense_items", [5000, 10])
def test_what_follows_is_of_the_listeners_own_group(tmp_path: Path, dense_items: int) -> None:
    scorer = written(lambda: ItemItem(dense_items=dense_items), tmp_path).scorer
    for group in range(GROUPS):
        played = [group * ITEMS_A_GROUP + place for place in (1, 3, 5, 7)]
        found = answer(scorer, played, 10, played)
        assert sum(item // ITEMS_A_GROUP == group for item in found) >= 9


@pytest.mark.parametrize("dense_items", [5000, 10])
def test_it_beats_popularity_where_tastes_come_in_groups(dense_items: int) -> None:
    train, hidden = hide_some(group_tastes(), seed=0)
    metrics = holdout_metrics(Blend(dense_items=dense_items).fit(train).scorer_, train, hidden)
    for figure in ("recall", "ndcg"):
        own, popular = metrics[figure], metrics[f"popularity_{figure}"]
        assert own is not None
        assert popular is not None
        assert own > 1.3 * popular


@given(
    profile=st.dictionaries(st.integers(0, ITEMS - 1), st.integers(0, 500), min_size=1, max_size=40),
    loved=st.sets(st.integers(0, ITEMS - 1), max_size=5),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_reasons_of_a_recommendation_sum_to_its_score(
    opened: Artefact, profile: dict[int, int], loved: set[int]
) -> None:
    items = sorted({*profile, *loved})
    weights = profile_weights([profile.get(item, 0) for item in items], [item in loved for item in items])
    found, scores = opened.scorer.recommend(items, weights, 5)
    for item, score in zip(found.tolist(), scores, strict=True):
        reasons = opened.scorer.explain(items, weights, item)
        assert len(reasons) == len(items)
        assert abs(reasons.sum() - score) < 1e-6


def test_nothing_is_similar_to_itself(opened: Artefact) -> None:
    for item in range(0, ITEMS, 7):
        assert item not in opened.scorer.similar(item, ITEMS)[0]


def test_love_weighs_more_than_a_play_and_counts_without_one() -> None:
    plain, loved = profile_weights([5, 5]), profile_weights([5, 5], [True, False])
    assert loved[0] > loved[1] == plain[1]
    assert profile_weights([0, 5], [True, False])[0] > 0
    assert profile_weights([0, 5])[0] == 0
    assert len(profile_weights([])) == 0
