"""The rules of answering: what is known, what is hidden, what speaks for what, and the fallback."""

import logging
import math
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import structs

from app.contracts.experiments import ExperimentSums, ModelHealth, ServedBy
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
    Shelf,
    Shelves,
    Shown,
    SimilarListener,
    Steering,
)
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.contract import DomainError, InvalidRequest
from app.kernel.db import Database
from app.kernel.kept import Kept
from app.modules.recommendations import (
    aliases,
    answers,
    artist_map,
    descriptions,
    gauges,
    impressions,
    jams,
    latest,
    listener,
    neighbours,
    outcomes,
    personal,
    profiles,
    radio,
    reading,
    shelves,
    stamps,
    steered,
    unplayed,
)
from app.modules.recommendations.listener import KINDS, Listener
from app.modules.recommendations.memories import Memories
from app.modules.recommendations.reading import Names, Profile
from app.modules.recommendations.serving import Models, Serving
from app.modules.recommendations.serving import served_by as serving_processes

log = logging.getLogger(__name__)

MAX_ITEMS = 200
MOST_KEPT, MOST_SHELVES = 2000, 300  # answers of a process
PER_ARTIST = 2  # of recordings, while there are enough others
WEAK = 0.1  # of the best score: variety is no reason to show what hardly anything speaks for
MAX_SHELF, MAX_MAP, MAX_TAGS = 30, 100, 12
MAX_PAGE = 100_000  # of a radio
POPULAR, LIKENESS = "popular", "likeness"
AS_IS = Steering()
NO_MODEL = UUID(int=0)  # of one that serves in the place of a champion that is refused
ATTEMPTS = 3  # the model of the listener's arm, the champion, the one before


class RecommendationsService:
    """Implements `app.contracts.recommendations.Recommender`."""

    def __init__(self, database: Database, models: Models, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.memories = Memories()
        self.answers = Kept[Recommendations](MOST_KEPT)
        self.kept_shelves = Kept[Shelves](MOST_SHELVES)
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
        choice = self.models.choose(kind, listener_id)
        stamp = stamps.read(self.database, listener_id)
        first = choice.serving[0].artefact.sha256 if choice.serving else None
        asked = (listener_id, kind, limit, include_known)
        kept = self.answers.get(asked, stamp, first) if choice.shadow is None else None
        if kept is not None:
            return gauges.answered(kind, kept)
        with self.database.begin() as session:
            profile = reading.profile(session, listener_id, kind)
        silent: list[Serving] = []
        for serving in choice.serving:
            found = self._answer(serving, listener_id, profile, kind, limit, include_known=include_known)
            if found:
                for each in silent:
                    self.models.answers.count_empty(kind, each.artefact.sha256)
                if choice.shadow is not None:
                    self._ask_shadow(choice.shadow, found, listener_id, profile, kind)
                answer = Recommendations(found, serving.artefact.sha256, degraded=False)
                if not silent:
                    # under the stamps read first: what changed meanwhile makes the next answer anew
                    self.answers.keep(asked, stamp, answer, first)
                return gauges.answered(kind, answer)
            silent.append(serving)
        return gauges.answered(kind, self._popular(listener_id, profile, kind, limit, include_known=include_known))

    def _answer(
        self, serving: Serving, listener_id: UUID, profile: Profile, kind: Kind, limit: int, *, include_known: bool
    ) -> list[Recommendation]:
        """Return what a model recommends, nothing where it fails; count how it answered."""
        started, is_error = time.perf_counter(), False
        found: list[Recommendation] = []
        try:
            found = self._personal(serving, listener_id, profile, kind, limit, include_known=include_known)
            if not all(math.isfinite(each.score) for each in found):
                raise FloatingPointError("a score is not a number")
        except DomainError:
            raise
        except Exception:
            # whatever a model does, who asked gets an answer; who watches it sees that it erred
            log.exception("a model failed", extra={"kind": kind, "sha256": serving.artefact.sha256})
            found, is_error = [], True
        took_ms = (time.perf_counter() - started) * 1000
        self.models.answers.count(kind, serving.artefact.sha256, took_ms, is_error=is_error)
        return found

    def _ask_shadow(
        self, shadow: Serving, shown: list[Recommendation], listener_id: UUID, profile: Profile, kind: Kind
    ) -> None:
        """Ask a model that nobody sees, and note how much of its answer is the same."""
        found = self._answer(shadow, listener_id, profile, kind, len(shown), include_known=False)
        if not found:
            self.models.answers.count_empty(kind, shadow.artefact.sha256)
        overlap = len({each.key for each in found} & {each.key for each in shown}) / len(shown)
        self.models.answers.count_shadow(shadow.artefact.sha256, overlap)
        log.info(
            "shadow answered",
            extra={
                "kind": kind,
                "sha256": shadow.artefact.sha256,
                "overlap": round(overlap, 3),
                "keys": [str(each.key) for each in found],
            },
        )

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
        steering, size = steering or AS_IS, max(1, min(size, MAX_SHELF))
        chosen = {kind: self.models.choose(kind, listener_id) for kind in KINDS}
        first = {kind: choice.serving[0].artefact.sha256 for kind, choice in chosen.items() if choice.serving}
        stamp = stamps.read(self.database, listener_id)
        asked, by = (listener_id, steering, size, self.clock().date()), tuple(first.items())
        kept = None if any(choice.shadow for choice in chosen.values()) else self.kept_shelves.get(asked, stamp, by)
        if kept is not None:
            return kept
        of, filled = self._filled(listener_id, steering, size)
        self._ask_shadows(of, filled, steering, size)
        with self.database.begin() as session:
            has_energy = descriptions.has_energies(session)
            tags = descriptions.tags_of_listener(session, listener_id, MAX_TAGS)
        unplayed_here = shelves.offer_unplayed(self.database, of, size)
        models = {kind: serving.artefact.sha256 for kind, serving in of.models.items()}
        is_degraded = any(kind not in of.folded for kind in KINDS)
        made = Shelves(filled, models, is_degraded, of.now.date(), has_energy, tags, unplayed_here)
        if models == first:
            self.kept_shelves.keep(asked, stamp, made, by)
        return made

    def _filled(self, listener_id: UUID, steering: Steering, size: int) -> tuple[Listener, list[Shelf]]:
        """Fill a listener's shelves with the models of their arms, or the next ones where those fail."""
        for attempt in range(ATTEMPTS):
            of = self._listener(listener_id, steering, attempt)
            started, is_error = time.perf_counter(), False
            try:
                return of, shelves.fill(self.database, self.memories, of, size)
            except DomainError:
                raise
            except Exception:
                is_error = True
                if attempt == ATTEMPTS - 1:
                    raise
                log.exception("shelves can't be filled", extra={"attempt": attempt})
            finally:
                took_ms = (time.perf_counter() - started) * 1000
                for kind, serving in of.models.items():
                    self.models.answers.count(kind, serving.artefact.sha256, took_ms, is_error=is_error)
        raise AssertionError("unreachable")

    def _ask_shadows(self, of: Listener, shown: list[Shelf], steering: Steering, size: int) -> None:
        """Fill the same shelves with the models that nobody sees, and note how much of them is the same."""
        chosen = {kind: self.models.choose(kind, of.listener_id).shadow for kind in KINDS}
        shadows = {kind: shadow for kind, shadow in chosen.items() if shadow is not None}
        if not shadows:
            return
        started, is_error = time.perf_counter(), False
        filled: list[Shelf] = []
        try:
            instead = listener.read(
                self.database, lambda kind: shadows.get(kind) or of.models.get(kind), of.listener_id, of.now, steering
            )
            filled = shelves.fill(self.database, self.memories, instead, size)
        except Exception:
            # nobody waits for a shadow's shelves but who watches it, and they see that it erred
            log.exception("a shadow's shelves can't be filled")
            is_error = True
        took_ms = (time.perf_counter() - started) * 1000
        for kind, shadow in shadows.items():
            self.models.answers.count(kind, shadow.artefact.sha256, took_ms, is_error=is_error)
            seen, unseen = ({i.key for s in each if s.kind == kind for i in s.items} for each in (shown, filled))
            if seen and not is_error:
                self.models.answers.count_shadow(shadow.artefact.sha256, len(seen & unseen) / len(seen))

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

    def _listener(self, listener_id: UUID, steering: Steering, attempt: int = 0) -> Listener:
        def model(kind: Kind) -> Serving | None:
            found = self.models.choose(kind, listener_id).serving
            return found[min(attempt, len(found) - 1)] if found else None

        return listener.read(self.database, model, listener_id, self.clock(), steering)

    def similar(self, kind: Kind, key: UUID, limit: int = 20) -> Recommendations:
        limit = max(1, min(limit, MAX_ITEMS))
        viewer = context.actor().listener_id
        serving = self.models.get(kind)
        place = self._place(serving, viewer, kind, key) if serving is not None else None
        if serving is None or place is None:
            return self._alike(viewer, kind, key, limit)
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

    def record_click(self, listener_id: UUID, kind: Kind, key: UUID) -> None:
        with self.database.begin() as session:
            outcomes.note_click(session, listener_id, kind, key, self.clock())

    def outcome_sums(
        self,
        kind: Kind,
        control_sha256: str,
        treatment_sha256: str,
        since: datetime,
        until: datetime | None = None,
    ) -> ExperimentSums:
        with self.database.begin() as session:
            return outcomes.sums(session, kind, control_sha256, treatment_sha256, since, until)

    def model_health(self, sha256s: list[str], since: datetime) -> list[ModelHealth]:
        with self.database.begin() as session:
            return answers.health(session, sha256s, since)

    def served_by(self) -> list[ServedBy]:
        with self.database.begin() as session:
            return serving_processes(session)

    def _place(self, serving: Serving, viewer: UUID | None, kind: Kind, key: UUID) -> int | None:
        """Return where the model has an item, under its own name or one that it was played under."""
        place = serving.artefact.find(key)
        if place is not None:
            return place
        with self.database.begin() as session:
            sources = aliases.sources(session, viewer or aliases.EVERYONE, kind, [key])
        return next((place for source in sources if (place := serving.artefact.find(source)) is not None), None)

    def _alike(self, viewer: UUID | None, kind: Kind, key: UUID, limit: int) -> Recommendations:
        """Return what a recording that no model knows is like, by its sound, artist and tags. Raises ItemUnknown."""
        if kind != "recordings":
            raise ItemUnknown
        with self.database.begin() as session:
            found = unplayed.alike(session, key)
            names = reading.names(session, viewer, kind, found)
        near = _distinct([each for each in found if each in names], names, {key})
        if not near:
            raise ItemUnknown
        return Recommendations([_plain(names[each], found[each]) for each in near][:limit], LIKENESS, degraded=False)

    def similar_listeners(self, listener_id: UUID, limit: int = 25) -> list[SimilarListener]:
        with self.database.begin() as session:
            return neighbours.similar(session, listener_id, max(1, min(limit, MAX_ITEMS)))

    def served_models(self) -> list[ServedModel]:
        served = [self.models.get(kind) for kind in KINDS]
        return [
            ServedModel(kind, each.artefact.sha256, each.model_id or NO_MODEL, each.artefact.scorer.items)
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
