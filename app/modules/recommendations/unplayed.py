"""Recordings that nobody here has played, by their likeness to those that somebody has (`likeness.py` fits it)."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.kernel.db import Database
from app.ml.interactions import profile_weights
from app.modules.recommendations import personal, reading
from app.modules.recommendations.candidates import Candidate
from app.modules.recommendations.listener import Listener
from app.modules.recommendations.reading import Names
from app.modules.recommendations.shelf_pools import POOL, Pool

MOST_OWN = 100  # of a listener's items, the strongest, speak here

# A listener's recordings speak for those alike to them: the parts of each score, of the best ones. What they said
# anything of, loved or hidden, is theirs already.
PARTS = text(
    """
    with own as (
        select key, weight from unnest(cast(:keys as uuid[]), cast(:weights as double precision[])) as o (key, weight)
    ), spoke as (
        select l.key, own.key as own, own.weight * n.alike as part
        from likeness l
        cross join lateral unnest(l.near, l.weights) as n (key, alike)
        join own on own.key = n.key
        where l.is_new and l.near && cast(:keys as uuid[])
          and not exists (
              select from profile_item p
              where p.listener_id = :viewer and p.kind = 'recordings' and p.key = l.key)
          and not exists (select from item i where i.kind = 'recordings' and i.key = l.key and i.listeners > 0)
    ), best as (
        select key from spoke group by key order by sum(part) desc, key limit :limit
    )
    select key, own, part from best join spoke using (key)
    """
)
NAMES = text(
    """
    select key, title, artist, artist_key, 0 as listeners
    from description
    where kind = 'recordings' and key = any(:keys) and title is not null and artist_key is not null
    """
)
ALIKE = text(
    """
    select n.key, n.alike
    from likeness l
    cross join lateral unnest(l.near, l.weights) with ordinality as n (key, alike, place)
    where l.key = :key
    order by n.place
    """
)


def pool(database: Database, of: Listener) -> Pool:
    """Return what nobody here has played, near what a listener plays and loves.

    A score is the sum over their own recordings of weight x likeness; these parts are its reasons.
    """
    own = of.recordings.weighed[:MOST_OWN]
    if not own:
        return Pool([])
    weights = profile_weights([each.plays for each in own], [each.is_loved for each in own]).tolist()
    place = {key: n for n, each in enumerate(own) for key in each.keys}
    with database.begin() as session:
        rows = session.execute(
            PARTS,
            {
                "keys": list(place),
                "weights": [weights[n] for n in place.values()],
                "viewer": of.listener_id,
                "limit": POOL,
            },
        ).all()
        if not rows:
            return Pool([])
        parts: dict[UUID, NDArray[np.float64]] = {}
        for row in rows:
            parts.setdefault(row.key, np.zeros(len(own)))[place[row.own]] += row.part
        named = names(session, of.listener_id, parts)
        own_names = reading.names(session, of.listener_id, "recordings", [each.keys[0] for each in own])
    found = [
        Candidate(each, float(parts[key].sum()), "near")
        for key, each in named.items()
        if each.key == key  # one that was merged is the other, which may well be played here
    ]

    def explain(_database: Database, _of: Listener, chosen: list[Candidate]) -> list[Candidate]:
        reasons = [personal.because(parts[each.names.key], own, own_names) for each in chosen]
        return [replace(each, because=why, other=other) for each, (why, other) in zip(chosen, reasons, strict=True)]

    return Pool(found, explain)


def names(session: Session, viewer: UUID | None, keys: Collection[UUID]) -> dict[UUID, Names]:
    """Return what described recordings are called to somebody, whether or not anybody here plays them."""
    return reading.named(session, viewer, "recordings", session.execute(NAMES, {"keys": list(keys)}).all())


def alike(session: Session, key: UUID) -> dict[UUID, float]:
    """Return the recordings played here that a described one is most alike to, and how much, most alike first."""
    return {row.key: float(row.alike) for row in session.execute(ALIKE, {"key": key})}
