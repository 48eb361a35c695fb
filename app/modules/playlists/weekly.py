"""The weekly mix: what goes into it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from app.contracts.playlists import Entry, Playlist
from app.contracts.recommendations import Recommendation

LENGTH = 30
CANDIDATES = 90
PER_ARTIST = 2


def week_of(now: datetime) -> tuple[str, str]:
    """Return the ISO week as stored and as a name: ("2026-W48", "Weekly mix, week 48 of 2026")."""
    year, week, _ = now.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02}", f"Weekly mix, week {week} of {year}"


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
