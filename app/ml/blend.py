"""The default: item factors and links between items in one score, all that must be chosen chosen by the model itself.

A listener's score is that of iALS factors, folded in at request time, plus a weighted sum of the rows of an item–item
operator. Both parts are sums over the listener's own items, so every score can be taken apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.als import AlsParameters, factorise, fold_rows
from app.ml.base import Recommender, listeners_of
from app.ml.factors import Factors
from app.ml.holdout import hide_fifth, mean_ndcg, rows_to_hide
from app.ml.interactions import weighted
from app.ml.links import Links, cut, sample, spread
from app.ml.progress import Progress, no_progress
from app.ml.tuning import Chosen, Step, climb

# Where a search begins; the order is that in which parameters are tried.
START: Chosen = {
    "unobserved": 0.025,
    "ridge": 2.5,
    "links": 0.2,
    "smooth": 0.1,
    "item_power": 0.2,
    "plays_power": 1.0,
    "listener_power": 0.2,
    "obscurity": 0.1,
    "friends": 0.0,
}
STEPS: dict[str, Step] = {
    "unobserved": Step(1.6, 1e-4, 3.0, is_factor=True),
    "ridge": Step(1.4, 0.02, 100.0, is_factor=True),
    "links": Step(0.1, 0.0, 20.0),
    "smooth": Step(0.1, 0.0, 20.0),
    "item_power": Step(0.1, -0.4, 1.0),
    "plays_power": Step(0.4, 0.0, 2.6),
    "listener_power": Step(0.15, -0.4, 1.2),
    "obscurity": Step(0.05, -0.2, 0.6),
    "friends": Step(0.05, 0.0, 5.0),
}
ALS = ("unobserved", "ridge", "item_power", "listener_power", "plays_power", "obscurity")

# How much is spent on choosing, by the number of pairs: parts × evaluations × pairs stays about ten million. An item
# beyond MANY_ITEMS counts as EXTRA pairs, since links and scores grow with it. Few listeners can't tell small steps
# apart, and get fewer evaluations.
PARTS = ((60_000, 3), (400_000, 2))
FITTED_PAIRS, FEWEST_EVALUATIONS, MOST_EVALUATIONS = 10_000_000, 10, 40
TUNED_FACTORS = 128  # at most, while choosing
SCORED = 30_000_000  # scores of a validation part: 120 MB an array
FEWEST_ROWS = 30  # to choose on; with fewer, what there is to see is noise

MANY_ITEMS, EXTRA = 20_000, 16

# A dot product with all items is most of an answer's time: this many products take a third of a millisecond.
PRODUCTS, FEWEST_FACTORS, MOST_FACTORS = 3_200_000, 64, 256


class Blend(Recommender):
    """iALS plus links between items, tuned on its own training data.

    `neighbours` links are kept per item; `dense_items` is up to where all items are regressed on all, and beyond it
    each is on its `candidates` nearest. `candidates`, `factors` and `evaluations` are chosen by the size of the data
    where they are 0. `chosen` sets what is otherwise tuned. No entry weighs more than `most_weight` times the mean of
    its listener's in a fit (profiles are not cut): that costs nothing and halves what fake listeners reach who play one
    item very often.
    """

    def __init__(
        self,
        *,
        neighbours: int = 300,
        dense_items: int = 5000,
        candidates: int = 0,
        factors: int = 0,
        iterations: int = 6,
        evaluations: int = 0,
        most_weight: float = 1.2,
        chosen: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        self.neighbours = neighbours
        self.dense_items = dense_items
        self.candidates = candidates
        self.factors = factors
        self.iterations = iterations
        self.evaluations = evaluations
        self.most_weight = most_weight
        self.chosen = chosen
        self.seed = seed

    _friends: sp.csr_matrix | None = None

    def fit(
        self,
        X: sp.csr_matrix,
        progress: Progress = no_progress,
        *,
        is_weighted: bool = False,
        friends: sp.csr_matrix | None = None,
    ) -> Self:
        """Choose on validation parts of (rows, items) plays, then fit on all of them.

        `is_weighted` says that X holds weights already; `friends` (rows, rows) who is whose. `progress` may raise to
        cancel. The same input gives the same bits, on one thread of linear algebra. Sets `chosen_`, `B_`, `factors_`,
        `popularity_`, and `friends_weight_`: what `friends_plays` count beside the scores.
        """
        self._friends = friends
        X = sp.csr_matrix(X, dtype=np.float32)
        X.sort_indices()
        W = X if is_weighted else weighted(X)
        self.chosen_ = dict(START) if self.chosen is None else {**START, **self.chosen}
        if self.chosen is None:
            self.chosen_ = self._tuned(W, lambda done, step: progress(0.75 * done, step))
        return self.refit(X, lambda done, step: progress(0.75 + 0.25 * done, step), is_weighted=is_weighted)

    def refit(self, X: sp.csr_matrix, progress: Progress = no_progress, *, is_weighted: bool = False) -> Self:
        """Fit on other data with what was chosen before."""
        progress(0.0, "weights")
        X = sp.csr_matrix(X, dtype=np.float32)
        W = X if is_weighted else self._bounded(weighted(X))
        self.friends_weight_ = 0.0
        factors, B = None, sp.csr_matrix((X.shape[1], X.shape[1]), dtype=np.float32)
        if W.nnz:
            als = self._als(self.chosen_, self.factors or factors_for(*X.shape))
            factors = factorise(W, als, lambda done, step: progress(0.4 * done, step))
            links = self._links(W, lambda done, step: progress(0.4 + 0.5 * done, step))
            size = spread(_factor_scores(factors, sample(W)))
            if self._friends is not None:
                self.friends_weight_ = size * self.chosen_["friends"] / spread(_social(self._friends, W).toarray())
            B = cut(links.operator(size * self.chosen_["links"], size * self.chosen_["smooth"]), self.neighbours)
        progress(1.0, "fitted")
        return self._fitted(B, listeners_of(X), factors)

    def _bounded(self, W: sp.csr_matrix) -> sp.csr_matrix:
        data = np.minimum(W.data, np.float32(self.most_weight))
        return sp.csr_matrix((data, W.indices, W.indptr), shape=W.shape)

    def _als(self, chosen: Mapping[str, float], factors: int) -> AlsParameters:
        return AlsParameters(
            factors=factors, iterations=self.iterations, seed=self.seed, **{name: chosen[name] for name in ALS}
        )

    def _links(self, W: sp.csr_matrix, progress: Progress) -> Links:
        return Links(
            W, dense_items=self.dense_items, candidates=self.candidates or candidates_for(W.shape[1]), progress=progress
        )

    def _tuned(self, W: sp.csr_matrix, progress: Progress) -> Chosen:
        rows = rows_to_hide(W)
        if len(rows) < FEWEST_ROWS:
            return dict(START)
        work = W.nnz + EXTRA * max(0, W.shape[1] - MANY_ITEMS)
        count = next((parts for pairs, parts in PARTS if work <= pairs), 1)
        rng = np.random.default_rng(self.seed)
        parts = []
        for number in range(count):
            told = _within(progress, 0.3 * number / count, 0.3 * (number + 1) / count)
            parts.append(self._part(W, rng, rows, told))
        evaluations = self.evaluations or int(
            np.clip(FITTED_PAIRS / (count * work), FEWEST_EVALUATIONS, min(MOST_EVALUATIONS, 12 + len(rows) // 50))
        )
        fitted: dict[tuple[int, tuple[float, ...]], NDArray[np.float32]] = {}
        size = min(self.factors or factors_for(*W.shape), TUNED_FACTORS)

        reached = 0.3

        def beat(_done: float, _step: str) -> None:
            progress(reached, "choosing")

        def tell(spent: int) -> None:
            nonlocal reached
            reached = 0.3 + 0.7 * (spent - 1) / evaluations

        def objective(chosen: Chosen) -> float:
            als = tuple(chosen[name] for name in ALS)
            if (0, als) not in fitted:
                fitted.clear()
            found = 0.0
            for number, part in enumerate(parts):
                if (number, als) not in fitted:
                    factors = factorise(part.train, self._als(chosen, size), beat)
                    scores = _factor_scores(factors, part.profiles)
                    scores /= np.float32(spread(scores))
                    fitted[number, als] = scores
                found += part.ndcg(fitted[number, als], chosen)
            return found / count

        steps = {name: step for name, step in STEPS.items() if name != "plays_power" or np.ptp(W.data) > 0}
        if not parts[0].has_smooth:
            del steps["smooth"]
        if self._friends is None:
            del steps["friends"]
        return climb(objective, START, steps, evaluations, tell)[0]

    def _part(self, W: sp.csr_matrix, rng: np.random.Generator, rows: NDArray[np.int64], progress: Progress) -> "_Part":
        most = max(FEWEST_ROWS, SCORED // W.shape[1])
        chosen = np.sort(rng.permutation(rows)[:most])
        left, hidden = hide_fifth(W, rng, chosen)
        profiles, train = left[chosen], self._bounded(left)
        links = self._links(train, progress)
        social = None
        if self._friends is not None:
            social = _social(self._friends, train)[chosen].toarray()
            social /= np.float32(spread(social))
        return _Part(train, profiles, hidden[chosen], *links.scores(profiles), social)


def candidates_for(items: int) -> int:
    """Return on how many neighbours an item is regressed: time goes with the cube of it."""
    return 120 if items <= MANY_ITEMS else 60


def factors_for(rows: int, items: int) -> int:
    """Return how many factors an answer has time for, fewer where a small matrix has no more to tell."""
    timely = int(np.clip(PRODUCTS // max(1, items) // 32 * 32, FEWEST_FACTORS, MOST_FACTORS))
    return max(4, min(timely, min(rows, items) // 2))


def _factor_scores(factors: Factors, profiles: sp.csr_matrix) -> NDArray[np.float32]:
    found: NDArray[np.float32] = fold_rows(factors, profiles) @ factors.vectors.T
    found *= factors.scale
    return found


def _social(friends: sp.csr_matrix, W: sp.csr_matrix) -> sp.csr_matrix:
    """Return the (rows, items) sum of the friends' play weights, over the root of how many they are."""
    roots = np.sqrt(np.maximum(np.diff(friends.indptr), 1)).astype(np.float32)
    return (sp.diags(1 / roots) @ friends @ W).tocsr().astype(np.float32)


def friends_plays(model: Blend, X: sp.csr_matrix) -> sp.csr_matrix | None:
    """Return what the friends of each row add to its scores, None where they say nothing."""
    if model._friends is None or not model.friends_weight_:
        return None
    return (_social(model._friends, weighted(X)) * np.float32(model.friends_weight_)).tocsr()


def _within(progress: Progress, start: float, end: float) -> Progress:
    return lambda done, step: progress(start + (end - start) * done, step)


@dataclass(frozen=True)
class _Part:
    """A validation part: what is fitted, and of the scored rows their profiles, what is hidden, and link scores."""

    train: sp.csr_matrix
    profiles: sp.csr_matrix
    hidden: sp.csr_matrix
    linked: NDArray[np.float32]
    smooth: NDArray[np.float32] | None
    social: NDArray[np.float32] | None

    @property
    def has_smooth(self) -> bool:
        return self.smooth is not None

    def ndcg(self, factor_scores: NDArray[np.float32], chosen: Chosen) -> float:
        def scores(rows: slice) -> NDArray[np.float32]:
            found: NDArray[np.float32] = factor_scores[rows] + np.float32(chosen["links"]) * self.linked[rows]
            if self.smooth is not None and chosen["smooth"]:
                found += np.float32(chosen["smooth"]) * self.smooth[rows]
            if self.social is not None and chosen["friends"]:
                found += np.float32(chosen["friends"]) * self.social[rows]
            return found

        return mean_ndcg(scores, self.profiles, self.hidden)


def parameters_of(model: Recommender) -> dict[str, Any]:
    """Return a model's parameters with what it chose itself."""
    found: dict[str, Any] = model.get_params()
    chosen = getattr(model, "chosen_", None)
    return {**found, "chosen": chosen} if chosen is not None else found
