"""From a snapshot to an artefact: the matrix, the fit, what the model is worth. Nothing here knows the database."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.contracts.listens import Kind
from app.contracts.training import Figure, NothingToTrain
from app.kernel.contract import InvalidRequest
from app.modules.training import sessions
from app.modules.training.checkpoint import Checkpoint
from app.modules.training.plays import Plays
from app.modules.training.snapshots import Progress
from app.modules.training.totals import totals

if TYPE_CHECKING:
    from app.ml.artefact import Artefact
    from app.ml.blend import Blend
    from app.ml.item_item import ItemItem
    from app.ml.offline import Answers, Held
    from app.ml.taste_groups import TasteGroups

Ints = NDArray[np.int64]

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
ANSWERS = 100  # are timed


@dataclass(frozen=True)
class Fitted:
    """`figures` are all that was measured, `metrics` those that the model carries with it.

    `latency_ms` is the 95th percentile of an answer by the model as it was written and opened again.
    """

    sha256: str
    bytes: int
    metrics: dict[str, float | None]
    figures: list[Figure]
    latency_ms: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Taste:
    """Groups of the items that a model was judged on, numbered as `vocabulary` says."""

    groups: "TasteGroups"
    vocabulary: Ints
    popularity: NDArray[np.float32]

    def table(self, used: Ints) -> NDArray[np.int32]:
        """Return the group of each item of the model, -1 of one that is newer than what it was judged on."""
        found = np.full(len(used), -1, dtype=np.int32)
        found[np.searchsorted(used, self.vocabulary)] = self.groups.group
        return found

    def names(self, keys: list[UUID], used: Ints) -> list[list[str]]:
        """Return the keys of the most played items of each group, by which people know it."""
        place = np.searchsorted(used, self.vocabulary)
        return [[str(keys[place[item]]) for item in items] for items in self.groups.named_by(self.popularity)]


@dataclass(frozen=True)
class Recipe:
    """How a model was made, without what it learned: enough to make it again from other data."""

    engine: str
    parameters: Mapping[str, Any]


def recipe_of(manifest: Mapping[str, Any]) -> Recipe | None:
    """Return how an artefact was made; None where it was by something that is not here."""
    engine, parameters = manifest.get("engine"), manifest.get("parameters")
    if engine in {"blend", "item-item"} and isinstance(parameters, dict):
        return Recipe(engine, parameters)
    return None


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
    plays: Plays,
    kind: Kind,
    parameters: dict[str, Any],
    snapshot_id: str,
    home: Path,
    progress: Progress,
    *,
    rival: Recipe | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Fit, measure and write a model. Raises NothingToTrain. The same input gives the same bytes.

    `rival` is how the champion was made: it is made again from what this model is judged on, and both answer for the
    same listeners. What a checkpoint holds is not done again. One thread for linear algebra: with more, sums are added
    in another order and the bytes differ.
    """
    from threadpoolctl import threadpool_limits

    from app.ml.artefact import open_artefact, size_bytes, write
    from app.ml.blend import Blend, parameters_of
    from app.ml.interactions import interactions, session_numbers, with_sessions
    from app.ml.offline import metrics_of

    person, item, count = totals(plays, kind)
    if not len(person):
        raise NothingToTrain(nothing(kind, has_other=bool(len(plays.listens) + len(plays.playcounts))))
    used, item = np.unique(item, return_inverse=True)
    has_crowd = len(plays.people) >= CROWD or not len(plays.listens)
    model = _made("blend" if has_crowd else "item-item", parameters)
    with threadpool_limits(1):
        measured, taste = _judged(model, plays, kind, rival, checkpoint or Checkpoint(None), progress)
        told = _part(progress, 0.65, 0.9, "")
        X = interactions(person, item, count, (len(plays.people), len(used)))
        if isinstance(model, Blend):
            model.refit(X, told)
        else:
            numbers = session_numbers(plays.listens[:, 0], plays.listens[:, 1])
            heard = np.searchsorted(used, plays.listens[:, 2 if kind == "recordings" else 3])
            model.fit(with_sessions(X, numbers, heard, SESSION_WEIGHT), told, is_weighted=True)
        following = sessions.fit(plays, used, _part(progress, 0.9, 0.97, "")) if kind == "recordings" else None
    progress(0.97, "writing")
    metrics = metrics_of(measured)
    keys = [UUID(bytes=plays.keys[k]) for k in used]
    facts: dict[str, Any] = {
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
    if taste is not None:
        tables["taste"] = taste.table(used)
        facts["taste"] = {"stability": round(taste.groups.stability, 4), "names": taste.names(keys, used)}
    sha256 = write(
        home, keys, model.B_, model.popularity_, facts, factors=model.factors_, has_halves=True, tables=tables
    )
    found = [_figure(each) for each in measured]
    return Fitted(sha256, size_bytes(home / sha256), metrics, found, _latency_ms(open_artefact(home / sha256), X))


def _judged(
    model: "Blend | ItemItem",
    plays: Plays,
    kind: Kind,
    rival: Recipe | None,
    checkpoint: Checkpoint,
    progress: Progress,
) -> "tuple[list[Any], Taste | None]":
    """Choose and fit on what the cut leaves, and measure on the rest; choices stay in the model.

    The figures are of the way the model is made, not of its last bytes, which have seen everything. They are reported
    by the taste groups of the same items' factors, too, which the model then carries.
    """
    from app.ml.offline import Measured, answer, figures, knn_answers, popular_answers, tested_listeners
    from app.modules.training.splitting import held_out

    held = held_out(plays, kind, seed=model.seed)
    _choose(model, held, checkpoint, _part(progress, 0.0, 0.5, "evaluating: "))
    taste = _taste(model, held)
    kept = checkpoint.read("figures")
    if kept is not None:
        return msgspec.convert(kept, list[Measured]), taste
    if not len(tested_listeners(held)):
        return [], taste
    told = _part(progress, 0.5, 0.65, "evaluating: ")
    subjects: dict[str, Answers] = {"model": answer(model.scorer_, held, progress=_part(told, 0.0, 0.3, ""))}
    subjects["popularity"] = popular_answers(held)
    told(0.4, "baselines")
    subjects["item-knn"] = knn_answers(held)
    if rival is not None:
        champion = _made(rival.engine, rival.parameters)
        _refit(champion, held, rival.parameters.get("chosen"), _part(told, 0.5, 0.8, "the champion: "))
        subjects["champion"] = answer(champion.scorer_, held, progress=_part(told, 0.8, 0.95, "the champion: "))
    measured = figures(subjects, held, taste=taste.groups.of_listeners(held.train) if taste else None)
    checkpoint.write("figures", measured)
    return measured, taste


def _taste(model: "Blend | ItemItem", held: "Held") -> Taste | None:
    """Return the groups of a model's items; None where there are no factors, or too few items to tell groups apart."""
    from app.ml.taste_groups import taste_groups

    if model.factors_ is None or held.vocabulary is None:
        return None
    groups = taste_groups(model.factors_.vectors, model.popularity_)
    return Taste(groups, held.vocabulary, model.popularity_) if groups.count > 1 else None


def scorer_of_parameters(plays: Plays, kind: Kind, progress: Progress) -> Callable[[dict[str, Any]], float]:
    """Return what a search maximises: the NDCG on listening before that which the run itself is judged on."""
    from threadpoolctl import threadpool_limits

    from app.ml.offline import answer
    from app.modules.training.splitting import held_out

    cut = held_out(plays, kind, seed=0).cut
    before = plays if cut is None else replace(plays, listens=plays.listens[plays.listens[:, 1] < cut])
    # without times, other items are hidden than those that the run is judged on
    held = held_out(before, kind, seed=0 if cut is not None else 1)
    has_crowd = len(plays.people) >= CROWD or not len(plays.listens)

    def value(parameters: dict[str, Any]) -> float:
        with threadpool_limits(1):
            model = _made("blend" if has_crowd else "item-item", parameters).fit(held.train, progress)
            values = answer(model.scorer_, held).by_listener["ndcg"]
        return round(float(values.mean()), 9) if len(values) else 0.0

    return value


def _choose(model: "Blend | ItemItem", held: "Held", checkpoint: Checkpoint, progress: Progress) -> None:
    """Fit on what may be seen, choosing all that is to be chosen, or with what was chosen before a kill."""
    chosen = checkpoint.read("chosen")
    if chosen is not None:
        _refit(model, held, chosen, progress)
        return
    model.fit(held.train, progress)
    checkpoint.write("chosen", getattr(model, "chosen_", {}))


def _refit(model: "Blend | ItemItem", held: "Held", chosen: Any, progress: Progress) -> None:
    from app.ml.blend import Blend

    if isinstance(model, Blend) and chosen:
        model.chosen_ = dict(chosen)
        model.refit(held.train, progress)
    else:
        model.fit(held.train, progress)


def _made(engine: str, parameters: Mapping[str, Any]) -> "Blend | ItemItem":
    """Return an unfitted model; parameters that it doesn't have, or that an older one had, are left out."""
    from app.ml.blend import Blend
    from app.ml.item_item import ItemItem

    kind = Blend if engine == "blend" else ItemItem
    names = set(kind().get_params()) - {"chosen"}
    return kind(**{name: value for name, value in parameters.items() if name in names})


def _latency_ms(opened: "Artefact", X: Any) -> float:
    """Return the 95th percentile of answers to up to 100 listeners, in milliseconds of this thread's own time.

    What else a busy machine does at that moment says nothing of the model.
    """
    from app.ml.interactions import play_weights

    taken = []
    for listener in range(min(ANSWERS, X.shape[0])):
        row = slice(X.indptr[listener], X.indptr[listener + 1])
        started = time.thread_time()
        opened.scorer.recommend(X.indices[row], play_weights(X.data[row]), 20, excluded=X.indices[row])
        taken.append(time.thread_time() - started)
    return float(np.quantile(taken, 0.95)) * 1000


def _figure(measured: Any) -> Figure:
    return Figure(
        measured.subject,
        measured.cohort,
        measured.metric,
        round(measured.value, 6),
        None if measured.low is None else round(measured.low, 6),
        None if measured.high is None else round(measured.high, 6),
        measured.listeners,
    )


def nothing(kind: Kind, *, has_other: bool) -> str:
    if not has_other:
        return f"there are no {kind} to train on yet: nobody has listened to anything here"
    return f"there are no {kind} to train on: the data has artists only; train artists instead"


def _part(progress: Progress, start: float, end: float, prefix: str) -> Progress:
    return lambda fraction, step: progress(start + (end - start) * fraction, prefix + step)
