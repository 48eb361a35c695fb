"""The map of artists: those near one, or near a listener's own, placed so that what is alike is near."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.contracts.recommendations import ArtistMap, ItemUnknown, MapArtist, MapLink
from app.kernel.db import Database
from app.ml.layout import links, places
from app.ml.steering import unit_vectors
from app.modules.recommendations import aliases, reading
from app.modules.recommendations.listener import Listener
from app.modules.recommendations.memories import sessions_of
from app.modules.recommendations.reading import Names

LINKS_EACH, LEAST = 3, 0.15
FIRST_RING = 0.4  # of the artists on a map are the nearest of its middle, the rest the nearest of those
OWN = 0.4  # of the artists on a map without a middle are the listener's own
NO_MODEL = "none"


def draw(database: Database, of: Listener, around: UUID | None, limit: int) -> ArtistMap:
    """Return a map of up to `limit` artists. Raises ItemUnknown for a middle that nobody here plays."""
    keys = _wanted(database, of, around, limit)
    with database.begin() as session:
        names = reading.names(session, of.listener_id, "artists", keys)
    shown: dict[UUID, tuple[UUID, Names]] = {}
    for key in keys:
        if key in names and names[key].key not in of.artists.hidden:
            shown.setdefault(names[key].key, (key, names[key]))
    if around is not None and not shown:
        raise ItemUnknown
    plays = {each.key: each.plays for each in of.artists.weighed}
    found = list(shown.values())[:limit]
    alike = _likeness(of, [key for key, _ in found])
    at = places(alike) if found else np.zeros((0, 2))
    artists = [
        MapArtist(named.key, named.artist, float(x), float(y), plays.get(named.key, 0), named.listeners)
        for (_, named), (x, y) in zip(found, at, strict=True)
    ]
    drawn = [MapLink(one, other, round(strength, 3)) for one, other, strength in links(alike, LINKS_EACH, LEAST)]
    serving = of.models.get("artists")
    model = serving.artefact.sha256 if serving is not None else NO_MODEL
    return ArtistMap(artists, drawn, model, degraded=serving is None)


def _wanted(database: Database, of: Listener, around: UUID | None, limit: int) -> list[UUID]:
    """Return the keys of artists for a map, the middle first, more than are shown: some have no name here."""
    serving = of.models.get("artists")
    own = [key for each in of.artists.weighed[:limit] for key in each.keys[:1]]
    if serving is None:
        with database.begin() as session:
            popular = [key for key, _ in reading.popular(session, of.listener_id, "artists", of.artists.hidden, limit)]
        return [*([around] if around else []), *own, *popular]
    find, key_of = serving.artefact.find, serving.artefact.key
    if around is None:
        first = own[: max(1, int(OWN * limit))]
        rings = [find(key) for key in first]
    else:
        middle = find(around)
        if middle is None:
            with database.begin() as session:
                sources = aliases.sources(session, of.listener_id, "artists", [around])
            middle = next((place for key in sources if (place := find(key)) is not None), None)
        if middle is None:
            return [around, *own]
        near = serving.artefact.scorer.similar(middle, max(3, int(FIRST_RING * limit)))[0]
        first, rings = [around, *(key_of(int(place)) for place in near)], [int(place) for place in near]
    found = list(first)
    asked = [place for place in rings if place is not None]
    each = max(2, 2 * limit // max(1, len(asked)))
    nearest = [serving.artefact.scorer.similar(place, each)[0].tolist() for place in asked]
    for rank in range(each):  # the nearest of each, then the second of each, …
        found += [key_of(int(row[rank])) for row in nearest if rank < len(row)]
    if not found:
        with database.begin() as session:
            found = [key for key, _ in reading.popular(session, of.listener_id, "artists", of.artists.hidden, limit)]
    return found


def _likeness(of: Listener, keys: Sequence[UUID]) -> NDArray[np.float64]:
    """Return (n, n) how alike artists are: by the model, and by being played in one session by the listener."""
    found = np.zeros((len(keys), len(keys)))
    known = [(number, place) for number, key in enumerate(keys) if (place := of.place("artists", key)) is not None]
    scorer = of.scorer("artists")
    if scorer is not None and known:
        numbers, model = (np.array(column, dtype=np.int64) for column in zip(*known, strict=True))
        vectors = unit_vectors(scorer, model).astype(np.float64)
        found[np.ix_(numbers, numbers)] = np.clip(vectors @ vectors.T, 0, 1)
    if scorer is None:
        number_of = {key: number for number, key in enumerate(keys)}
        for session in sessions_of(of.plays):
            together = sorted({number_of[play.artist_key] for play in session if play.artist_key in number_of})
            found[np.ix_(together, together)] += 1
        counts = np.sqrt(np.maximum(np.diag(found), 1))
        found /= counts[:, None] * counts[None, :]
    found = (found + found.T) / 2
    np.fill_diagonal(found, 0)
    return found
