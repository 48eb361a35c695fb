"""What a model is judged on: listening after a point in time, of which neither fit nor choices know anything."""

from dataclasses import replace

import numpy as np

from app.contracts.listens import Kind
from app.ml.interactions import interactions
from app.ml.offline import Held
from app.ml.ranking import hide_some
from app.modules.training.plays import Ints, Plays
from app.modules.training.totals import totals

LAST = 0.1  # of the listens are after the cut
FEWEST_TESTED = 20  # listeners; with fewer by time, items are hidden instead
MOST_TESTED = 1000


def held_out(plays: Plays, kind: Kind, *, seed: int) -> Held:
    """Return what to fit on and what is hidden, by time where there are times."""
    return by_time(plays, kind, seed=seed) or hidden(plays, kind, seed=seed)


def by_time(plays: Plays, kind: Kind, *, seed: int) -> Held | None:
    """Cut at a point in time; None where too few listeners played something new after it.

    What is fitted on is of before: no listen from the cut on, and no total or opinion (they have no time) of what a
    listener first heard after it. An item that nobody heard before the cut is not in its vocabulary at all.
    """
    at = plays.listens[:, 1]
    if not len(at):
        return None
    cut = int(np.quantile(at, 1 - LAST, method="higher"))
    is_after = at >= cut
    heard = _pairs(plays.listens[:, 0], plays.listens[:, 3 if kind == "artists" else 2], plays)
    fresh = np.setdiff1d(heard[is_after], heard[~is_after])
    before = replace(plays, listens=plays.listens[~is_after], feedback=plays.feedback[:0])
    person, item, count = totals(before, kind)
    is_known = ~np.isin(_pairs(person, item, plays), fresh)
    person, item, count = person[is_known], item[is_known], count[is_known]
    vocabulary = np.unique(item)
    targets, wanted = np.divmod(fresh, len(plays.keys) or 1)
    is_warm = np.isin(wanted, vocabulary) & np.isin(targets, person)
    cold = int((~np.isin(wanted, vocabulary)).sum())
    targets, wanted = targets[is_warm], wanted[is_warm]
    tested = np.unique(targets)
    if len(tested) < FEWEST_TESTED:
        return None
    chosen = np.random.default_rng(seed).permutation(tested)[:MOST_TESTED]
    is_chosen = np.isin(targets, chosen)
    shape = (len(plays.people), len(vocabulary))
    train = interactions(person, np.searchsorted(vocabulary, item), count, shape)
    places = np.searchsorted(vocabulary, wanted[is_chosen])
    test = interactions(targets[is_chosen], places, np.ones(len(places)), shape)
    return Held(train, test, "time", cut, cold, vocabulary)


def hidden(plays: Plays, kind: Kind, *, seed: int) -> Held:
    """Hide a fifth of the items of some listeners."""
    person, item, count = totals(plays, kind)
    used, place = np.unique(item, return_inverse=True)
    train, test = hide_some(interactions(person, place, count, (len(plays.people), len(used))), seed=seed)
    return Held(train, test, "hidden", vocabulary=used)


def _pairs(person: Ints, item: Ints, plays: Plays) -> Ints:
    found: Ints = person * max(1, len(plays.keys)) + item
    return found
