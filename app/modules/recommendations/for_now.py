"""What to play now: what followed what was just played, and what is played at this time of day.

Two things speak: the session model of the community, where the serving model has one, and the listener's own history,
which needs nobody else. What they say is weighed as the model learned it; one that did not learn it counts by fixed
shares. Habits of the day fill in where nothing was played just now.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.contracts.recommendations import Because, Why
from app.ml.own_history import Table
from app.modules.recommendations import next_up
from app.modules.recommendations.candidates import Candidate
from app.modules.recommendations.latest import Play
from app.modules.recommendations.memories import Memory, running
from app.modules.recommendations.reading import Names
from app.modules.recommendations.serving import Serving

COMMUNITY, OWN, HOUR = 0.5, 1.0, 0.5  # the greatest value of each part
RECENT = 3  # plays that reasons are asked of


@dataclass(frozen=True)
class Moment:
    """What speaks now: scores by key, plays around this hour, and the session that is running, oldest first."""

    scores: Mapping[UUID, float]
    at_this_hour: Mapping[UUID, int]
    session: Sequence[Play]


def moment(memory: Memory, serving: Serving | None, now: datetime) -> Moment:
    """Return what speaks for what at a time."""
    session, at = running(memory.of, now), int(now.timestamp())
    counts, habits = memory.history.habits(at)
    scores: dict[UUID, float] = defaultdict(float)
    together = next_up.together(serving, memory, session, at) if session else {}
    if together:  # habits are among what was weighed
        scores.update(together)
    else:
        if session:
            own = memory.history.scores(at)
            _add(scores, {memory.keys[track]: value for track, value in own.items()}, OWN)
            _add(scores, next_up.of_others(serving, session, memory.of[: -len(session)]), COMMUNITY)
        _add(scores, {memory.keys[track]: value for track, value in habits.items()}, HOUR)
    for play in session:
        scores.pop(play.recording_key, None)
    return Moment(scores, {memory.keys[track]: count for track, count in counts.items()}, session)


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
