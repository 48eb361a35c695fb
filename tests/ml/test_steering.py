"""What a listener may turn changes the list as it says, and nothing where it is not turned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ml.ials import IALS
from app.ml.item_item import ItemItem
from app.ml.scoring import Scorer, best
from app.ml.steering import Sliders, at_most, rotated, steered, varied
from tests.ml.group_tastes import ITEMS_A_GROUP, group_tastes


@pytest.fixture(scope="module", params=[ItemItem, lambda: IALS(factors=16)], ids=["links", "factors"])
def scorer(request: pytest.FixtureRequest) -> Scorer:
    found: Scorer = request.param().fit(group_tastes()).scorer_
    return found


PROFILE = [1, 4, ITEMS_A_GROUP + 2]


def listed(scorer: Scorer, sliders: Sliders) -> np.ndarray:
    familiar = (np.arange(scorer.items) < ITEMS_A_GROUP).astype(float)
    scores = scorer.scores(PROFILE, np.ones(len(PROFILE)))
    scores[PROFILE] = -np.inf
    return best(steered(scores, scorer.popularity, familiar, sliders), 15)[0]


def test_what_is_not_turned_changes_nothing(scorer: Scorer) -> None:
    expected, scores = scorer.recommend(PROFILE, np.ones(len(PROFILE)), 15, excluded=PROFILE)
    assert listed(scorer, Sliders()).tolist() == expected.tolist()
    assert varied(scorer, expected, scores, 10, 0.0).tolist() == expected[:10].tolist()


def test_obscure_is_less_popular_and_popular_more(scorer: Scorer) -> None:
    means = [scorer.popularity[listed(scorer, Sliders(obscurity=value))].mean() for value in (-1.0, 0.0, 1.0)]
    assert means[0] > means[1] > means[2]


def test_new_is_less_familiar(scorer: Scorer) -> None:
    shares = [(listed(scorer, Sliders(novelty=value)) < ITEMS_A_GROUP).mean() for value in (-1.0, 0.0, 1.0)]
    assert shares[0] >= shares[1] >= shares[2]
    assert shares[0] > shares[2]


def test_no_slider_lists_what_nothing_speaks_for(scorer: Scorer) -> None:
    scores = np.array([0.0, 2.0, 1.0, -1.0])
    popularity = np.array([9, 1, 5, 9], dtype=np.float32)
    found = steered(scores, popularity, np.zeros(4), Sliders(obscurity=-1.0))
    assert set(best(found, 4)[0].tolist()) == {1, 2}


def test_variety_lowers_likeness_and_keeps_the_best_first(scorer: Scorer) -> None:
    items, scores = scorer.recommend(PROFILE, np.ones(len(PROFILE)), 100, excluded=PROFILE)
    groups = [len(set((varied(scorer, items, scores, 10, v) // ITEMS_A_GROUP).tolist())) for v in (0.0, 0.7)]
    assert groups[1] >= groups[0]
    assert varied(scorer, items, scores, 10, 0.7)[0] == items[0]
    assert len(set(varied(scorer, items, scores, 10, 0.7).tolist())) == 10


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 4))
def test_no_artist_has_more_than_its_share(artists: list[int], most: int) -> None:
    kept = at_most(np.arange(len(artists)), artists, most)
    of = [artists[item] for item in kept]
    assert all(of.count(artist) == min(most, artists.count(artist)) for artist in set(artists))
    assert kept.tolist() == sorted(kept.tolist())


def test_a_day_has_its_order_and_the_next_another() -> None:
    items, scores = np.arange(50), np.linspace(2, 1, 50)
    today = rotated(items, scores, 20_000, 7)
    assert today.tolist() == rotated(items, scores, 20_000, 7).tolist()
    assert today.tolist() != rotated(items, scores, 20_001, 7).tolist()
    assert today.tolist() != rotated(items, scores, 20_000, 8).tolist()
    assert sorted(today.tolist()) == items.tolist()
    assert set(today[:5].tolist()) <= set(range(15))
