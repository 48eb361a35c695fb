"""What to play now: what followed what was just played, and what is played at this time of day.

Two things speak: the session model of the community, where the serving model has one, and the listener's own history,
which needs nobody else. Habits of the day fill in where nothing was played just now.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

from app.contracts.recommendations import Because, Why
from app.ml.interactions import SESSION_GAP_S
from app.ml.own_history import OwnHistory, Table
from app.modules.recommendations.candidates import Candidate
from app.modules.recommendations.latest import Play
from app.modules.recommendations.next_up import next_up
from app.modules.recommendations.reading import Names
from app.modules.recommendations.serving import Serving

RUNNING = timedelta(hours=3)  # after the last play a session is over for good
NEAR_HOURS = 1.5
HALF_LIFE_DAYS = 60.0  # of a habit
COMMUNITY, OWN, HOUR = 0.5, 1.0, 0.5  # the greatest value of each part
RECENT = 3  # plays that reasons are asked of
REMEMBERED = 256  # listeners whose history is kept as tables


@dataclass(frozen=True)
class Played:
    """A play as `OwnHistory` takes it; tracks and artists are numbered in the order they came."""

    session: int
    ts: int
    track: int
    artist: int


@dataclass(frozen=True)
class Memory:
    """A listener's latest plays, built into tables once for as long as nothing is added."""

    of: tuple[Play, ...]
    history: OwnHistory
    keys: list[UUID]
    number: Mapping[UUID, int]


class Memories:
    """The memories of those who asked last, rebuilt when their plays changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, Memory] = OrderedDict()
        self._lock = Lock()

    def of(self, listener_id: UUID, plays: Sequence[Play]) -> Memory:
        with self._lock:
            kept = self._kept.get(listener_id)
        asked = tuple(plays)
        if kept is None or kept.of != asked:
            kept = _memory(asked)
        with self._lock:
            self._kept[listener_id] = kept
            self._kept.move_to_end(listener_id)
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return kept


def _memory(plays: tuple[Play, ...]) -> Memory:
    history, number, artist = OwnHistory(), dict[UUID, int](), dict[UUID, int]()
    for session, together in enumerate(sessions_of(plays)):
        for play in together:
            track = number.setdefault(play.recording_key, len(number))
            by = artist.setdefault(play.artist_key, len(artist))
            history.add(Played(session, int(play.at.timestamp()), track, by))
    return Memory(plays, history, list(number), number)


@dataclass(frozen=True)
class Moment:
    """What speaks now: scores by key, plays around this hour, and the session that is running, oldest first."""

    scores: Mapping[UUID, float]
    at_this_hour: Mapping[UUID, int]
    session: Sequence[Play]


def moment(memory: Memory, serving: Serving | None, now: datetime) -> Moment:
    """Return what speaks for what at a time."""
    session = running(memory.of, now)
    scores: dict[UUID, float] = defaultdict(float)
    if session:
        own = memory.history.scores(int(now.timestamp()))
        _add(scores, {memory.keys[track]: value for track, value in own.items()}, OWN)
        _add(scores, next_up(serving, session, memory.of[: -len(session)]), COMMUNITY)
    counts, habits = _habits(memory.of, now)
    _add(scores, habits, HOUR)
    for play in session:
        scores.pop(play.recording_key, None)
    return Moment(scores, counts, session)


def running(plays: Sequence[Play], now: datetime) -> list[Play]:
    """Return the plays of the session that goes on at a time, oldest first."""
    last, found = now, list[Play]()
    gap = RUNNING
    for play in reversed(plays):
        if play.at > now:
            continue
        if last - play.at > gap:
            break
        found.append(play)
        last, gap = play.at, timedelta(seconds=SESSION_GAP_S)
    return found[::-1]


def sessions_of(plays: Sequence[Play]) -> list[list[Play]]:
    """Cut plays, oldest first, into sessions."""
    found: list[list[Play]] = []
    for play in plays:
        if not found or (play.at - found[-1][-1].at).total_seconds() > SESSION_GAP_S:
            found.append([])
        found[-1].append(play)
    return found


def _habits(plays: Sequence[Play], now: datetime) -> tuple[dict[UUID, int], dict[UUID, float]]:
    """Return how often each recording was played at about this time of day, and the same, older plays counting less."""
    counts: dict[UUID, int] = defaultdict(int)
    weights: dict[UUID, float] = defaultdict(float)
    hour = _hour(now)
    for play in plays:
        apart = abs(_hour(play.at) - hour)
        if min(apart, 24 - apart) <= NEAR_HOURS:
            counts[play.recording_key] += 1
            days = max(0.0, (now - play.at).total_seconds() / 86_400)
            weights[play.recording_key] += 0.5 ** (days / HALF_LIFE_DAYS) + 0.05
    return counts, weights


def _hour(at: datetime) -> float:
    return at.hour + at.minute / 60


def _add(scores: dict[UUID, float], part: Mapping[UUID, float], weight: float) -> None:
    greatest = max(part.values(), default=0.0)
    if greatest > 0:
        for key, value in part.items():
            scores[key] += weight * value / greatest


def candidates(
    found: Moment, memory: Memory, names: Mapping[UUID, Names], heard: Mapping[UUID, tuple[int, datetime | None]]
) -> list[Candidate]:
    """Return what speaks now with its reason: what was just played, or this time of day, or that it is played much."""
    listed = []
    for key, score in found.scores.items():
        named = names.get(key)
        if named is None:
            continue
        because, other = _because(memory, found.session, key, names)
        plays, last_at = heard.get(key, (0, None))
        why: Why = "follows" if because else "hour" if found.at_this_hour.get(key) else "session"
        if why == "hour":
            plays = found.at_this_hour[key]
        listed.append(Candidate(named, score, why, plays=plays, last_at=last_at, because=because, other=other))
    return sorted(listed, key=lambda each: (-each.score, each.names.key))


def _because(
    memory: Memory, session: Sequence[Play], key: UUID, names: Mapping[UUID, Names]
) -> tuple[list[Because], float]:
    """Return those of the plays just now after which the listener played this before, by how much."""
    track = memory.number.get(key)
    if track is None:
        return [], 0.0
    after: Table = memory.history.after
    links: dict[UUID, float] = {}
    for distance, play in enumerate(reversed(session[-RECENT:]), 1):
        value = after.get(memory.number[play.recording_key], {}).get(track, 0.0) / distance
        if value > 0 and play.recording_key in names:
            links[play.recording_key] = links.get(play.recording_key, 0.0) + value
    total = sum(links.values())
    ordered = sorted(links.items(), key=lambda each: (-each[1], each[0]))
    return [
        Because(
            names[each].key,
            names[each].title,
            names[each].artist,
            value / total,
            len(memory.history.times[memory.number[each]]),
        )
        for each, value in ordered
    ], 0.0
