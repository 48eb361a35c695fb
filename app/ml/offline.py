"""Figures of recommenders on held-out listening, with intervals, by group of listeners, and paired against a rival.

Intervals are percentiles of a bootstrap over listeners; those of a difference resample the same listeners for both, so
that what is hard for both cancels out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.interactions import play_weights
from app.ml.item_knn import ItemKNN
from app.ml.metrics import ndcg_at_k, recall_at_k
from app.ml.progress import Progress, no_progress
from app.ml.scoring import Scorer

Floats = NDArray[np.float64]

K = 20
RESAMPLES = 1000
SEED = 20_240_501  # the same listeners are drawn in every run, so that a run can be repeated to the byte
FEWEST_A_TASTE = 10  # listeners; of fewer a figure says nothing
NEW_PLAYS = 10  # plays before the cut up to which a listener counts as new
KNN_WORK = 50_000_000  # products of the baseline's fit; beyond it listeners are sampled


@dataclass(frozen=True)
class Held:
    """What is fitted on, and what is hidden. `train` and `test` are (listeners, items) of one vocabulary.

    `method` is "time" (hidden is what was first played after `cut`, seconds) or "hidden" (a fifth of each listener's
    items, where there are no times). `cold` pairs are of items that nobody played before; no model can know them.
    `vocabulary` (items,) are the caller's numbers of the items.
    """

    train: sp.csr_matrix
    test: sp.csr_matrix
    method: str
    cut: int | None = None
    cold: int = 0
    vocabulary: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Measured:
    subject: str
    cohort: str
    metric: str
    value: float
    low: float | None
    high: float | None
    listeners: int


@dataclass(frozen=True)
class Answers:
    """A subject's lists (tested, k), -1 where a list is shorter, and its metrics by listener."""

    lists: NDArray[np.int64]
    by_listener: dict[str, Floats]


def tested_listeners(held: Held) -> NDArray[np.int64]:
    return np.flatnonzero(np.diff(held.test.indptr))


def cohorts(
    held: Held, tested: NDArray[np.int64], taste: NDArray[np.int32] | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Return who belongs to which group: new by few plays, the others light or heavy around their median.

    `taste` (listeners,) are groups of listeners who play alike; those that enough of the tested are in count too.
    """
    plays = np.asarray(held.train.sum(axis=1)).ravel()[tested]
    is_new = plays <= NEW_PLAYS
    middle = float(np.median(plays[~is_new])) if (~is_new).any() else 0.0
    found = {
        "all": np.ones(len(tested), dtype=bool),
        "new": is_new,
        "light": ~is_new & (plays <= middle),
        "heavy": ~is_new & (plays > middle),
    }
    groups = taste[tested] if taste is not None else np.zeros(0, np.int32)
    for group in range(int(groups.max(initial=-1)) + 1):
        is_of_it = groups == group
        if is_of_it.sum() >= FEWEST_A_TASTE:
            found[f"taste {group + 1}"] = is_of_it
    return found


def answer(scorer: Scorer, held: Held, *, is_popular: bool = False, progress: Progress = no_progress) -> Answers:
    """Ask a scorer for every tested listener; who has no profile, or too short a list, gets the popular items."""
    tested = tested_listeners(held)
    train, test = held.train, held.test
    known = max(1, int((np.diff(train.indptr) > 0).sum()))
    share = np.asarray((train > 0).sum(axis=0)).ravel() / known
    lists = np.full((len(tested), K), -1, dtype=np.int64)
    names = ("recall", "ndcg", "novelty", "popularity_bias")
    by_listener = {name: np.zeros(len(tested)) for name in names}
    for place, listener in enumerate(tested):
        if place % 50 == 0:
            progress(place / len(tested), "scoring")
        own = train.indices[train.indptr[listener] : train.indptr[listener + 1]]
        plays = train.data[train.indptr[listener] : train.indptr[listener + 1]]
        ranked: list[int] = []
        if len(own) and not is_popular:
            ranked = scorer.recommend(own, play_weights(plays), K, excluded=own)[0].tolist()
        if len(ranked) < K:
            ranked += scorer.popular(K - len(ranked), excluded=[*own, *ranked]).tolist()
        wanted = test.indices[test.indptr[listener] : test.indptr[listener + 1]].tolist()
        shares = share[ranked]
        lists[place, : len(ranked)] = ranked
        by_listener["recall"][place] = recall_at_k(ranked, wanted, K)
        by_listener["ndcg"][place] = ndcg_at_k(ranked, wanted, K)
        if len(ranked):
            # novelty in bits: an item that half of the listeners know has one
            by_listener["novelty"][place] = float(-np.log2(np.maximum(shares, 1 / (2 * known))).mean())
            by_listener["popularity_bias"][place] = float(shares.mean()) - float(share[own].mean() if len(own) else 0)
    return Answers(lists, by_listener)


def popular_answers(held: Held) -> Answers:
    popularity = np.asarray((held.train > 0).sum(axis=0)).ravel().astype(np.float32)
    items = len(popularity)
    empty = Scorer(
        np.zeros(items + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), popularity
    )  # fmt: skip
    return answer(empty, held, is_popular=True)


def knn_answers(held: Held) -> Answers:
    """Answer by item-kNN, fitted on a sample of the listeners where all would take too long."""
    train = held.train
    work = np.cumsum(np.diff(train.indptr).astype(np.int64)[order := _shuffled(train.shape[0])] ** 2)
    rows = np.sort(order[: max(1, int(np.searchsorted(work, KNN_WORK)))])
    return answer(ItemKNN().fit(train[rows]).scorer_, held)


def _shuffled(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(SEED).permutation(count)


def figures(
    subjects: Mapping[str, Answers],
    held: Held,
    rival: str = "champion",
    taste: NDArray[np.int32] | None = None,
) -> list[Measured]:
    """Return every metric of every subject in every group, and the model's difference to a rival that is there."""
    tested = tested_listeners(held)
    known = max(1, int((np.asarray((held.train > 0).sum(axis=0)).ravel() > 0).sum()))
    found: list[Measured] = []
    for cohort, is_in in cohorts(held, tested, taste).items():
        count = int(is_in.sum())
        if not count:
            continue
        draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count
        for subject, answers in subjects.items():
            for metric, values in answers.by_listener.items():
                found.append(_interval(subject, cohort, metric, values[is_in], draws))
            found.append(_coverage(subject, cohort, answers.lists[is_in], known, draws))
        if rival in subjects:
            for metric, values in subjects["model"].by_listener.items():
                gained = values[is_in] - subjects[rival].by_listener[metric][is_in]
                found.append(_interval("difference", cohort, metric, gained, draws))
    return found


def _interval(subject: str, cohort: str, metric: str, values: Floats, draws: Floats) -> Measured:
    means = draws @ values
    low, high = (float(edge) for edge in np.quantile(means, (0.025, 0.975)))
    return Measured(subject, cohort, metric, float(values.mean()), low, high, len(values))


def _coverage(subject: str, cohort: str, lists: NDArray[np.int64], known: int, draws: Floats) -> Measured:
    """Return the share of the known items that somebody is shown. A resample shows less than all do, and its interval
    is moved by as much, so that it lies around the figure (the basic bootstrap)."""
    shown = lists[lists >= 0]
    value = len(np.unique(shown)) / known
    resampled = [
        len(np.unique(lists[draw > 0][lists[draw > 0] >= 0])) / known for draw in draws[:200]
    ]  # fmt: skip
    spread = np.quantile(resampled, (0.025, 0.975)) - float(np.mean(resampled))
    return Measured(subject, cohort, "coverage", value, value + float(spread[0]), value + float(spread[1]), len(lists))


def metrics_of(found: list[Measured]) -> dict[str, float | None]:
    """Return the short list that a model carries with it; None where nothing could be measured."""
    wanted = {
        "recall": ("model", "recall"),
        "ndcg": ("model", "ndcg"),
        "coverage": ("model", "coverage"),
        "novelty": ("model", "novelty"),
        "popularity_bias": ("model", "popularity_bias"),
        "popularity_recall": ("popularity", "recall"),
        "popularity_ndcg": ("popularity", "ndcg"),
        "item_knn_ndcg": ("item-knn", "ndcg"),
    }
    values = {(f.subject, f.metric): f.value for f in found if f.cohort == "all"}
    return {name: round(values[key], 4) if key in values else None for name, key in wanted.items()}
