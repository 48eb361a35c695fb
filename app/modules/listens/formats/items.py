"""What history files hold, one item after the other."""

from datetime import datetime
from typing import Literal, NamedTuple

from app.contracts.catalog import KeptCorrection
from app.contracts.listens import NewListen

What = Literal["listen", "feedback", "playlist", "file"]


class Play(NamedTuple):
    """A listen. `place` is the file (inside the archive) and the number of the record or line, from 1."""

    place: str
    listen: NewListen


class Count(NamedTuple):
    """How often a recording or, with an empty title, an artist was played in all.

    A library counts rows, two of which may be one recording: they add up.
    """

    place: str
    artist: str
    title: str
    plays: int


class Opinion(NamedTuple):
    """Love (1) or hate (-1) of a recording or, with an empty title, of an artist; `at` where the file knows it."""

    place: str
    artist: str
    title: str
    value: int
    at: datetime | None


class MixEntry(NamedTuple):
    artist: str
    title: str
    release: str | None
    duration_ms: int | None


class Mix(NamedTuple):
    """A playlist."""

    place: str
    name: str
    description: str
    is_public: bool
    entries: list[MixEntry]


class Fix(NamedTuple):
    """A correction of names that the listener had made, of Segue's own export."""

    place: str
    correction: KeptCorrection


class Skipped(NamedTuple):
    """Something that is not taken over, and why; `what` it would have been."""

    place: str
    reason: str
    what: What = "listen"


Item = Play | Count | Opinion | Mix | Fix | Skipped


class Unreadable(Exception):
    """The file as a whole can't be read; one line for a person."""
