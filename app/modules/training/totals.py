"""Who played what how often, from a snapshot's plays."""

import numpy as np

from app.contracts.listens import Kind
from app.modules.training.plays import Ints, Plays


def totals(plays: Plays, kind: Kind) -> tuple[Ints, Ints, Ints]:
    """Return who played what how often, in any order: listens and totals, a recording's counting for its artist too.

    A loved item counts at least once, a hidden one not at all.
    """
    is_artists = kind == "artists"
    heard = plays.listens[:, (0, 3 if is_artists else 2)]
    counted = plays.playcounts if is_artists else plays.playcounts[plays.playcounts[:, 1] == 0]
    counted_pairs = counted[:, (0, 3 if is_artists else 2)]
    said = plays.feedback[plays.feedback[:, 1] == int(is_artists)]
    pairs = np.concatenate([heard, counted_pairs, said[:, (0, 2)]])
    counts = np.concatenate([np.ones(len(heard)), counted[:, 4], np.zeros(len(said))]).astype(np.int64)
    opinions = np.concatenate([np.zeros(len(heard) + len(counted)), said[:, 3]]).astype(np.int64)
    found, place = np.unique(pairs, axis=0, return_inverse=True)
    place = place.ravel()
    summed = np.bincount(place, weights=counts, minlength=len(found)).astype(np.int64)
    opinion = np.bincount(place, weights=opinions, minlength=len(found))
    summed = np.where(opinion > 0, np.maximum(summed, 1), summed)
    kept = (summed > 0) & (opinion >= 0)
    return found[kept, 0], found[kept, 1], summed[kept]
