"""The protocols `ranking` and `foldin`: full lists of 20 against held-out items, training items set aside."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.ml.artefact import open_artefact, size_bytes, write
from app.ml.blend import Blend, friends_plays, parameters_of
from app.ml.data_files import BadDataFile, read_columns
from app.ml.holdout import hide_fifth, rows_to_hide
from app.ml.interactions import interactions, play_weights
from app.ml.metrics import ndcg_at_k, recall_at_k
from app.ml.progress import Progress, no_progress
from app.ml.recommenders import RECOMMENDERS
from app.ml.scoring import Scorer, best

MOST = 10_000_000  # users, and items: greater numbers are no places in a matrix, which would fill the memory


@dataclass(frozen=True)
class Split:
    """`train` is what is fitted, `profiles` what each tested listener is represented by, `test` what is hidden."""

    train: sp.csr_matrix
    profiles: sp.csr_matrix
    test: sp.csr_matrix
    friends: sp.csr_matrix | None = None


def read_split(
    train: Sequence[Path], test: Path, foldin: Path | None, *, has_plays: bool, friends: Path | None = None
) -> Split:
    """Read a split; with `foldin` its listeners are other people than those of `train`."""
    files = [read_columns(path, ("user", "item"), ("plays",)) for path in train]
    held = read_columns(test, ("user", "item"))
    given = read_columns(foldin, ("user", "item"), ("plays",)) if foldin else None
    everything = [*files, held, *([given] if given else [])]
    users = 1 + max(max(columns["user"]) for columns in everything)
    items = 1 + max(max(columns["item"]) for columns in everything)
    if min(min(*c["user"], *c["item"]) for c in everything) < 0 or max(users, items) > MOST:
        raise BadDataFile(f"users and items are numbered from 0 to {MOST - 1:,}")
    fitted = sum(
        (_matrix(c, (users, items), has_plays) for c in files), sp.csr_matrix((users, items), dtype=np.float32)
    )
    profiles = _matrix(given, (users, items), has_plays) if given else fitted
    friendships = _friendships(friends, users) if friends else None
    return Split(fitted.tocsr(), profiles.tocsr(), _matrix(held, (users, items), False), friendships)


def _friendships(path: Path, users: int) -> sp.csr_matrix:
    """Return who is whose friend, both ways; people of whom nothing else is known are left out."""
    columns = read_columns(path, ("user", "friend"))
    pairs = np.array([columns["user"], columns["friend"]])
    kept = pairs[:, (pairs >= 0).all(axis=0) & (pairs < users).all(axis=0)]
    found = interactions(kept[0], kept[1], np.ones(kept.shape[1]), (users, users))
    return ((found + found.T) > 0).astype(np.float32).tocsr()


def _matrix(columns: dict[str, list[int]], shape: tuple[int, int], has_plays: bool) -> sp.csr_matrix:
    plays = columns["plays"] if has_plays and "plays" in columns else np.ones(len(columns["user"]))
    return interactions(columns["user"], columns["item"], plays, shape)


@dataclass(frozen=True)
class Quality:
    recall: float
    ndcg: float
    coverage: float
    users: int


def measure(
    scorer: Scorer,
    profiles: sp.csr_matrix,
    test: sp.csr_matrix,
    k: int,
    *,
    is_popular: bool = False,
    added: sp.csr_matrix | None = None,
) -> Quality:
    """Score every listener with held-out items; who has no profile, or too short a list, gets the popular items.

    `added` are scores (listeners, items) beside the scorer's own.
    """
    tested = np.flatnonzero(np.diff(test.indptr))
    recalls, ndcgs, shown = [], [], set()
    for user in tested:
        start, end = profiles.indptr[user], profiles.indptr[user + 1]
        own, plays = profiles.indices[start:end], profiles.data[start:end]
        beside = None if added is None or is_popular else added[user].toarray().ravel()
        ranked = _ranked(scorer, own, plays, k, is_popular=is_popular, beside=beside)
        holdout = test.indices[test.indptr[user] : test.indptr[user + 1]].tolist()
        recalls.append(recall_at_k(ranked, holdout, k))
        ndcgs.append(ndcg_at_k(ranked, holdout, k))
        shown.update(ranked)
    known = int((scorer.popularity > 0).sum())
    return Quality(float(np.mean(recalls)), float(np.mean(ndcgs)), len(shown) / max(1, known), len(tested))


def _ranked(
    scorer: Scorer,
    own: NDArray[np.int32],
    plays: NDArray[np.float32],
    k: int,
    *,
    is_popular: bool,
    beside: NDArray[np.float32] | None = None,
) -> list[int]:
    ranked: list[int] = []
    if len(own) and not is_popular and beside is None:
        ranked = scorer.recommend(own, play_weights(plays), k, excluded=own)[0].tolist()
    elif beside is not None:
        scores = scorer.scores(own, play_weights(plays)) + beside
        scores[own] = -np.inf
        ranked = best(scores, k)[0].tolist()
    if len(ranked) < k:
        ranked += scorer.popular(k - len(ranked), excluded=[*own, *ranked]).tolist()
    return ranked


def evaluate_split(
    split: Split, *, model: str, k: int, folder: Path, seed: int = 0, progress: Progress = no_progress
) -> tuple[Quality, dict[str, object]]:
    """Fit, write the artefact, open it again, and measure that."""
    started = time.perf_counter()
    with threadpool_limits(1):
        fitted = RECOMMENDERS[model](seed)
        if isinstance(fitted, Blend) and split.friends is not None:
            fitted.fit(split.train, progress, friends=split.friends)
        else:
            fitted.fit(split.train, progress)
    added = friends_plays(fitted, split.train) if isinstance(fitted, Blend) else None
    fit_seconds = time.perf_counter() - started
    keys = [UUID(int=number) for number in range(split.train.shape[1])]
    sha256 = write(
        folder, keys, fitted.B_, fitted.popularity_, {"kind": model}, factors=fitted.factors_, has_halves=True
    )
    opened = open_artefact(folder / sha256)
    started = time.perf_counter()
    quality = measure(opened.scorer, split.profiles, split.test, k, is_popular=model == "popularity", added=added)
    facts = {
        "fit_seconds": round(fit_seconds, 3),
        "score_seconds": round(time.perf_counter() - started, 3),
        "model_mb": round(size_bytes(folder / sha256) / 1e6, 3),
        "parameters": parameters_of(fitted),
        "items": split.train.shape[1],
    }
    return quality, facts


def holdout_metrics(
    scorer: Scorer, train: sp.csr_matrix, hidden: sp.csr_matrix, k: int = 20
) -> dict[str, float | None]:
    """Return recall, ndcg, coverage, popularity_recall, popularity_ndcg on hidden items; None where there are none."""
    names = ("recall", "ndcg", "coverage", "popularity_recall", "popularity_ndcg")
    if not hidden.nnz:
        return dict.fromkeys(names, None)
    own, popular = measure(scorer, train, hidden, k), measure(scorer, train, hidden, k, is_popular=True)
    figures = (own.recall, own.ndcg, own.coverage, popular.recall, popular.ndcg)
    return {name: round(figure, 4) for name, figure in zip(names, figures, strict=True)}


def hide_some(X: sp.csr_matrix, *, seed: int, listeners: int = 1000) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Hide a fifth of the items of some listeners: what is left, and what is hidden, which is nothing for too few."""
    eligible = rows_to_hide(X)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(eligible)[:listeners])
    return hide_fifth(X, rng, chosen if len(eligible) >= 2 else chosen[:0])
