"""The rules of answering: what is known, what is hidden, what speaks for what, and the fallback."""

from collections.abc import Collection, Sequence
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
    Shown,
    SimilarListener,
)
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.ml.interactions import profile_weights
from app.modules.recommendations import aliases, gauges, impressions, neighbours, profiles, reading, reasons
from app.modules.recommendations.reading import Names, Profile, Weighed
from app.modules.recommendations.serving import Models, Serving

MAX_ITEMS = 200
PER_ARTIST = 2  # of recordings, while there are enough others
WEAK = 0.1  # of the best score: variety is no reason to show what hardly anything speaks for
POPULAR = "popular"
KINDS: tuple[Kind, ...] = ("recordings", "artists")


class RecommendationsService:
    """Implements `app.contracts.recommendations.Recommender`."""

    def __init__(self, database: Database, models: Models, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.models = models

    def recommend(
        self, listener_id: UUID, kind: Kind = "recordings", limit: int = 20, include_known: bool = False
    ) -> Recommendations:
        limit = max(1, min(limit, MAX_ITEMS))
        serving = self.models.get(kind)
        with self.database.begin() as session:
            profile = reading.profile(session, listener_id, kind)
        if serving is not None:
            found = self._personal(serving, listener_id, profile, kind, limit, include_known=include_known)
            if found:
                return gauges.answered(kind, Recommendations(found, serving.artefact.sha256, degraded=False))
        return gauges.answered(kind, self._popular(listener_id, profile, kind, limit, include_known=include_known))

    def _personal(
        self, serving: Serving, listener_id: UUID, profile: Profile, kind: Kind, limit: int, *, include_known: bool
    ) -> list[Recommendation]:
        artefact = serving.artefact
        own = _placed(serving, profile.weighed)
        if not own:
            return []
        items = np.array(list(own), dtype=np.int64)
        weights = profile_weights([each.plays for each in own.values()], [each.is_loved for each in own.values()])
        unwanted = profile.hidden if include_known else profile.hidden | profile.known
        excluded = [place for key in unwanted if (place := artefact.find(key)) is not None]
        places, scores = artefact.scorer.recommend(items, weights, 5 * limit + 50, excluded=excluded)
        candidates = {
            artefact.key(int(place)): (int(place), float(score)) for place, score in zip(places, scores, strict=True)
        }
        with self.database.begin() as session:
            names = reading.names(session, listener_id, kind, [*candidates, *(each.keys[0] for each in own.values())])
        distinct = _distinct([key for key in candidates if key in names], names, unwanted)
        chosen = _varied({key: candidates[key][1] for key in distinct}, names, limit, kind)
        targets = np.array([candidates[key][0] for key in chosen], dtype=np.int64)
        serving.shown.note([int(place) for place in targets])
        spoke = artefact.scorer.contributions(items, weights, targets)
        return [
            _explained(names[key], candidates[key][1], spoke[row], list(own.values()), names)
            for row, key in enumerate(chosen)
        ]

    def _popular(
        self, listener_id: UUID, profile: Profile, kind: Kind, limit: int, *, include_known: bool
    ) -> Recommendations:
        unwanted = profile.hidden if include_known else profile.hidden | profile.known
        with self.database.begin() as session:
            rows = reading.popular(session, listener_id, kind, unwanted, 5 * limit)
        names = dict(rows)
        chosen = _varied({key: float(each.listeners) for key, each in rows}, names, limit, kind)
        return Recommendations(
            [_plain(names[key], float(names[key].listeners)) for key in chosen], POPULAR, degraded=True
        )

    def similar(self, kind: Kind, key: UUID, limit: int = 20) -> Recommendations:
        limit = max(1, min(limit, MAX_ITEMS))
        viewer = context.actor().listener_id
        serving = self.models.get(kind)
        if serving is None:
            raise ItemUnknown
        place = serving.artefact.find(key)
        if place is None:
            place = self._place_of_sources(serving, viewer, kind, key)
        places, scores = serving.artefact.scorer.similar(place, 2 * limit)
        found = {serving.artefact.key(int(p)): float(s) for p, s in zip(places, scores, strict=True)}
        with self.database.begin() as session:
            names = reading.names(session, viewer, kind, found)
        near = _distinct([each for each in found if each in names], names, {key})
        items = [_plain(names[each], found[each]) for each in near]
        return Recommendations(items[:limit], serving.artefact.sha256, degraded=False)

    def has_traces(self, listener_id: UUID) -> bool:
        with self.database.begin() as session:
            return (
                profiles.size(session, listener_id) > 0
                or aliases.has_traces(session, listener_id)
                or impressions.has_traces(session, listener_id)
            )

    def record_impressions(self, listener_id: UUID, shown: list[Shown]) -> None:
        if shown:
            with self.database.begin() as session:
                impressions.record(session, listener_id, shown, self.clock())

    def _place_of_sources(self, serving: Serving, viewer: UUID | None, kind: Kind, key: UUID) -> int:
        """Return where the model has an item under a name that it was played under. Raises ItemUnknown."""
        with self.database.begin() as session:
            sources = aliases.sources(session, viewer or aliases.EVERYONE, kind, [key])
        for source in sources:
            place = serving.artefact.find(source)
            if place is not None:
                return place
        raise ItemUnknown

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
            return {
                **reading.export(session, listener_id),
                "impressions": impressions.export(session, listener_id),
            }


def _placed(serving: Serving, weighed: Sequence[Weighed]) -> dict[int, Weighed]:
    """Return the items of a profile that the model knows, under the name they are shown by or one they were played by.

    A model is made of what was sent: an item that was corrected since may have only its older names in it.
    """
    placed: dict[int, Weighed] = {}
    for each in weighed:
        for key in (each.key, *each.keys):
            place = serving.artefact.find(key)
            if place is not None:
                placed.setdefault(place, each)
                break
    return placed


def _distinct(keys: Sequence[UUID], names: dict[UUID, Names], unwanted: Collection[UUID]) -> list[UUID]:
    """Return of items that are shown as one the first, and of the unwanted none."""
    first: dict[UUID, UUID] = {}
    for key in keys:
        if names[key].key not in unwanted:
            first.setdefault(names[key].key, key)
    return list(first.values())


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


def _plain(names: Names, score: float) -> Recommendation:
    return Recommendation(names.key, names.title, names.artist, names.artist_key, score, [], 0.0)


def _explained(
    found: Names, score: float, row: NDArray[np.float64], own: list[Weighed], names: dict[UUID, Names]
) -> Recommendation:
    shown, other = reasons.greatest(row)
    because = []
    for place, share in shown:
        named = names.get(own[place].keys[0])
        if named is None:  # loved, never played by anybody here: it has no name to show
            other += share
        else:
            because.append(Because(own[place].key, named.title, named.artist, share))
    return Recommendation(found.key, found.title, found.artist, found.artist_key, score, because, other)
