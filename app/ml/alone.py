"""The protocol `alone`: the next recording of a listener from their own history; others only where that is asked."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.ml.metrics import hit_and_reciprocal
from app.ml.own_history import WEIGHTS, Crowd, Others, OwnHistory, add_scaled
from app.ml.progress import Progress, no_progress
from app.ml.sessions import Hits, Play, hits_of, rank_of
from app.ml.tuning import Step, climb

SMALLEST_HISTORY = 60
STEP_S = 60  # after the last play the next one is predicted
CHOOSERS, FEWEST_POSITIONS, EVALUATIONS = 300, 50, 80  # weights are chosen on

Parts = Mapping[str, Mapping[int, float]]
Scaled = tuple[NDArray[np.float32], int]


def measure_alone(
    plays: Sequence[Play],
    k: int,
    progress: Progress = no_progress,
    *,
    has_community: bool = False,
    weights: Mapping[str, float] | None = None,
) -> Hits:
    """Predict each next recording of the last fifth of every listener's history from what came before it.

    `has_community` adds other listeners' sessions that ended before that fifth begins; for weights to go with it see
    `community_weights`.
    """
    by_user, listeners = _histories(plays)
    results = [
        hit_and_reciprocal(rank_of(target, _summed(parts, weights or WEIGHTS)), k)
        for parts, target in _positions(by_user, listeners, 8, has_community, progress)
    ]
    return hits_of(results, None, len(listeners))


def community_weights(plays: Sequence[Play], progress: Progress = no_progress) -> Mapping[str, float]:
    """Return the weights that do best, with a community, on the fifth before the tested one of `CHOOSERS` listeners."""
    by_user, listeners = _histories(plays)
    some = listeners[:: max(1, len(listeners) // CHOOSERS)]
    positions = [_scaled(parts, target) for parts, target in _positions(by_user, some, 6, True, progress)]
    return choose_weights(positions, WEIGHTS) if len(positions) >= FEWEST_POSITIONS else WEIGHTS


def choose_weights(positions: Sequence[Scaled], start: Mapping[str, float]) -> Mapping[str, float]:
    """Return the weights of the parts, those of `start` moved, that do best at positions."""
    names = list(WEIGHTS)

    def objective(weights: Mapping[str, float]) -> float:
        vector = np.array([weights.get(name, 0.0) for name in names])
        total = 0.0
        for parts, target in positions:
            scores = parts @ vector if target >= 0 else np.zeros(1)
            rank = int((scores >= scores[target]).sum()) - 1 if scores[target] > 0 else None
            total += sum(hit_and_reciprocal(rank, 20))
        return total / len(positions)

    return climb(objective, start, {name: Step(0.2, 0.0, 5.0) for name in start}, EVALUATIONS)[0]


def _scaled(parts: Parts, target: int) -> Scaled:
    """Return (tracks, parts), each part's greatest value one, and the target's row, -1 where nothing lists it."""
    tracks = sorted({track for part in parts.values() for track in part})
    row = {track: place for place, track in enumerate(tracks)}
    found = np.zeros((len(tracks), len(WEIGHTS)), dtype=np.float32)
    for column, name in enumerate(WEIGHTS):
        part = parts.get(name, {})
        greatest = max(part.values(), default=0.0)
        if greatest > 0:
            found[[row[track] for track in part], column] = np.array(list(part.values())) / greatest
    return found, row.get(target, -1)


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
