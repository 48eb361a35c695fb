"""From a snapshot to an artefact: the matrix, the fit, what the model is worth. Nothing here knows the database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from app.contracts.listens import Kind
from app.contracts.training import NothingToTrain
from app.kernel.contract import InvalidRequest
from app.modules.training import sessions
from app.modules.training.plays import Ints, Plays
from app.modules.training.snapshots import Progress

# Parameters of the model that a run may set, with what is sound; the rest it chooses itself.
PARAMETERS: dict[str, tuple[float, float]] = {
    "neighbours": (1, 2000),
    "dense_items": (0, 10_000),
    "candidates": (1, 500),
    "factors": (0, 512),
    "iterations": (1, 50),
    "evaluations": (0, 200),
    "seed": (0, 2**31 - 1),
}
# With fewer listeners there is no crowd, and what is played together counts too; one session against one listener.
CROWD = 50
SESSION_WEIGHT = 0.5


@dataclass(frozen=True)
class Fitted:
    sha256: str
    bytes: int
    metrics: dict[str, float | None]


def checked_parameters(given: dict[str, Any]) -> dict[str, int | float]:
    """Return a run's parameters. Raises InvalidRequest for one that is unknown or out of range."""
    for name, value in given.items():
        if name not in PARAMETERS:
            raise InvalidRequest(f"parameter {name!r} is not one of {', '.join(PARAMETERS)}")
        low, high = PARAMETERS[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidRequest(f"parameter {name!r} is a whole number from {low:g} to {high:g}")
    return dict(given)


def fit(
    plays: Plays, kind: Kind, parameters: dict[str, Any], snapshot_id: str, home: Path, progress: Progress
) -> Fitted:
    """Fit, measure and write a model. Raises NothingToTrain. The same input gives the same bytes.

    One thread for linear algebra: with more, sums are added in another order and the bytes differ.
    """
    from threadpoolctl import threadpool_limits

    from app.ml.artefact import size_bytes, write
    from app.ml.blend import Blend, parameters_of
    from app.ml.interactions import interactions, session_numbers, with_sessions
    from app.ml.item_item import ItemItem
    from app.ml.ranking import hide_some, holdout_metrics

    person, item, count = totals(plays, kind)
    if not len(person):
        raise NothingToTrain(nothing(kind, has_other=bool(len(plays.listens) + len(plays.playcounts))))
    used, item = np.unique(item, return_inverse=True)
    X = interactions(person, item, count, (len(plays.people), len(used)))
    has_crowd = len(plays.people) >= CROWD or not len(plays.listens)
    with threadpool_limits(1):
        model: Blend | ItemItem = Blend(**parameters) if has_crowd else ItemItem(**_shared(parameters))
        # choices and figures come from what the listeners' hidden items leave; then all is fitted as was chosen
        train, hidden = hide_some(X, seed=model.seed)
        model.fit(train, _part(progress, 0.0, 0.6, "evaluating: "))
        metrics = holdout_metrics(model.scorer_, train, hidden)
        told = _part(progress, 0.65, 0.9, "")
        if isinstance(model, Blend):
            model.refit(X, told)
        else:
            numbers = session_numbers(plays.listens[:, 0], plays.listens[:, 1])
            heard = np.searchsorted(used, plays.listens[:, 2 if kind == "recordings" else 3])
            model.fit(with_sessions(X, numbers, heard, SESSION_WEIGHT), told, is_weighted=True)
        following = sessions.fit(plays, used, _part(progress, 0.9, 0.97, "")) if kind == "recordings" else None
    progress(0.97, "writing")
    keys = [UUID(bytes=plays.keys[k]) for k in used]
    facts = {
        "kind": kind,
        "engine": "blend" if has_crowd else "item-item",
        "identity": "v1",
        "parameters": parameters_of(model),
        "snapshot": snapshot_id,
        "metrics": metrics,
    }
    tables, weights = following or ({}, None)
    if weights is not None:
        facts["sessions"] = weights
    sha256 = write(
        home, keys, model.B_, model.popularity_, facts, factors=model.factors_, has_halves=True, tables=tables
    )
    return Fitted(sha256, size_bytes(home / sha256), metrics)


def _shared(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that both models have."""
    both = {"neighbours", "dense_items", "candidates", "seed"}
    return {name: value for name, value in parameters.items() if name in both}


def totals(plays: Plays, kind: Kind) -> tuple[Ints, Ints, Ints]:
    """Return who played what how often, in any order: listens and totals, a recording's counting for its artist too.

    A loved item counts at least once, a hidden one not at all.
    """
    is_artists = kind == "artists"
    heard = plays.listens[:, (0, 3 if is_artists else 2)]
    counted = plays.playcounts if is_artists else plays.playcounts[plays.playcounts[:, 1] == 0]
    counted_pairs = counted[:, (0, 3 if is_artists else 2)]
    said = plays.feedback[plays.feedback[:, 1] == int(is_artists)]
    pairs = np.concatenate([heard, counted_pairs, said[:, (0, 2)]])
    counts = np.concatenate([np.ones(len(heard)), counted[:, 4], np.zeros(len(said))]).astype(np.int64)
    opinions = np.concatenate([np.zeros(len(heard) + len(counted)), said[:, 3]]).astype(np.int64)
    found, place = np.unique(pairs, axis=0, return_inverse=True)
    place = place.ravel()
    summed = np.bincount(place, weights=counts, minlength=len(found)).astype(np.int64)
    opinion = np.bincount(place, weights=opinions, minlength=len(found))
    summed = np.where(opinion > 0, np.maximum(summed, 1), summed)
    kept = (summed > 0) & (opinion >= 0)
    return found[kept, 0], found[kept, 1], summed[kept]


def nothing(kind: Kind, *, has_other: bool) -> str:
    if not has_other:
        return f"there are no {kind} to train on yet: nobody has listened to anything here"
    return f"there are no {kind} to train on: the data has artists only; train artists instead"


def _part(progress: Progress, start: float, end: float, prefix: str) -> Progress:
    return lambda fraction, step: progress(start + (end - start) * fraction, prefix + step)
