"""The rules of answering: what is known, what is hidden, what speaks for what, and the fallback."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from msgspec import structs

from app.contracts.listens import Kind
from app.contracts.recommendations import (
    ArtistMap,
    ItemUnknown,
    Pick,
    Radio,
    Recommendation,
    Recommendations,
    Seeds,
    ServedModel,
    Shelves,
    Shown,
    SimilarListener,
    Steering,
)
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.contract import InvalidRequest
from app.kernel.db import Database
from app.modules.recommendations import (
    aliases,
    artist_map,
    descriptions,
    gauges,
    impressions,
    jams,
    latest,
    listener,
    neighbours,
    personal,
    profiles,
    radio,
    reading,
    shelves,
    stamps,
    steered,
)
from app.modules.recommendations.for_now import Memories
from app.modules.recommendations.listener import KINDS, Listener
from app.modules.recommendations.reading import Names, Profile
from app.modules.recommendations.serving import Models, Serving
from app.modules.recommendations.stamps import Answers

MAX_ITEMS = 200
PER_ARTIST = 2  # of recordings, while there are enough others
WEAK = 0.1  # of the best score: variety is no reason to show what hardly anything speaks for
MAX_SHELF, MAX_MAP, MAX_TAGS = 30, 100, 12
MAX_PAGE = 100_000  # of a radio
POPULAR = "popular"
AS_IS = Steering()


class RecommendationsService:
    """Implements `app.contracts.recommendations.Recommender`."""

    def __init__(self, database: Database, models: Models, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.memories = Memories()
        self.answers = Answers()
        self.models = models

    def recommend(
        self,
        listener_id: UUID,
        kind: Kind = "recordings",
        limit: int = 20,
        include_known: bool = False,
        steering: Steering | None = None,
    ) -> Recommendations:
        limit = max(1, min(limit, MAX_ITEMS))
        if steering is not None and steering != AS_IS:
            of = self._listener(listener_id, steering)
            return steered.recommend(self.database, of, kind, limit, include_known=include_known)
        serving = self.models.get(kind)
        stamp = stamps.read(self.database, listener_id)
        asked = (listener_id, kind, limit, include_known, serving.artefact.sha256 if serving is not None else None)
        kept = self.answers.get(asked, stamp)
        if kept is not None:
            return gauges.answered(kind, kept)
        with self.database.begin() as session:
            profile = reading.profile(session, listener_id, kind)
        if serving is not None:
            found = self._personal(serving, listener_id, profile, kind, limit, include_known=include_known)
            if found:
                answer = Recommendations(found, serving.artefact.sha256, degraded=False)
                # under the stamps read first: what changed meanwhile makes the next answer anew
                self.answers.keep(asked, stamp, answer)
                return gauges.answered(kind, answer)
        return gauges.answered(kind, self._popular(listener_id, profile, kind, limit, include_known=include_known))

    def _personal(
        self, serving: Serving, listener_id: UUID, profile: Profile, kind: Kind, limit: int, *, include_known: bool
    ) -> list[Recommendation]:
        folded = personal.folded(serving, profile)
        if folded is None:
            return []
        artefact = serving.artefact
        unwanted = profile.hidden if include_known else profile.hidden | profile.known
        places, scores = artefact.scorer.recommend(
            folded.places, folded.weights, 5 * limit + 50, excluded=folded.excluded(unwanted)
        )
        candidates = {
            artefact.key(int(place)): (int(place), float(score)) for place, score in zip(places, scores, strict=True)
        }
        with self.database.begin() as session:
            names = reading.names(session, listener_id, kind, [*candidates, *(each.keys[0] for each in folded.own)])
        distinct = _distinct([key for key in candidates if key in names], names, unwanted)
        chosen = _varied({key: candidates[key][1] for key in distinct}, names, limit, kind)
        targets = [candidates[key][0] for key in chosen]
        serving.shown.note(targets)
        spoke = folded.contributions(targets)
        found = []
        for row, key in enumerate(chosen):
            because, other = personal.because(spoke[row], folded.own, names)
            fixed = [structs.replace(each, plays=0) for each in because]
            found.append(structs.replace(_plain(names[key], candidates[key][1]), because=fixed, other=other))
        return found

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

    def shelves(self, listener_id: UUID, steering: Steering | None = None, size: int = 8) -> Shelves:
        of = self._listener(listener_id, steering or AS_IS)
        filled = shelves.fill(self.database, self.memories, of, max(1, min(size, MAX_SHELF)))
        with self.database.begin() as session:
            has_energy = descriptions.has_energies(session)
            tags = descriptions.tags_of_listener(session, listener_id, MAX_TAGS)
        models = {kind: serving.artefact.sha256 for kind, serving in of.models.items()}
        is_degraded = any(kind not in of.folded for kind in KINDS)
        return Shelves(filled, models, is_degraded, of.now.date(), has_energy, tags)

    def radio(
        self, listener_id: UUID, seeds: Seeds, page: int = 0, limit: int = 20, steering: Steering | None = None
    ) -> Radio:
        if not 0 <= page <= MAX_PAGE:
            raise InvalidRequest(f"pages of a radio are numbered from 0 to {MAX_PAGE}")
        of = self._listener(listener_id, steering or AS_IS)
        return radio.tune(self.database, of, seeds, page, max(1, min(limit, MAX_ITEMS)))

    def artist_map(self, listener_id: UUID, around: UUID | None = None, limit: int = 40) -> ArtistMap:
        of = self._listener(listener_id, AS_IS)
        return artist_map.draw(self.database, of, around, max(1, min(limit, MAX_MAP)))

    def known_and_loved(self, listener_id: UUID, limit: int = 50) -> list[Pick]:
        return jams.known_and_loved(self.database, self._listener(listener_id, AS_IS), max(1, min(limit, MAX_ITEMS)))

    def _listener(self, listener_id: UUID, steering: Steering) -> Listener:
        return listener.read(self.database, self.models.get, listener_id, self.clock(), steering)

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
                or latest.has_traces(session, listener_id)
                or stamps.has_traces(session, listener_id)
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
