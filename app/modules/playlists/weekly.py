"""What is made each week: what goes into it, and what it is called."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from app.contracts.playlists import Entry, Playlist, Weekly
from app.contracts.recommendations import Recommendation, Steering

LENGTH = 30
CANDIDATES = 90
PER_ARTIST = 2


# Each one's kind as it is stored, and what it is called.
KINDS: dict[Weekly, tuple[str, str]] = {
    "mix": ("weekly", "Weekly mix"),
    "jams": ("weekly_jams", "Weekly jams"),
    "exploration": ("weekly_exploration", "Weekly exploration"),
}
# What exploration is turned by: to artists less known to the listener, another order each day it could be made on.
EXPLORING = Steering(novelty=0.5, obscurity=0.2, rotates=True)


def week_of(now: datetime, which: Weekly = "mix") -> tuple[str, str]:
    """Return the ISO week as stored and as a name: ("2026-W48", "Weekly mix, week 48 of 2026")."""
    year, week, _ = now.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02}", f"{KINDS[which][1]}, week {week} of {year}"


def is_waiting(playlist: Playlist) -> bool:
    """Whether there was nothing to put in when it was made, and nobody has touched it since."""
    return playlist.entry_count == 0 and playlist.revision == 1


def choose(candidates: Sequence[Recommendation]) -> list[Entry]:
    """Return the best candidates, at most two of an artist while others are left."""
    taken: Counter[object] = Counter()
    first: list[Entry] = []
    rest: list[Entry] = []
    for item in candidates:
        (first if taken[item.artist_key] < PER_ARTIST else rest).append(
            Entry(item.key, item.title, item.artist, item.artist_key)
        )
        taken[item.artist_key] += 1
    return (first + rest)[:LENGTH]


def describe(entries: Sequence[Entry], *, is_popular: bool, is_new: bool) -> str:
    """Say where the entries come from: new ones or known ones, personal or popular."""
    if not entries:
        return "Nothing is popular here yet. Ask again once something was played."
    if is_popular:
        return "Popular here: there is nothing personal to go by yet."
    if is_new:
        return "New to you, chosen from what you played."
    return "From what you know: there is nothing here yet that would be new to you."


def describe_jams(entries: Sequence[Entry]) -> str:
    """Say what jams are."""
    return "What you know and love." if entries else "Nothing was played yet. Ask again once something was."
