"""The rules of answering: what is known, what is hidden, what speaks for what, and the fallback."""

from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.contracts.listens import Kind
from app.contracts.recommendations import (
    Because,
    ItemUnknown,
    Recommendation,
    Recommendations,
    ServedModel,
    SimilarListener,
)
from app.kernel.db import Database
from app.ml.interactions import profile_weights
from app.modules.recommendations import neighbours, profiles, reading, reasons
from app.modules.recommendations.reading import Names, Profile
from app.modules.recommendations.serving import Models, Serving

MAX_ITEMS = 200
PER_ARTIST = 2  # of recordings, while there are enough others
WEAK = 0.1  # of the best score: variety is no reason to show what hardly anything speaks for
POPULAR = "popular"
KINDS: tuple[Kind, ...] = ("recordings", "artists")


class RecommendationsService:
    """Implements `app.contracts.recommendations.Recommender`."""

    def __init__(self, database: Database, models: Models) -> None:
        self.database = database
        self.models = models

    def recommend(
        self, listener_id: UUID, kind: Kind = "recordings", limit: int = 20, include_known: bool = False
    ) -> Recommendations:
        limit = max(1, min(limit, MAX_ITEMS))
        serving = self.models.get(kind)
        with self.database.begin() as session:
            profile = reading.profile(session, listener_id, kind)
        if serving is not None:
            found = self._personal(serving, profile, kind, limit, include_known=include_known)
            if found:
                return Recommendations(found, serving.artefact.sha256, degraded=False)
        return self._popular(profile, kind, limit, include_known=include_known)

    def _personal(
        self, serving: Serving, profile: Profile, kind: Kind, limit: int, *, include_known: bool
    ) -> list[Recommendation]:
        artefact = serving.artefact
        own = [
            (key, place, plays, is_loved)
            for key, plays, is_loved in profile.weighed
            if (place := artefact.find(key)) is not None
        ]
        if not own:
            return []
        items = np.array([place for _, place, _, _ in own], dtype=np.int64)
        weights = profile_weights([plays for _, _, plays, _ in own], [is_loved for *_, is_loved in own])
        unwanted = profile.hidden if include_known else profile.hidden | profile.known
        excluded = [place for key in unwanted if (place := artefact.find(key)) is not None]
        places, scores = artefact.scorer.recommend(items, weights, 5 * limit + 50, excluded=excluded)
        candidates = {
            artefact.key(int(place)): (int(place), float(score)) for place, score in zip(places, scores, strict=True)
        }
        with self.database.begin() as session:
            names = reading.names(session, kind, [*candidates, *(key for key, *_ in own)])
        chosen = _varied({key: score for key, (_, score) in candidates.items() if key in names}, names, limit, kind)
        targets = np.array([candidates[key][0] for key in chosen], dtype=np.int64)
        spoke = reasons.contributions(artefact.scorer, items, weights, targets)
        return [
            _explained(key, candidates[key][1], spoke[row], [k for k, *_ in own], names)
            for row, key in enumerate(chosen)
        ]

    def _popular(self, profile: Profile, kind: Kind, limit: int, *, include_known: bool) -> Recommendations:
        unwanted = profile.hidden if include_known else profile.hidden | profile.known
        with self.database.begin() as session:
            rows = reading.popular(session, kind, unwanted, 5 * limit)
        names = dict(rows)
        chosen = _varied({key: float(each.listeners) for key, each in rows}, names, limit, kind)
        return Recommendations(
            [_plain(key, names[key], float(names[key].listeners)) for key in chosen], POPULAR, degraded=True
        )

    def similar(self, kind: Kind, key: UUID, limit: int = 20) -> Recommendations:
        limit = max(1, min(limit, MAX_ITEMS))
        serving = self.models.get(kind)
        place = serving.artefact.find(key) if serving is not None else None
        if serving is None or place is None:
            raise ItemUnknown
        places, scores = serving.artefact.scorer.similar(place, 2 * limit)
        found = [(serving.artefact.key(int(p)), float(s)) for p, s in zip(places, scores, strict=True)]
        with self.database.begin() as session:
            names = reading.names(session, kind, [near for near, _ in found])
        items = [_plain(near, names[near], score) for near, score in found if near in names]
        return Recommendations(items[:limit], serving.artefact.sha256, degraded=False)

    def has_traces(self, listener_id: UUID) -> bool:
        with self.database.begin() as session:
            return profiles.size(session, listener_id) > 0

    def similar_listeners(self, listener_id: UUID, limit: int = 25) -> list[SimilarListener]:
        with self.database.begin() as session:
            return neighbours.similar(session, listener_id, max(1, min(limit, MAX_ITEMS)))

    def served_models(self) -> list[ServedModel]:
        served = [self.models.get(kind) for kind in KINDS]
        return [
            ServedModel(kind, each.artefact.sha256, each.model_id, each.artefact.scorer.items)
            for kind, each in zip(KINDS, served, strict=True)
            if each is not None
        ]

    def profile_size(self, listener_id: UUID) -> int:
        with self.database.begin() as session:
            return profiles.size(session, listener_id)

    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        with self.database.begin() as session:
            return reading.export(session, listener_id)


def _varied(scores: dict[UUID, float], names: dict[UUID, Names], limit: int, kind: Kind) -> list[UUID]:
    """Return the best `limit` with few of each artist; what that sets aside comes before what is weak."""
    if kind == "artists":
        return list(scores)[:limit]
    least = WEAK * max(scores.values(), default=0.0)
    counts: dict[UUID, int] = {}
    chosen: list[UUID] = []
    aside: list[UUID] = []
    weak: list[UUID] = []
    for key, score in scores.items():
        artist = names[key].artist_key
        counts[artist] = counts.get(artist, 0) + 1
        (weak if score < least else chosen if counts[artist] <= PER_ARTIST else aside).append(key)
    return (chosen + aside + weak)[:limit]


def _plain(key: UUID, names: Names, score: float) -> Recommendation:
    return Recommendation(key, names.title, names.artist, names.artist_key, score, [], 0.0)


def _explained(
    key: UUID, score: float, row: NDArray[np.float64], own: list[UUID], names: dict[UUID, Names]
) -> Recommendation:
    shown, other = reasons.greatest(row)
    because = []
    for place, share in shown:
        named = names.get(own[place])
        if named is None:  # loved, never played by anybody here: it has no name to show
            other += share
        else:
            because.append(Because(own[place], named.title, named.artist, share))
    found = names[key]
    return Recommendation(key, found.title, found.artist, found.artist_key, score, because, other)
