"""The session model of a run: what is played after what, from the listens of a snapshot that have a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.modules.training.plays import Ints, Plays
from app.modules.training.snapshots import Progress

MOST_PLAYS = 200_000  # the latest; more adds size, and little that is not in the links between items
FEWEST_SESSIONS = 20
FEWEST_LISTENERS = 2  # of one alone the own history says all that there is


def fit(plays: Plays, used: Ints, progress: Progress) -> tuple[dict[str, NDArray[Any]], dict[str, float]] | None:
    """Return the arrays of a session model over the items of a model (`used` are their keys' places), and its weights.

    None where there are too few sessions or only one listener's. Whose a session was is not in it, nor when.
    """
    from app.ml.interactions import session_numbers
    from app.ml.session_model import SessionModel
    from app.ml.session_scoring import SessionTable
    from app.ml.session_tables import arrays_of

    listens = plays.listens[np.isin(plays.listens[:, 2], used)]
    if not len(listens):
        return None
    session = session_numbers(listens[:, 0], listens[:, 1])
    # immediate replays say nothing of what comes next, sessions of one play neither
    is_kept = np.ones(len(listens), dtype=bool)
    is_kept[1:] = (session[1:] != session[:-1]) | (listens[1:, 2] != listens[:-1, 2])
    listens, session = listens[is_kept], session[is_kept]
    is_long = np.bincount(session)[session] > 1
    listens, session = listens[is_long], session[is_long]
    if not len(listens):
        return None
    _, first, session, lengths = np.unique(session, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, listens[first, 1]))  # sessions by when they began
    kept = order[np.cumsum(lengths[order][::-1])[::-1] <= MOST_PLAYS]
    whose = listens[first[kept], 0].tolist()
    if len(kept) < FEWEST_SESSIONS or len(set(whose)) < FEWEST_LISTENERS:
        return None
    entries = np.concatenate([np.arange(first[number], first[number] + lengths[number]) for number in kept])
    table = SessionTable(
        np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int64),
        np.searchsorted(used, listens[entries, 2]).astype(np.int32),
        _artists(plays, used),
    )
    model = SessionModel()
    model.fit(table, whose, progress, listens[entries, 1])
    return arrays_of(model.scorer_), {name: float(value) for name, value in model.chosen_.items()}


def _artists(plays: Plays, used: Ints) -> NDArray[np.int32]:
    """Return the number of each item's artist; what nobody says the artist of has one of its own."""
    artist = -1 - np.arange(len(used))
    for rows, key, by in ((plays.playcounts, 2, 3), (plays.listens, 2, 3)):
        own = rows[np.isin(rows[:, key], used)]
        artist[np.searchsorted(used, own[:, key])] = own[:, by]
    found: NDArray[np.int32] = np.unique(artist, return_inverse=True)[1].astype(np.int32)
    return found
