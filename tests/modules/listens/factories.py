"""Listens for tests, some minutes apart."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.contracts.listens import NewListen

START = datetime(2024, 3, 4, 12, tzinfo=UTC)


def listen(number: int = 0, **fields: Any) -> NewListen:
    """The play of a number: another song, four minutes after the one before."""
    given = {"listened_at": START + timedelta(minutes=4 * number), "artist": "Ada", "title": f"Song {number}"}
    return NewListen(**{**given, **fields})


def listens(count: int, **fields: Any) -> list[NewListen]:
    return [listen(number, **fields) for number in range(count)]
