"""A radio: what goes with some artists, recordings or tags, in an order of the day, without an end."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.contracts.recommendations import ItemUnknown, Pick, Radio, Seeds
from app.kernel.db import Database
from app.ml.scoring import best
from app.modules.recommendations import aliases, descriptions, personal, pools, reading, unplayed
from app.modules.recommendations.candidates import Candidate, hash_of, pick_of, turned
from app.modules.recommendations.listener import Listener
from app.modules.recommendations.personal import Folded
from app.modules.recommendations.reading import Names, Weighed

POOL = 600  # recordings that a radio plays before it begins again, in another order
MOST_SEEDS = 100
OF_AN_ARTIST, OF_A_TAG = 20, 200
APART = 4  # recordings of other artists between two of one
TEMPERATURE = 0.35  # of the scores' logarithm: 0 would play the best first, every day
POPULAR = "popular"


def tune(database: Database, of: Listener, seeds: Seeds, page: int, limit: int) -> Radio:
    """Return a page of a radio. Raises ItemUnknown where nothing is known of any seed."""
    words, own = _seeded(database, of, seeds)
    if not own:
        raise ItemUnknown("nothing of this is known here yet")
    pool, folded = _pool(database, of, own)
    chosen = _page(pool, page, limit, f"{of.listener_id}/{of.day.number}/{seeds}")
    serving = of.models.get("recordings")
    return Radio(
        _explained(folded, own, chosen),
        words,
        page + 1,
        serving.artefact.sha256 if serving is not None else POPULAR,
        degraded=serving is None,
    )


def _seeded(database: Database, of: Listener, seeds: Seeds) -> tuple[list[str], dict[UUID, Names]]:
    """Return what the seeds are called, and the recordings they stand for, by the keys they were played under."""
    found: dict[UUID, Names] = {}
    words: list[str] = []
    with database.begin() as session:
        keys = [*seeds.recordings, *aliases.sources(session, of.listener_id, "recordings", seeds.recordings)]
        own = reading.names(session, of.listener_id, "recordings", keys)
        words += [f"{each.title} – {each.artist}" for each in dict.fromkeys(own.values())]
        found |= own
        # for one that nobody here has played stand those it is alike to
        unheard = unplayed.names(session, of.listener_id, [key for key in seeds.recordings if key not in own])
        for key, named_so in unheard.items():
            alike = reading.names(session, of.listener_id, "recordings", unplayed.alike(session, key))
            words += [f"{named_so.title} – {named_so.artist}"] if alike else []
            found |= alike
        for artist in seeds.artists:
            sources = [artist, *aliases.sources(session, of.listener_id, "artists", [artist])]
            named = reading.names(session, of.listener_id, "artists", sources)
            words += [each.artist for each in list(named.values())[:1]]
            found |= pools.by_artists(session, of.listener_id, sources, OF_AN_ARTIST)
        for tag in seeds.tags:
            tagged = descriptions.tagged(session, "recordings", tag.strip().casefold())
            named = reading.names(session, of.listener_id, "recordings", sorted(tagged))
            best_known = sorted(named.items(), key=lambda each: (-each[1].listeners, each[0]))[:OF_A_TAG]
            words += [tag] if best_known else []
            found |= dict(best_known)
    return words, {key: each for key, each in found.items() if not of.is_hidden(each, "recordings")}


def _pool(database: Database, of: Listener, own: dict[UUID, Names]) -> tuple[list[Candidate], Folded | None]:
    """Return what a radio plays: the seeds' own recordings, and what the model says goes with them."""
    serving = of.models.get("recordings")
    folded, names, scored = None, dict(own), dict[UUID, tuple[int, float]]()
    if serving is not None:
        asked = [Weighed(key, 0, False, [key]) for key in list(own)[:MOST_SEEDS]]
        placed = personal.placed(serving, asked)
        if placed:
            folded = Folded(serving, list(placed.values()), np.array(list(placed)), np.ones(len(placed)))
            places, values = best(folded.scores(), POOL)
            top = max(float(values[0]) if len(values) else 1.0, 1e-12)
            scored = {
                serving.artefact.key(int(place)): (int(place), float(value) / top)
                for place, value in zip(places, values, strict=True)
            }
    with database.begin() as session:
        names |= reading.names(session, of.listener_id, "recordings", scored)
        if len(names) < APART * 2:  # without a model, or with a seed that nothing goes with
            names |= dict(reading.popular(session, of.listener_id, "recordings", of.recordings.hidden, POOL))
        energies = descriptions.energies(session, "recordings", names) if of.steering.energy else {}
    found = []
    for key, named in names.items():
        place, score = scored.get(key, (None, 0.0))
        is_seed = key in own
        if not of.is_hidden(named, "recordings"):
            worth = max(score, 0.6 if is_seed else 0.05)
            found.append(Candidate(named, worth, "seed" if is_seed or score > 0 else "popular", place))
    return turned(found, of.steering, of.familiar(), energies)[:POOL], folded


def _page(pool: Sequence[Candidate], page: int, limit: int, salt: str) -> list[Candidate]:
    chosen: list[Candidate] = []
    start = page * limit
    while pool and len(chosen) < limit:
        turn, place = divmod(start + len(chosen), len(pool))
        chosen += _shuffled(pool, f"{salt}/{turn}")[place : place + limit - len(chosen)]
    return chosen


def _shuffled(pool: Sequence[Candidate], salt: str) -> list[Candidate]:
    """Return all of a pool in an order that prefers what goes best, artists apart as far as there are others.

    Adds Gumbel noise to the logarithm of scores: a draw without replacement by them.
    """
    rng = np.random.default_rng(hash_of(salt))
    ordered = sorted({each.names.key: each for each in pool}.values(), key=lambda each: each.names.key)
    scores: NDArray[np.float64] = np.array([each.score for each in ordered])
    keyed = np.log(np.maximum(scores, 1e-9)) + TEMPERATURE * rng.gumbel(size=len(ordered))
    waiting = [ordered[place] for place in np.argsort(-keyed, kind="stable")]
    found: list[Candidate] = []
    while waiting:
        recent = {each.names.artist_key for each in found[-APART:]}
        place = next((n for n, each in enumerate(waiting) if each.names.artist_key not in recent), 0)
        found.append(waiting.pop(place))
    return found


def _explained(folded: Folded | None, own: dict[UUID, Names], chosen: list[Candidate]) -> list[Pick]:
    places = [each.place for each in chosen if each.place is not None]
    if folded is None or not places:
        return [pick_of(each) for each in chosen]
    rows = dict(zip(places, folded.contributions(places), strict=True))
    found = []
    for each in chosen:
        because, other = ([], 0.0) if each.place is None else personal.because(rows[each.place], folded.own, own)
        found.append(pick_of(replace(each, because=because, other=other)))
    return found
