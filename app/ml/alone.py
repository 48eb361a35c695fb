"""The protocol `alone`: the next recording of a listener from their own history; others only where that is asked."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from app.ml.metrics import hit_and_reciprocal
from app.ml.own_history import Crowd, Others, OwnHistory
from app.ml.progress import Progress, no_progress
from app.ml.sessions import Hits, Play, hits_of, rank_of

SMALLEST_HISTORY = 60
STEP_S = 60  # after the last play the next one is predicted


def measure_alone(
    plays: Sequence[Play], k: int, progress: Progress = no_progress, *, has_community: bool = False
) -> Hits:
    """Predict each next recording of the last fifth of every listener's history from what came before it.

    `has_community` adds other listeners' sessions that ended before that fifth begins.
    """
    by_user = _histories(plays)
    tested = sorted(
        (own for own in by_user.values() if len(own) >= SMALLEST_HISTORY), key=lambda own: own[_cut(own)].ts
    )
    ended = sorted(_sessions(by_user), key=lambda session: session[-1].ts) if has_community else []
    crowd, added = Crowd(), 0
    results: list[tuple[float, float]] = []
    for count, own in enumerate(tested):
        progress(count / len(tested), "listeners")
        border = own[_cut(own)].ts
        while added < len(ended) and ended[added][-1].ts < border:
            crowd.add(ended[added])
            added += 1
        mine = (s for s in _sessions({0: own}) if s[-1].ts < border)
        others = Others(crowd, mine) if has_community else None
        results += [hit_and_reciprocal(rank, k) for rank in _ranks(own, others)]
    return hits_of(results, None, len(tested))


def _histories(plays: Sequence[Play]) -> dict[int, list[Play]]:
    """Return each listener's plays in order, without immediate replays within a session."""
    by_user: dict[int, list[Play]] = defaultdict(list)
    for play in sorted(plays, key=lambda p: (p.user, p.ts, p.session)):
        own = by_user[play.user]
        if not own or (own[-1].session, own[-1].track) != (play.session, play.track):
            own.append(play)
    return by_user


def _sessions(by_user: dict[int, list[Play]]) -> list[list[Play]]:
    found: list[list[Play]] = []
    for own in by_user.values():
        for place, play in enumerate(own):
            if place == 0 or own[place - 1].session != play.session:
                found.append([])
            found[-1].append(play)
    return found


def _cut(own: Sequence[Play]) -> int:
    return 8 * len(own) // 10


def _ranks(own: Sequence[Play], others: Others | None) -> Iterator[int | None]:
    """Yield the rank of each test position; the memory grows by each play as it happens."""
    memory, border = OwnHistory(), _cut(own)
    for place, play in enumerate(own):
        if place >= border and place and own[place - 1].session == play.session:
            yield rank_of(play.track, memory.scores(own[place - 1].ts + STEP_S, others))
        memory.add(play)
