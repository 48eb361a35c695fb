"""Recommendations as a listener turned them: sliders, an artist, a tag, variety, an order of the day."""

from collections.abc import Mapping
from math import log1p
from uuid import UUID

from msgspec import structs

from app.contracts.listens import Kind
from app.contracts.recommendations import Because, Recommendation, Recommendations
from app.kernel.db import Database
from app.modules.recommendations import aliases, descriptions, pools, reading, shelf_pools
from app.modules.recommendations.candidates import Candidate, choose, pick_of, turned
from app.modules.recommendations.listener import Listener
from app.modules.recommendations.reading import Names

KNOWN_FROM = -0.5  # of the slider to familiar: from there on with what is known already
ROTATION = 0.35
MOST = 1000  # items of an artist or a tag
POPULAR = "popular"


def recommend(database: Database, of: Listener, kind: Kind, limit: int, *, include_known: bool) -> Recommendations:
    """Return the best items as they were turned; popular ones where no model speaks."""
    steering = of.steering
    profile = of.profile(kind)
    with_known = include_known or steering.novelty <= KNOWN_FROM
    unwanted = profile.hidden if with_known else profile.hidden | profile.known
    folded = of.folded.get(kind)
    if steering.artist is not None or steering.tag is not None:
        found = _restricted(database, of, kind, unwanted)
    elif folded is not None:
        found = shelf_pools.near(database, of, folded, kind, unwanted)
    else:
        found = []
    serving = of.models.get(kind)
    model, is_degraded = (serving.artefact.sha256, False) if serving is not None and found else (POPULAR, True)
    if not found and steering.artist is None and steering.tag is None:
        found = _popular(database, of, kind, unwanted)
    energies: Mapping[UUID, float] = {}
    if steering.energy and found:
        with database.begin() as session:
            energies = descriptions.energies(session, kind, [each.names.key for each in found])
    chosen = choose(
        turned([each for each in found if not of.is_hidden(each.names, kind)], steering, of.familiar(), energies),
        limit,
        per_artist=limit if steering.artist is not None or kind == "artists" else steering.per_artist,
        variety=steering.variety,
        scorer=of.scorer(kind),
        rotation=(of.day, f"recommend {kind}", ROTATION) if steering.rotates else None,
    )
    chosen = shelf_pools.explained(database, of, kind, chosen)
    return Recommendations([_plain(each) for each in chosen], model, degraded=is_degraded)


def _restricted(database: Database, of: Listener, kind: Kind, unwanted: set[UUID]) -> list[Candidate]:
    """Return the items of an artist or a tag, or both, those that the model speaks for before the others."""
    names = _asked(database, of, kind)
    scores = of.scores(kind)
    found = []
    for key, named in names.items():
        if key in unwanted or named.key in unwanted:
            continue
        place = of.place(kind, key)
        said = float(scores[place]) if scores is not None and place is not None else 0.0
        is_spoken_for = said > 0
        worth = max(said, 0.0) + 1e-4 * log1p(named.listeners) + 1e-6
        found.append(Candidate(named, worth, "near" if is_spoken_for else "tag", place if is_spoken_for else None))
    return found


def _asked(database: Database, of: Listener, kind: Kind) -> dict[UUID, Names]:
    artist, tag = of.steering.artist, of.steering.tag
    with database.begin() as session:
        tagged = descriptions.tagged(session, kind, tag.strip().casefold()) if tag is not None else None
        if artist is None:
            return reading.names(session, of.listener_id, kind, sorted(tagged or ())[: 10 * MOST])
        sources = [artist, *aliases.sources(session, of.listener_id, "artists", [artist])]
        if kind == "artists":
            found = reading.names(session, of.listener_id, kind, sources)
        else:
            found = pools.by_artists(session, of.listener_id, sources, MOST)
    return found if tagged is None else {key: named for key, named in found.items() if key in tagged}


def _popular(database: Database, of: Listener, kind: Kind, unwanted: set[UUID]) -> list[Candidate]:
    with database.begin() as session:
        rows = reading.popular(session, of.listener_id, kind, unwanted, MOST)
    return [Candidate(named, float(named.listeners), "popular") for _, named in rows]


def _plain(found: Candidate) -> Recommendation:
    pick = pick_of(found)
    because: list[Because] = [structs.replace(each, plays=0) for each in pick.because]
    return Recommendation(pick.key, pick.title, pick.artist, pick.artist_key, pick.score, because, pick.other)
