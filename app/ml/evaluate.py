"""`manage.py evaluate`: the protocols on files, without a server."""

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.alone import community_choice, measure_alone
from app.ml.artefact import Artefact, open_artefact, size_bytes, write
from app.ml.data_files import BadDataFile
from app.ml.own_history import WEIGHTS
from app.ml.part_features import features, named, weights_of
from app.ml.progress import Progress, no_progress
from app.ml.ranking import evaluate_split, read_split
from app.ml.recommenders import RECOMMENDERS
from app.ml.session_model import SessionModel, histories
from app.ml.session_scoring import PARTS, SessionScorer, SessionTable
from app.ml.sessions import (
    LAST,
    RULE_STEPS,
    NextScores,
    Play,
    cut,
    fit_rules,
    measure_next,
    next_of_rules,
    read_plays,
    session_table,
    sessions_of,
)  # fmt: skip

KEYS = (
    "model", "protocol", "recall", "ndcg", "hit_rate", "mrr", "hit_rate_all", "mrr_all", "coverage", "k", "users",
    "items", "fit_seconds", "score_seconds", "peak_rss_mb", "model_mb", "parameters",
)  # fmt: skip
MODELS = {
    "ranking": tuple(RECOMMENDERS),
    "foldin": tuple(RECOMMENDERS),
    "next": ("session", "sequential-rules"),
    "alone": ("own-history",),
}

# what --without may name: plays matter to ranking and foldin, friends to ranking, artists to next and alone
LEFT_OUT = ("plays", "friends", "artist")


def evaluate(
    protocol: str,
    *,
    train: Sequence[Path],
    test: Path | None = None,
    foldin: Path | None = None,
    friends: Path | None = None,
    window: str | None = None,
    community: bool = False,
    without: Sequence[str] = (),
    model: str | None = None,
    k: int = 20,
    seed: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Score a model under a protocol and return the figures by `KEYS`, None where one does not apply.

    What is scored is the artefact as it was written and opened again. Raises BadDataFile for files, or a combination of
    options, that can't be evaluated.
    """
    chosen = model or MODELS[protocol][0]
    if chosen not in MODELS[protocol]:
        raise BadDataFile(f"protocol {protocol} has the models {', '.join(MODELS[protocol])}, not {chosen!r}")
    if friends is not None and (protocol, chosen) != ("ranking", "blend"):
        raise BadDataFile("--friends is for the blend under the protocol ranking")
    if unknown := set(without) - set(LEFT_OUT):
        raise BadDataFile(f"--without takes {', '.join(LEFT_OUT)}, not {', '.join(sorted(unknown))}")
    if community and protocol != "alone":
        raise BadDataFile("--community belongs to the protocol alone")
    found: dict[str, Any] = dict.fromkeys(KEYS)
    found.update(model=chosen, protocol=protocol, k=k)
    with tempfile.TemporaryDirectory(prefix="segue-evaluate-") as folder:
        if protocol in {"ranking", "foldin"}:
            _ranking(found, Path(folder), train, test, foldin, friends, chosen, k, seed, without, progress)
        elif protocol == "next":
            _next(found, Path(folder), train, test, window, chosen, k, without, progress)
        else:
            _alone(found, train, k, without, progress, has_community=community)
    # ru_maxrss counts kilobytes on Linux, bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["peak_rss_mb"] = round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
    return found


def _ranking(
    found: dict[str, Any],
    folder: Path,
    train: Sequence[Path],
    test: Path | None,
    foldin: Path | None,
    friends: Path | None,
    model: str,
    k: int,
    seed: int,
    without: Sequence[str],
    progress: Progress,
) -> None:
    if test is None:
        raise BadDataFile("this protocol needs --test")
    if (found["protocol"] == "foldin") != (foldin is not None):
        raise BadDataFile("--foldin belongs to the protocol foldin, which needs it")
    used = None if "friends" in without else friends
    split = read_split(train, test, foldin, has_plays="plays" not in without, friends=used)
    quality, facts = evaluate_split(split, model=model, k=k, folder=folder, seed=seed, progress=progress)
    found.update(recall=quality.recall, ndcg=quality.ndcg, coverage=quality.coverage, users=quality.users, **facts)


def _next(
    found: dict[str, Any],
    folder: Path,
    train: Sequence[Path],
    test: Path | None,
    window: str | None,
    model: str,
    k: int,
    without: Sequence[str],
    progress: Progress,
) -> None:
    if (window is None) == (test is None):
        raise BadDataFile("next takes one file with --window, or --train and --test")
    plays = _plays(train, without)
    fitted, tested = (sessions_of(plays), sessions_of(_plays([test], without))) if test else cut(plays, str(window))
    if not fitted:
        raise BadDataFile(f"window {window!r}: there is nothing before it to train on")
    started = time.perf_counter()
    rules, tracks = fit_rules(fitted)
    popularity = np.asarray((rules > 0).sum(axis=0)).ravel().astype(np.float32)
    keys = [UUID(int=track) for track in tracks]
    facts: dict[str, Any] = {"kind": model}
    tables: dict[str, NDArray[Any]] = {}
    listeners: list[int] = []
    parameters: dict[str, Any] = {"steps": RULE_STEPS, "last": LAST}
    if model == "session":
        table, _, listeners = session_table(fitted)
        fit = SessionModel().fit(table, listeners, progress)
        parameters = {**fit.get_params(), "chosen": fit.chosen_}
        tables = {"starts": table.starts, "items": table.items, "artists": table.artists}
        facts = {"kind": model, "parameters": parameters}
    found["fit_seconds"] = round(time.perf_counter() - started, 3)
    sha256 = write(folder, keys, rules, popularity, facts, tables=tables)
    opened = open_artefact(folder / sha256)
    started = time.perf_counter()
    scores = _served_sessions(opened, listeners) if model == "session" else next_of_rules(_served_rules(opened))
    hits = measure_next(scores, [opened.key(i).int for i in range(len(tracks))], tested, k, progress)
    found.update(
        score_seconds=round(time.perf_counter() - started, 3),
        model_mb=round(size_bytes(folder / sha256) / 1e6, 3),
        items=len(tracks),
        users=hits.users,
        hit_rate=hits.hit_rate,
        mrr=hits.mrr,
        hit_rate_all=hits.hit_rate_all,
        mrr_all=hits.mrr_all,
        parameters=parameters,
    )


def _served_rules(opened: Artefact) -> sp.csr_matrix:
    items = opened.scorer.items
    return sp.csr_matrix((opened.scorer.data, opened.scorer.indices, opened.scorer.indptr), shape=(items, items))


def _served_sessions(opened: Artefact, listeners: Sequence[int]) -> NextScores:
    """Return what scores by the session model; a listener's own plays come from outside, as they do in serving."""
    table = SessionTable(opened.tables["starts"], opened.tables["items"], opened.tables["artists"])
    scorer, known = SessionScorer(table), histories(table, listeners)
    chosen = opened.manifest["parameters"]["chosen"]
    weights = weights_of(chosen, PARTS)

    def scores(items: Sequence[int], user: int) -> dict[int, float]:
        listed, parts = scorer.parts(items, known.get(user, []))
        return dict(zip(listed.tolist(), (features(parts) @ weights).tolist(), strict=True))

    return scores


def _plays(files: Sequence[Path], without: Sequence[str]) -> list[Play]:
    plays = read_plays(files)
    # without artists, every track is by an artist of its own
    return [replace(play, artist=play.track) for play in plays] if "artist" in without else plays


def _alone(
    found: dict[str, Any],
    train: Sequence[Path],
    k: int,
    without: Sequence[str],
    progress: Progress,
    *,
    has_community: bool,
) -> None:
    plays = _plays(train, without)
    started = time.perf_counter()
    choice = community_choice(plays, progress) if has_community else None
    hits = measure_alone(plays, k, progress, has_community=has_community, choice=choice)
    found.update(
        score_seconds=round(time.perf_counter() - started, 3),
        items=len({play.track for play in plays}),
        users=hits.users,
        hit_rate=hits.hit_rate,
        mrr=hits.mrr,
        parameters={
            "community": has_community,
            "weights": dict(WEIGHTS) if choice is None else named(choice.coef_, list(WEIGHTS)),
        },
    )
