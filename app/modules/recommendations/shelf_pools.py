"""What may be on each shelf: candidates with the intention of that shelf, and their reasons."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import log1p
from uuid import UUID

import numpy as np

from app.contracts.listens import Kind
from app.kernel.db import Database
from app.ml.scoring import best
from app.modules.recommendations import for_now, personal, pools, reading, taste
from app.modules.recommendations.candidates import Candidate
from app.modules.recommendations.listener import Listener
from app.modules.recommendations.memories import Memories
from app.modules.recommendations.personal import Folded

POOL = 300  # candidates of a shelf
FEWEST = 4  # below it a shelf takes what comes instead
FORGOTTEN_AFTER = timedelta(days=90)
LOVED_ARTISTS = 40
EACH = 30  # recordings of an artist that are looked at
TASTE = 0.8  # the greatest value of what is new, beside what was just played and habits
HARDLY = 3  # plays up to which something counts as hardly known

Explain = Callable[[Database, Listener, list[Candidate]], list[Candidate]]


@dataclass(frozen=True)
class Pool:
    """Candidates of a shelf; `instead` are those for when they are too few, `explain` says why of those chosen.

    `around` are names of the listener's own artists whose taste group all candidates are of.
    """

    candidates: list[Candidate]
    explain: Explain = lambda _database, _of, chosen: chosen
    instead: Callable[[], list[Candidate]] | None = None
    is_known: bool = False
    around: list[str] = field(default_factory=list)


def now_pool(database: Database, memories: Memories, of: Listener) -> Pool:
    memory = memories.of(of.listener_id, of.plays)
    moment = for_now.moment(memory, of.models.get("recordings"), of.now)
    keys = sorted(moment.scores, key=lambda key: -moment.scores[key])[:POOL]
    keys += [play.recording_key for play in moment.session]
    with database.begin() as session:
        names = reading.names(session, of.listener_id, "recordings", keys)
        heard = pools.heard_of(session, of.listener_id, "recordings", keys)
    just_played = {names[play.recording_key].key for play in moment.session if play.recording_key in names}
    found = [each for each in for_now.candidates(moment, memory, names, heard) if each.names.key not in just_played]
    folded = of.folded.get("recordings")
    if folded is not None:
        unwanted = of.recordings.known | of.recordings.hidden
        found = _with_taste(found, near(database, of, folded, "recordings", unwanted))
    return Pool(found, lambda d, o, chosen: explained(d, o, "recordings", chosen), lambda: _often(database, of))


def _with_taste(found: list[Candidate], new: list[Candidate]) -> list[Candidate]:
    """Add what is new and near the listener's taste; of both, what says more of an item is its reason."""
    most = max((each.score for each in new), default=1.0)
    merged = {each.names.key: each for each in found}
    for each in new:
        said, before = TASTE * each.score / most, merged.get(each.names.key)
        if before is None or (before.score < said and before.why != "follows"):
            merged[each.names.key] = replace(each, score=said + (before.score if before else 0.0))
        else:
            merged[each.names.key] = replace(before, score=said + before.score)
    return sorted(merged.values(), key=lambda each: (-each.score, each.names.key))


def _often(database: Database, of: Listener) -> list[Candidate]:
    with database.begin() as session:
        heard = pools.most_played(session, of.listener_id, "recordings", POOL)
    return [
        Candidate(each.names, float(each.plays), "often", plays=each.plays, last_at=each.last_at)
        for each in heard.values()
    ]


def deep_cuts(database: Database, of: Listener) -> Pool:
    """Recordings that are new to the listener, by artists they play much."""
    loved = {
        key: log1p(each.plays) * (2.0 if each.is_loved else 1.0)
        for each in of.artists.weighed[:LOVED_ARTISTS]
        for key in (each.key, *each.keys)
    }
    with database.begin() as session:
        names = pools.by_artists(session, of.listener_id, loved, EACH)
    unwanted = of.recordings.known | of.recordings.hidden
    scores, most = of.scores("recordings"), max(loved.values(), default=1.0)
    found = []
    for key, each in names.items():
        if key in unwanted or each.key in unwanted:
            continue
        place = of.place("recordings", key)
        # one that the model has not seen counts by its artist alone
        said = float(scores[place]) if scores is not None and place is not None else 0.0
        found.append(Candidate(each, max(said, 0.0) + 0.3 * loved.get(each.artist_key, 0.0) / most, "artist", place))
    return Pool(found, _by_artist, instead=lambda: _rarely(database, of, loved))


def _rarely(database: Database, of: Listener, loved: Mapping[UUID, float]) -> list[Candidate]:
    """Return what the listener hardly knows of the artists they love."""
    with database.begin() as session:
        heard = pools.least_played(session, of.listener_id, "recordings", HARDLY - 1, POOL)
    return [
        Candidate(each.names, loved[each.names.artist_key], "artist", plays=each.plays, last_at=each.last_at)
        for each in heard.values()
        if each.names.artist_key in loved
    ]


def _by_artist(database: Database, of: Listener, chosen: list[Candidate]) -> list[Candidate]:
    with database.begin() as session:
        played = pools.plays_by_artist(session, of.listener_id, {each.names.artist_key for each in chosen})
    explained = []
    for each in chosen:
        because, other, total = played.get(each.names.artist_key, ([], 0.0, 0))
        explained.append(replace(each, because=because, other=other, plays=total))
    return explained


def new_artists(database: Database, of: Listener) -> Pool:
    """Artists that the listener has not played, near those they play; where groups are known, of one taste a day."""
    folded = of.folded.get("artists")
    found: list[Candidate] = []
    around: list[str] = []
    if folded is not None:
        found = near(database, of, folded, "artists", of.artists.known | of.artists.hidden)
        found, own = taste.of_the_day(found, folded, of.day.number)
        if own:
            with database.begin() as session:
                names = reading.names(session, of.listener_id, "artists", [each.keys[0] for each in own])
            around = [names[each.keys[0]].title for each in own if each.keys[0] in names]
    return Pool(found, _near_because, instead=lambda: _hardly_known(database, of), around=around)


def near(database: Database, of: Listener, folded: Folded, kind: Kind, unwanted: set[UUID]) -> list[Candidate]:
    """Return what the model says is nearest to a profile, with names, best first."""
    scores = folded.scores()
    scores[folded.excluded(unwanted)] = -np.inf
    places, values = best(scores, POOL)
    artefact = folded.serving.artefact
    keys = {artefact.key(int(place)): (int(place), float(value)) for place, value in zip(places, values, strict=True)}
    with database.begin() as session:
        names = reading.names(session, of.listener_id, kind, keys)
    return [
        Candidate(names[key], score, "near", place)
        for key, (place, score) in keys.items()
        if key in names and names[key].key not in unwanted
    ]


def _near_because(database: Database, of: Listener, chosen: list[Candidate]) -> list[Candidate]:
    return explained(database, of, "artists", chosen)


def explained(database: Database, of: Listener, kind: Kind, chosen: list[Candidate]) -> list[Candidate]:
    """Say of what the model chose which of the listener's own items spoke for it, by their signed contributions."""
    folded = of.folded.get(kind)
    places = [each.place for each in chosen if each.place is not None and each.why == "near"]
    if folded is None or not places:
        return chosen
    rows = dict(zip(places, folded.contributions(places), strict=True))
    with database.begin() as session:
        names = reading.names(session, of.listener_id, kind, [each.keys[0] for each in folded.own])

    def with_reason(each: Candidate) -> Candidate:
        if each.why != "near" or each.place is None:
            return each
        because, other = personal.because(rows[each.place], folded.own, names)
        return replace(each, because=because, other=other)

    return [with_reason(each) for each in chosen]


def _hardly_known(database: Database, of: Listener) -> list[Candidate]:
    """Return artists that the listener played a little, those first that are nearest to what they play much."""
    with database.begin() as session:
        heard = pools.least_played(session, of.listener_id, "artists", HARDLY, POOL)
    scores = of.scores("artists")
    found = []
    for key, each in heard.items():
        place = of.place("artists", key)
        said = float(scores[place]) if scores is not None and place is not None else 0.0
        found.append(Candidate(each.names, max(said, 0.0) + 1e-3 * each.plays, "near", place, each.plays, each.last_at))
    return found


def forgotten(database: Database, of: Listener) -> Pool:
    """Recordings that the listener played much, and not for long."""
    with database.begin() as session:
        found = pools.forgotten(session, of.listener_id, of.now - FORGOTTEN_AFTER, 3, POOL)
        span = pools.span(session, of.listener_id) if len(found) < FEWEST else None
        if span is not None:
            # a short history: what was not played in its later half
            found |= pools.forgotten(session, of.listener_id, min(span[0], span[1] - timedelta(days=1)), 2, POOL)
    return Pool(
        [
            Candidate(each.names, log1p(each.plays), "forgotten", plays=each.plays, last_at=each.last_at)
            for each in found.values()
        ],
        is_known=True,
    )


def popular(database: Database, of: Listener) -> Pool:
    unwanted = of.recordings.known | of.recordings.hidden
    with database.begin() as session:
        rows = reading.popular(session, of.listener_id, "recordings", unwanted | of.taken, POOL)
    found = [Candidate(names, float(names.listeners), "popular", of.place("recordings", key)) for key, names in rows]
    return Pool(found, instead=lambda: _often(database, of))
