"""The protocol `alone`: the next recording of a listener from their own history; others only where that is asked."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from app.ml.conditional_logit import ConditionalLogit
from app.ml.metrics import hit_and_reciprocal
from app.ml.own_history import WEIGHTS, Crowd, Others, OwnHistory, add_scaled
from app.ml.part_features import Floats, table
from app.ml.progress import Progress, no_progress
from app.ml.sessions import STEP_S, Hits, Play, hits_of, rank_of

SMALLEST_HISTORY = 60
CHOOSERS = 300  # weights are chosen on

Parts = Mapping[str, Mapping[int, float]]


def measure_alone(
    plays: Sequence[Play],
    k: int,
    progress: Progress = no_progress,
    *,
    has_community: bool = False,
    choice: ConditionalLogit | None = None,
) -> Hits:
    """Predict each next recording of the last fifth of every listener's history from what came before it.

    `has_community` adds other listeners' sessions that ended before that fifth begins. `choice` weighs the parts, see
    `community_choice`; without it they count by `WEIGHTS`.
    """
    by_user, listeners = _histories(plays)
    results = []
    for parts, target in _positions(by_user, listeners, 8, has_community, progress):
        scores = _summed(parts, WEIGHTS) if choice is None else _chosen(parts, choice)
        results.append(hit_and_reciprocal(rank_of(target, scores), k))
    return hits_of(results, None, len(listeners))


def community_choice(plays: Sequence[Play], progress: Progress = no_progress) -> ConditionalLogit | None:
    """Return what tells best, with a community, what comes in the fifth before the tested one of `CHOOSERS` listeners.

    None where that is too little to tell.
    """
    by_user, listeners = _histories(plays)
    some = listeners[:: max(1, len(listeners) // CHOOSERS)]
    positions = _positions(by_user, some, 6, True, progress)
    choice = ConditionalLogit()
    return choice if choice.told_by(_values(parts, target)[1:] for parts, target in positions) else None


def _chosen(parts: Parts, choice: ConditionalLogit) -> dict[int, float]:
    tracks, values, _ = _values(parts, -1)
    return dict(zip(tracks, choice.probabilities(values).tolist(), strict=True))


def _values(parts: Parts, target: int) -> tuple[list[int], Floats, int]:
    """Return the tracks, what each part says of them (tracks, parts), and the target's row, -1 for unlisted."""
    tracks, found = table([parts.get(name, {}) for name in WEIGHTS])
    row = np.flatnonzero(tracks == target)
    return tracks.tolist(), found, int(row[0]) if len(row) else -1


def _positions(
    by_user: dict[int, list[Play]],
    listeners: Sequence[list[Play]],
    tenths: int,
    has_community: bool,
    progress: Progress,
) -> Iterator[tuple[Parts, int]]:
    """Yield what the parts say at each position of a fifth of the listeners' histories, and the track that came.

    The fifth begins at `tenths`; others' sessions are those that ended before it.
    """
    tested = sorted(listeners, key=lambda own: own[tenths * len(own) // 10].ts)
    ended = sorted(_sessions(by_user), key=lambda session: session[-1].ts) if has_community else []
    crowd, added = Crowd(), 0
    for count, own in enumerate(tested):
        progress(count / len(tested), "listeners")
        start, end = (tenths * len(own) // 10, (tenths + 2) * len(own) // 10)
        border = own[start].ts
        while added < len(ended) and ended[added][-1].ts < border:
            crowd.add(ended[added])
            added += 1
        mine = (session for session in _sessions({0: own}) if session[-1].ts < border)
        yield from _of_one(own[:end], start, Others(crowd, mine) if has_community else None)


def _of_one(own: Sequence[Play], start: int, others: Others | None) -> Iterator[tuple[Parts, int]]:
    """Yield one listener's positions from `start` on; the memory grows by each play as it happens."""
    memory = OwnHistory()
    for place, play in enumerate(own):
        if place >= start and place and own[place - 1].session == play.session:
            yield memory.parts(own[place - 1].ts + STEP_S, others), play.track
        memory.add(play)


def _summed(parts: Parts, weights: Mapping[str, float]) -> dict[int, float]:
    scores: dict[int, float] = defaultdict(float)
    for name, part in parts.items():
        add_scaled(scores, part, weights[name])
    return scores


def _histories(plays: Sequence[Play]) -> tuple[dict[int, list[Play]], list[list[Play]]]:
    """Return each listener's plays in order, without immediate replays within a session, and those long enough."""
    by_user: dict[int, list[Play]] = defaultdict(list)
    for play in sorted(plays, key=lambda p: (p.user, p.ts, p.session)):
        own = by_user[play.user]
        if not own or (own[-1].session, own[-1].track) != (play.session, play.track):
            own.append(play)
    return by_user, [own for own in by_user.values() if len(own) >= SMALLEST_HISTORY]


def _sessions(by_user: dict[int, list[Play]]) -> list[list[Play]]:
    found: list[list[Play]] = []
    for own in by_user.values():
        for place, play in enumerate(own):
            if place == 0 or own[place - 1].session != play.session:
                found.append([])
            found[-1].append(play)
    return found
