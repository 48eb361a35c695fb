"""Listeners' latest plays in sessions, as tables that say what they play next."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

from app.ml.interactions import SESSION_GAP_S
from app.ml.own_history import OwnHistory
from app.modules.recommendations.latest import Play

RUNNING = timedelta(hours=3)  # after the last play a session is over for good
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
