"""The protocol `next`: what is played next in a session, from the sessions of everybody."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from app.ml.data_files import BadDataFile, read_columns
from app.ml.metrics import hit_and_reciprocal
from app.ml.progress import Progress, no_progress
from app.ml.session_scoring import SessionTable

COLUMNS = ("window", "user", "session", "ts", "track", "artist")
RULE_STEPS = 10  # how far apart two plays of a session still make a rule
LAST = 3  # how many of the latest plays are asked
STEP_S = 60  # after the last play the next one is predicted
GREATEST_TRACK = (1 << 63) - 1


# What is listed after the items of a session so far, of a listener, with scores.
NextScores = Callable[[Sequence[int], int], Mapping[int, float]]


@dataclass(frozen=True)
class Play:
    window: int
    user: int
    session: int
    ts: int
    track: int
    artist: int


@dataclass(frozen=True)
class Hits:
    """Hit rate and mean reciprocal rank over positions; `*_all` count targets never seen in training as misses."""

    hit_rate: float
    mrr: float
    hit_rate_all: float | None
    mrr_all: float | None
    positions: int
    users: int


def read_plays(paths: Sequence[Path]) -> list[Play]:
    """Read plays without exact duplicates (user, ts, track)."""
    found: dict[tuple[int, int, int], Play] = {}
    for path in paths:
        columns = read_columns(path, COLUMNS)
        if min(columns["track"]) < 0 or max(columns["track"]) > GREATEST_TRACK:
            raise BadDataFile(f"{path.name}: tracks are numbered from 0 to {GREATEST_TRACK}")
        for row in zip(*(columns[name] for name in COLUMNS), strict=True):
            play = Play(*row)
            found.setdefault((play.user, play.ts, play.track), play)
    return list(found.values())


def sessions_of(plays: Sequence[Play]) -> list[list[Play]]:
    """Return sessions in order of their first play, without immediate replays."""
    grouped: dict[tuple[int, int, int], list[Play]] = defaultdict(list)
    for play in sorted(plays, key=lambda p: (p.ts, p.track)):
        session = grouped[play.window, play.user, play.session]
        if not session or session[-1].track != play.track:
            session.append(play)
    return sorted(grouped.values(), key=lambda s: (s[0].ts, s[0].session))


def cut(plays: Sequence[Play], window: str) -> tuple[list[list[Play]], list[list[Play]]]:
    """Cut into training and test sessions: `within:W` at 80 % of the window's span, `cross:W` at its beginning."""
    how, _, number = window.partition(":")
    if how not in {"within", "cross"} or not number.isdigit():
        raise BadDataFile(f"window {window!r}: within:W or cross:W")
    sessions = sessions_of(plays)
    inside = [s for s in sessions if s[0].window == int(number)]
    if not inside:
        raise BadDataFile(f"window {window!r}: there are no plays in it")
    if how == "cross":
        return [s for s in sessions if s[0].window < int(number)], inside
    starts = [s[0].ts for s in inside]
    border = min(starts) + 0.8 * (max(starts) - min(starts))
    return [s for s in inside if s[0].ts < border], [s for s in inside if s[0].ts >= border]


def fit_rules(sessions: Sequence[Sequence[Play]], progress: Progress = no_progress) -> tuple[sp.csr_matrix, list[int]]:
    """Return sequential rules (items, items) weighted 1/distance, and the track of each item.

    Source: Kamehkhosh, Jannach & Ludewig 2017 (SR).
    """
    tracks = sorted({play.track for session in sessions for play in session})
    number = {track: place for place, track in enumerate(tracks)}
    rows, columns, weights = [], [], []
    for count, session in enumerate(sessions):
        if count % 1000 == 0:
            progress(count / len(sessions), "rules")
        items = [number[play.track] for play in session]
        for place, item in enumerate(items):
            for distance in range(1, min(RULE_STEPS, place) + 1):
                if items[place - distance] != item:
                    rows.append(items[place - distance])
                    columns.append(item)
                    weights.append(1 / distance)
    rules = sp.coo_matrix((weights, (rows, columns)), shape=(len(tracks), len(tracks)), dtype=np.float32).tocsr()
    return rules, tracks


def session_table(sessions: Sequence[Sequence[Play]]) -> tuple[SessionTable, list[int], list[int]]:
    """Return sessions as arrays, the track of each item, and the listener of each session."""
    artist_of = {play.track: play.artist for session in sessions for play in session}
    tracks = sorted(artist_of)
    number = {track: place for place, track in enumerate(tracks)}
    artist = {known: place for place, known in enumerate(sorted(set(artist_of.values())))}
    starts = np.concatenate([[0], np.cumsum([len(session) for session in sessions])]).astype(np.int64)
    items = np.array([number[play.track] for session in sessions for play in session], dtype=np.int32)
    artists = np.array([artist[artist_of[track]] for track in tracks], dtype=np.int32)
    return SessionTable(starts, items, artists), tracks, [session[0].user for session in sessions]


def next_of_rules(rules: sp.csr_matrix) -> NextScores:
    """Return what scores by sequential rules, the latest plays counting most."""

    def scores(items: Sequence[int], _user: int) -> dict[int, float]:
        found: dict[int, float] = defaultdict(float)
        for distance, item in enumerate(reversed(items[-LAST:]), 1):
            for at in range(rules.indptr[item], rules.indptr[item + 1]):
                found[int(rules.indices[at])] += float(rules.data[at]) / distance
        return found

    return scores


def measure_next(
    scores: NextScores,
    tracks: Sequence[int],
    sessions: Sequence[Sequence[Play]],
    k: int,
    progress: Progress = no_progress,
) -> Hits:
    """Predict each next known recording of each test session from what came before it and the listener."""
    number = {track: place for place, track in enumerate(tracks)}
    results, transitions, users = [], 0, set()
    for count, session in enumerate(sessions):
        if count % 100 == 0:
            progress(count / len(sessions), "sessions")
        transitions += len(session) - 1
        items = [number[play.track] for play in session if play.track in number]
        for place in range(1, len(items)):
            users.add(session[0].user)
            results.append(hit_and_reciprocal(rank_of(items[place], scores(items[:place], session[0].user)), k))
    return hits_of(results, max(transitions, 1), len(users))


def rank_of(target: int, scores: Mapping[int, float]) -> int | None:
    """Return how many other listed items score at least as high (ties count against), None for an unlisted one."""
    if target not in scores:
        return None
    own = scores[target]
    return sum(1 for score in scores.values() if score >= own) - 1


def hits_of(results: list[tuple[float, float]], transitions: int | None, users: int) -> Hits:
    """Return the means over positions. Raises BadDataFile where there is none."""
    if not results:
        raise BadDataFile("there is no position to predict")
    hits, reciprocals = (sum(column) for column in zip(*results, strict=True))
    count = len(results)
    return Hits(
        hits / count,
        reciprocals / count,
        hits / transitions if transitions else None,
        reciprocals / transitions if transitions else None,
        count,
        users,
    )
