"""What one listener may play next, from nothing but their own history; with others' sessions where there are any."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

Table = dict[int, dict[int, float]]

RECENT = 10  # plays of the running session that are asked, each by 1 / distance²
CO_OCCURRENCE, SUCCESSORS, MARKOV = 0.2, 1.5, 0.4
SAME_ARTIST, ARTIST_STEP, ACTIVATION = 0.2, 0.1, 0.05
OTHERS_SUCCESSORS, OTHERS_SAME_ARTIST = 1.5, 0.5
SMALLEST = 1e-9  # what is left of a sum after its parts were taken off


class Played(Protocol):
    """A play of a track in a session, at a time in seconds."""

    @property
    def session(self) -> int: ...
    @property
    def ts(self) -> int: ...
    @property
    def track(self) -> int: ...
    @property
    def artist(self) -> int: ...


def _table() -> Table:
    return defaultdict(lambda: defaultdict(float))


class OwnHistory:
    """Co-occurrences, successors, artists and the times of plays, built play by play."""

    def __init__(self) -> None:
        self.together, self.after, self.follows, self.artist_after = _table(), _table(), _table(), _table()
        self.last_play: dict[int, dict[int, int]] = defaultdict(dict)
        self.times: dict[int, list[int]] = defaultdict(list)
        self.session: list[Played] = []
        self.plays = 0

    def add(self, play: Played) -> None:
        """Remember one more play; plays come in order."""
        if self.session and self.session[-1].session != play.session:
            self.session = []
        for distance, before in enumerate(reversed(self.session), 1):
            if before.track != play.track:
                self.together[before.track][play.track] += 1
                self.together[play.track][before.track] += 1
                self.after[before.track][play.track] += 1 / distance
        if self.session:
            self.follows[self.session[-1].track][play.track] += 1
            self.artist_after[self.session[-1].artist][play.artist] += 1
        self.session.append(play)
        self.plays += 1
        self.last_play[play.artist][play.track] = self.plays
        self.times[play.track].append(play.ts)

    def scores(self, now: int, others: "Others | None" = None) -> dict[int, float]:
        """Return the scores of what may follow the last play at a time, without that play's own track.

        A sum of parts, each scaled to a greatest value of its weight. Links are cosines: divided by the square root of
        both tracks' numbers of plays.
        """
        last, recent = self.session[-1], list(reversed(self.session[-RECENT:]))
        scores: dict[int, float] = defaultdict(float)
        _add(scores, self._linked(self.together, recent), CO_OCCURRENCE)
        _add(scores, self._linked(self.after, recent), SUCCESSORS)
        _add(scores, self.follows[last.track], MARKOV)
        self._add_artist(scores, last.artist, SAME_ARTIST)
        steps = self.artist_after[last.artist]
        for artist, count in steps.items():
            self._add_artist(scores, artist, ARTIST_STEP * count / sum(steps.values()))
        _add(scores, {track: _activation(times, now) for track, times in self.times.items()}, ACTIVATION)
        if others is not None:
            _add(scores, others.successors(recent), OTHERS_SUCCESSORS)
            _add(scores, others.of_artist(last.artist), OTHERS_SAME_ARTIST)
        scores.pop(last.track, None)
        return scores

    def _linked(self, table: Table, recent: Sequence[Played]) -> dict[int, float]:
        found: dict[int, float] = defaultdict(float)
        for distance, play in enumerate(recent, 1):
            own = len(self.times[play.track])
            for track, value in table[play.track].items():
                found[track] += value / (own * len(self.times[track])) ** 0.5 / distance**2
        return found

    def _add_artist(self, scores: dict[int, float], artist: int, weight: float) -> None:
        for track, when in self.last_play[artist].items():
            scores[track] += weight / (1 + self.plays - when) ** 0.5


def _activation(times: Iterable[int], now: int) -> float:
    """Return the base-level activation of a memory, decay .5. Source: Anderson & Schooler 1991."""
    return float(sum(max(now - at, 1) ** -0.5 for at in times))


def _add(scores: dict[int, float], part: Mapping[int, float], weight: float) -> None:
    greatest = max(part.values(), default=0.0)
    if greatest > 0:
        for track, value in part.items():
            scores[track] += weight * value / greatest


class Crowd:
    """Successors and artists over the sessions of everybody."""

    def __init__(self) -> None:
        self.after, self.of_artist = _table(), _table()

    def add(self, session: Sequence[Played]) -> None:
        for place, play in enumerate(session):
            self.of_artist[play.artist][play.track] += 1
            for distance, before in enumerate(reversed(session[max(0, place - RECENT) : place]), 1):
                if before.track != play.track:
                    self.after[before.track][play.track] += 1 / distance


class Others:
    """A crowd without one listener's own sessions."""

    def __init__(self, crowd: Crowd, own_sessions: Iterable[Sequence[Played]]) -> None:
        self.crowd, self.own = crowd, Crowd()
        for session in own_sessions:
            self.own.add(session)

    def successors(self, recent: Sequence[Played]) -> dict[int, float]:
        found: dict[int, float] = defaultdict(float)
        for distance, play in enumerate(recent, 1):
            row = _without(self.crowd.after, self.own.after, play.track)
            total = sum(row.values())
            for track, value in row.items():
                found[track] += value / total / distance**2
        return found

    def of_artist(self, artist: int) -> dict[int, float]:
        return _without(self.crowd.of_artist, self.own.of_artist, artist)


def _without(crowd: Table, own: Table, key: int) -> dict[int, float]:
    mine = own.get(key, {})
    return {
        track: left for track, value in crowd.get(key, {}).items() if (left := value - mine.get(track, 0.0)) > SMALLEST
    }
