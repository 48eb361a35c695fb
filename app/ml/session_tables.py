"""The session model as arrays of an artefact: what a fit counted, mapped instead of counted again by each process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from app.ml.own_and_others import TOGETHER, joined
from app.ml.part_features import features, weights_of
from app.ml.session_scoring import HISTORY, PARTS, Doubles, Inverted, SessionScorer, SessionTable

__all__ = ["HISTORY", "SessionTables", "arrays_of", "opened"]

PREFIX = "session-"
RULES_KEPT = 100  # followers of an item, the most frequent
LISTED = 300  # of what may come next
LISTED_TOGETHER = 1000  # of what may come next by one's own history too


@dataclass(frozen=True)
class SessionTables:
    """An opened session model with the weights of its parts."""

    scorer: SessionScorer
    weights: Doubles
    together: Doubles | None = None  # beside a listener's own history; older artefacts have none

    def scores(self, session: Sequence[int], history: Sequence[int]) -> tuple[NDArray[np.int64], Doubles]:
        """Return the items that may come after a session so far, best first, with their odds against the first."""
        listed, parts = self.scorer.parts(session, history)
        found = features(parts) @ self.weights
        order = np.argsort(-found, kind="stable")[:LISTED]
        return listed[order], np.exp(found[order] - found.max(initial=-np.inf))

    def scores_together(
        self, session: Sequence[int], history: Sequence[int], own: Mapping[str, Mapping[int, float]]
    ) -> tuple[NDArray[np.int64], Doubles]:
        """Return the same with the parts of the listener's own history, of which items may be others than the model's.

        Raises ValueError where the model was not weighed for that.
        """
        if self.together is None:
            raise ValueError("this model does not say what own histories weigh")
        items, parts = joined(own, *self.scorer.parts(session, history))
        found = features(parts) @ self.together
        order = np.argsort(-found, kind="stable")[:LISTED_TOGETHER]
        return items[order], np.exp(found[order] - found.max(initial=-np.inf))


def arrays_of(scorer: SessionScorer) -> dict[str, NDArray[Any]]:
    """Return the arrays of a fitted model by the names that `opened` knows; rules are cut to `RULES_KEPT` a row."""
    rules, artist_rules = _cut(scorer.rules), _cut(scorer.artist_rules)
    found: dict[str, NDArray[Any]] = {
        "starts": scorer.table.starts.astype(np.int64),
        "items": scorer.table.items.astype(np.int32),
        "artists": scorer.table.artists.astype(np.int32),
        "of": scorer.session_of.astype(np.int32),
        "rarity": scorer.rarity.astype(np.float32),
        "artist-rarity": scorer.artist_rarity.astype(np.float32),
    }
    for name, inverted in (
        ("places", scorer.places),
        ("artist-places", scorer.artist_places),
        ("by", scorer.of_artist),
    ):
        found[f"{name}-starts"] = inverted.starts.astype(np.int64)
        found[f"{name}-order"] = inverted.order.astype(np.int32)
    for name, matrix in (("rules", rules), ("artist-rules", artist_rules)):
        found[f"{name}-indptr"] = matrix.indptr.astype(np.int64)
        found[f"{name}-indices"] = matrix.indices.astype(np.int32)
        found[f"{name}-data"] = matrix.data.astype(np.float32)
    return {PREFIX + name: array for name, array in found.items()}


def opened(tables: Mapping[str, NDArray[Any]], weights: Mapping[str, float]) -> SessionTables | None:
    """Return the session model of an artefact's tables, None where there is none in them, or none that fits."""
    own = {name.removeprefix(PREFIX): array for name, array in tables.items() if name.startswith(PREFIX)}
    if "starts" not in own or not all(part in weights for part in PARTS):
        return None
    try:
        if not _fit_together(own):
            return None
        scorer = SessionScorer.from_arrays(
            SessionTable(own["starts"], own["items"], own["artists"]),
            session_of=own["of"],
            places=Inverted(own["places-starts"], own["places-order"]),
            artist_places=Inverted(own["artist-places-starts"], own["artist-places-order"]),
            of_artist=Inverted(own["by-starts"], own["by-order"]),
            rules=_matrix(own, "rules"),
            artist_rules=_matrix(own, "artist-rules"),
            rarity=own["rarity"],
            artist_rarity=own["artist-rarity"],
        )
    except (KeyError, ValueError, IndexError):
        return None
    together = weights_of(weights, TOGETHER) if any(part in weights for part in TOGETHER) else None
    return SessionTables(scorer, weights_of(weights, PARTS), together)


def _fit_together(own: Mapping[str, NDArray[Any]]) -> bool:
    """Say whether numbers of items, artists, sessions and places are in range."""
    sessions, items, plays = len(own["starts"]) - 1, len(own["artists"]), len(own["items"])
    artists = len(own["by-starts"]) - 1
    ranges = {
        "items": items,
        "artists": artists,
        "of": sessions,
        "places-order": plays,
        "artist-places-order": plays,
        "by-order": items,
        "rules-indices": items,
        "artist-rules-indices": artists,
    }
    in_range = all(
        not len(own[name]) or 0 <= own[name].min() <= own[name].max() < most for name, most in ranges.items()
    )
    bounds = {"starts": "items", "places-starts": "places-order", "rules-indptr": "rules-indices"}
    return in_range and all(int(own[name][-1]) == len(own[of]) for name, of in bounds.items())


def _cut(rules: sp.csr_matrix) -> sp.csr_matrix:
    rules = sp.csr_matrix(rules)
    kept = np.zeros(rules.nnz, dtype=bool)
    for row in range(rules.shape[0]):
        start, end = rules.indptr[row], rules.indptr[row + 1]
        if end - start <= RULES_KEPT:
            kept[start:end] = True
        else:
            order = np.lexsort((rules.indices[start:end], -rules.data[start:end]))[:RULES_KEPT]
            kept[start + order] = True
    rows = np.repeat(np.arange(rules.shape[0]), np.diff(rules.indptr))[kept]
    return sp.csr_matrix((rules.data[kept], (rows, rules.indices[kept])), shape=rules.shape)


def _matrix(own: Mapping[str, NDArray[Any]], name: str) -> sp.csr_matrix:
    indptr, indices, data = (own[f"{name}-{part}"] for part in ("indptr", "indices", "data"))
    rows = len(indptr) - 1
    # not checked entry by entry: the artefact's hashes were
    found = sp.csr_matrix((rows, rows), dtype=np.float32)
    found.indptr, found.indices, found.data = indptr, indices, data
    return found
