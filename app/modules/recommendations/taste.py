"""The taste that a shelf keeps to today: one of the groups of items that a listener plays much of."""

from collections.abc import Sequence

import numpy as np

from app.modules.recommendations.candidates import Candidate
from app.modules.recommendations.personal import Folded
from app.modules.recommendations.reading import Weighed

TABLE = "taste"  # of an artefact: the group of each item, -1 for none
MOST = 3  # of a listener's groups that take turns, a day each
LEAST_SHARE = 0.15  # of what a listener plays, for a group to be theirs
FEWEST = 8  # candidates of a group; a shelf of fewer isn't worth a name
NAMED_BY = 3


def of_the_day(candidates: list[Candidate], folded: Folded, day: int) -> tuple[list[Candidate], Sequence[Weighed]]:
    """Return the candidates of the group whose turn it is and the listener's own items that name it.

    All candidates and no names where the model has no groups, or there is too little of each.
    """
    group = folded.serving.artefact.tables.get(TABLE)
    if group is None:
        return candidates, []
    own_groups = group[folded.places]
    heard = np.bincount(own_groups[own_groups >= 0], folded.weights[own_groups >= 0])
    theirs = np.argsort(-heard, kind="stable")[:MOST]
    theirs = theirs[heard[theirs] >= LEAST_SHARE * heard.sum()] if heard.sum() > 0 else theirs[:0]
    found = {
        int(number): of_it
        for number in theirs
        if len(of_it := [c for c in candidates if c.place is not None and group[c.place] == number]) >= FEWEST
    }
    if len(found) < 2:
        return candidates, []  # one group is all there is: its name says nothing
    number = list(found)[day % len(found)]
    mine = np.flatnonzero(own_groups == number)
    first = mine[np.argsort(-folded.weights[mine], kind="stable")][:NAMED_BY]
    return found[number], [folded.own[place] for place in first.tolist()]
