"""What one listener may play next, from nothing but their own history; with others' sessions where there are any."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from math import exp
from typing import Protocol

Table = dict[int, dict[int, float]]

RECENT = 10  # plays of the running session that are asked, each by 1 / distance²
ARTISTS = 3  # the latest of the running session, of whom others' plays are asked
NEIGHBOURS = 200  # of one's own latest sessions that are compared
DAY_S, NEAR_S = 86_400, 5_400  # what is about the same time of day
HABIT_HALF_LIFE_S, HABIT_LEFT = 60 * DAY_S, 0.05  # how a play at this time of day fades, and what stays of it

# What each part weighs; those of one's own history were chosen on positions before those that are reported, see
# docs/recommender.md. With a community `app.ml.alone` has them all weighed anew, by its own data.
WEIGHTS: dict[str, float] = {
    "together": 0.0,
    "after": 0.5,
    "after_fresh": 0.75,
    "follows": 1.6,
    "pair": 1.4,
    "artist": 0.0,
    "artist_fresh": 0.25,
    "artist_oldest": 1.85,
    "artist_step": 0.0,
    "activation": 0.05,
    "sessions": 0.2,
    "recent": 0.0,
    "repeats": 0.0,
    "hour": 0.0,
    "others_after": 1.5,
    "others_follow": 0.0,
    "others_artist": 0.5,
    "others_fresh": 0.5,
    "others_session": 0.0,
}
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
        self.latest: dict[int, int] = {}
        self.times: dict[int, list[int]] = defaultdict(list)
        self.session: list[Played] = []
        self.sessions: list[list[Played]] = []
        self.places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.plays = 0

    def add(self, play: Played) -> None:
        """Remember one more play; plays come in order."""
        if not self.session or self.session[-1].session != play.session:
            self.session = []
            self.sessions.append(self.session)
        for distance, before in enumerate(reversed(self.session), 1):
            if before.track != play.track:
                self.together[before.track][play.track] += 1
                self.together[play.track][before.track] += 1
                self.after[before.track][play.track] += 1 / distance
        if self.session:
            self.follows[self.session[-1].track][play.track] += 1
            self.artist_after[self.session[-1].artist][play.artist] += 1
        self.places[play.track].append((len(self.sessions) - 1, len(self.session)))
        self.session.append(play)
        self.plays += 1
        self.last_play[play.artist][play.track] = self.latest[play.track] = self.plays
        self.times[play.track].append(play.ts)

    def scores(
        self, now: int, others: "Others | None" = None, weights: Mapping[str, float] | None = None
    ) -> dict[int, float]:
        """Return the scores of what may follow the last play at a time, without that play's own track.

        A sum of parts, each scaled to a greatest value of its weight. Links are cosines: divided by the square root of
        both tracks' numbers of plays.
        """
        scores: dict[int, float] = defaultdict(float)
        for name, part in self.parts(now, others).items():
            add_scaled(scores, part, (weights or WEIGHTS)[name])
        return scores

    def parts(self, now: int, others: "Others | None" = None) -> dict[str, dict[int, float]]:
        """Return what each of `WEIGHTS` says of the tracks it knows, without the last play's own."""
        last, recent = self.session[-1], list(reversed(self.session[-RECENT:]))
        played = {play.track for play in self.session}
        found: dict[str, dict[int, float]] = {
            "together": self._linked(self.together, recent),
            "after": self._linked(self.after, recent),
            "follows": dict(self.follows[last.track]),
            "activation": {track: _activation(times, now) for track, times in self.times.items()},
            "sessions": self._sessions_like(recent),
        }
        artist: dict[int, float] = defaultdict(float)
        self._add_artist(artist, last.artist, 1.0)
        step: dict[int, float] = defaultdict(float)
        follows = self.artist_after[last.artist]
        for follower, count in follows.items():
            self._add_artist(step, follower, count / sum(follows.values()))
        found["artist"], found["artist_step"] = artist, step
        # an album that is played again is played in its order: what was heard longest ago is next
        oldest = sorted(self.last_play[last.artist], key=self.last_play[last.artist].__getitem__)
        found["artist_oldest"] = {track: 1 / place for place, track in enumerate(oldest, 1)}
        found["artist_fresh"] = {track: value for track, value in artist.items() if track not in played}
        found["after_fresh"] = {track: value for track, value in found["after"].items() if track not in played}
        found["pair"] = self._pair()
        if others is not None:
            # these weigh nothing without others
            found["recent"] = {track: (1 + self.plays - when) ** -0.5 for track, when in self.latest.items()}
            found["hour"] = self.habits(now)[1]
            found["repeats"] = {play.track: 1 / (len(self.session) - n) for n, play in enumerate(self.session)}
            theirs = others.of_artist(last.artist)
            found["others_session"] = others.of_artists(play.artist for play in reversed(self.session))
            found["others_after"] = others.successors(recent)
            found["others_follow"] = others.successors(recent[:1])
            found["others_artist"] = theirs
            found["others_fresh"] = {track: value for track, value in theirs.items() if track not in played}
        for part in found.values():
            part.pop(last.track, None)
        return found

    def habits(self, now: int) -> tuple[dict[int, int], dict[int, float]]:
        """Return how often each track was played at about this time of day, and the same, older plays counting less."""
        counts: dict[int, int] = defaultdict(int)
        weights: dict[int, float] = defaultdict(float)
        for track, times in self.times.items():
            for at in times:
                if (now - at + NEAR_S) % DAY_S <= 2 * NEAR_S:
                    counts[track] += 1
                    weights[track] += 0.5 ** (max(0, now - at) / HABIT_HALF_LIFE_S) + HABIT_LEFT
        return counts, weights

    def _pair(self) -> dict[int, float]:
        """Return what followed the last two tracks in this order."""
        found: dict[int, float] = defaultdict(float)
        if len(self.session) > 1:
            before, last = self.session[-2].track, self.session[-1].track
            for number, place in self.places.get(last, ())[-NEIGHBOURS:]:
                session = self.sessions[number]
                if 0 < place < len(session) - 1 and session[place - 1].track == before:
                    found[session[place + 1].track] += 1
        return found

    def _sessions_like(self, recent: Sequence[Played]) -> dict[int, float]:
        """Return what one's own sessions that share tracks with this one play around their last match."""
        near: dict[int, float] = defaultdict(float)
        match: dict[int, int] = {}
        for distance, play in enumerate(recent, 1):
            for number, place in self.places.get(play.track, ())[-NEIGHBOURS:]:
                if self.sessions[number] is not self.session:
                    near[number] += 1 / (distance * len(self.times[play.track]) ** 0.5)
                    match[number] = max(place, match.get(number, -1))
        found: dict[int, float] = defaultdict(float)
        for number, alike in near.items():
            for place, play in enumerate(self.sessions[number]):
                step = place - match[number]
                found[play.track] += alike * ((exp(1 - step) if step > 0 else 0.3 * exp(step)) + 0.3)
        return found

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


def add_scaled(scores: dict[int, float], part: Mapping[int, float], weight: float) -> None:
    """Add a part, scaled so that its greatest value is the weight."""
    if not weight:
        return
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

    def of_artists(self, artists: Iterable[int]) -> dict[int, float]:
        """Return what others play of the first `ARTISTS` of these, by 1 / place."""
        found: dict[int, float] = defaultdict(float)
        for place, artist in enumerate(islice(dict.fromkeys(artists), ARTISTS), 1):
            for track, plays in self.of_artist(artist).items():
                found[track] += plays / place
        return found


def _without(crowd: Table, own: Table, key: int) -> dict[int, float]:
    mine = own.get(key, {})
    return {
        track: left for track, value in crowd.get(key, {}).items() if (left := value - mine.get(track, 0.0)) > SMALLEST
    }
