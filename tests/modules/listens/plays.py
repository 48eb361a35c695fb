"""Plays of one song by the second, for tests of order and repeats."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.contracts.listens import Listen, Listens, NewListen

START = datetime(2024, 1, 1, tzinfo=UTC)


def play(seconds: float = 0, title: str = "Song", artist: str = "Ada", **more: Any) -> NewListen:
    return NewListen(START + timedelta(seconds=seconds), artist, title, **more)


def history(listens: Listens, listener_id: UUID) -> list[Listen]:
    return listens.history(listener_id, limit=1000).listens


def times(listens: Listens, listener_id: UUID) -> list[int]:
    """Return the seconds after START of what the history shows, newest first."""
    return [int((each.listened_at - START).total_seconds()) for each in history(listens, listener_id)]
