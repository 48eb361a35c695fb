"""The weekly mix: what goes into it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from app.contracts.playlists import Entry
from app.contracts.recommendations import Recommendation

LENGTH = 30
CANDIDATES = 90
PER_ARTIST = 2


def week_of(now: datetime) -> tuple[str, str]:
    """Return the ISO week as stored and as a name: ("2026-W48", "Weekly mix, week 48 of 2026")."""
    year, week, _ = now.isocalendar()
    return f"{year}-W{week:02}", f"Weekly mix, week {week} of {year}"


def choose(candidates: Sequence[Recommendation]) -> list[Entry]:
    """Return the best candidates, at most two of an artist while others are left."""
    taken: Counter[object] = Counter()
    first: list[Recommendation] = []
    rest: list[Recommendation] = []
    for item in candidates:
        (first if taken[item.artist_key] < PER_ARTIST else rest).append(item)
        taken[item.artist_key] += 1
    return [Entry(i.key, i.title, i.artist, i.artist_key) for i in (first + rest)[:LENGTH]]
