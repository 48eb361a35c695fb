"""Other services as relays see them: what can be asked of one, and how it can fail."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import msgspec

from app.contracts.identity import EmptyName, identify
from app.contracts.listens import NewListen
from app.kernel.addresses import OutgoingRefused
from app.kernel.outgoing import Outgoing, OutgoingFailed, Reply

MAX_WAIT_S = 6 * 3600


@dataclass(frozen=True)
class Play:
    """A listen on its way out."""

    item_id: int
    listened_at: datetime
    artist: str
    title: str
    release: str | None
    duration_ms: int | None
    client: str
    extra: dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """What became of listens that were sent: `refused` by item with the reason, `postponed` to be sent later."""

    refused: Mapping[int, str] = field(default_factory=dict)
    postponed: frozenset[int] = frozenset()


class PeerRefused(Exception):
    """The other service refuses the request as a whole because of what is in it; nothing of it was taken."""


class PeerUnauthorised(Exception):
    """The other service does not know the listener: only they can change that."""


class PeerAway(Exception):
    """The other service can't take it now. `may_have_arrived`: whether it took it is not known."""

    def __init__(self, message: str, *, may_have_arrived: bool = False, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived
        self.wait_s = wait_s  # how long the other service asks to be left alone


class Peer(Protocol):
    """What relays ask of a service. All methods raise PeerUnauthorised and PeerAway."""

    max_batch: int
    recognises_repeats: bool  # a listen sent twice is one there

    def check(self) -> str:
        """Return the name of the listener there."""

    def push(self, plays: Sequence[Play]) -> Taken:
        """Send listens. Raises PeerRefused."""

    def arrived(self, plays: Sequence[Play]) -> set[int]:
        """Return the items of those that are there already."""

    def pull(self, after: datetime, until: datetime) -> Iterator[list[NewListen]]:
        """Return what was played from `after` on, oldest page first."""


def asked(outgoing: Outgoing, method: str, url: str, **options: Any) -> Reply:
    """Return the answer of another service, whatever its status. Raises PeerAway where there is none."""
    try:
        return outgoing.send(method, url, **options)
    except OutgoingRefused as error:
        raise PeerAway(error.message) from None
    except OutgoingFailed as error:
        raise PeerAway(error.message, may_have_arrived=error.may_have_arrived) from None


def is_same(play: Play, there: NewListen) -> bool:
    """Whether a listen there is this one: of the same second, and alike in a name; Last.fm corrects some."""
    if int(play.listened_at.timestamp()) != int(there.listened_at.timestamp()):
        return False
    try:
        ours, theirs = identify(play.artist, play.title), identify(there.artist, there.title)
    except EmptyName:
        return False
    return (
        ours.recording_key == theirs.recording_key
        or ours.artist_key == theirs.artist_key
        or play.title.casefold().strip() == there.title.casefold().strip()
    )


def decoded(reply: Reply) -> Any:
    """Return the JSON of an answer, None where it is none."""
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the other service wants to be left alone."""
    said = headers.get("Retry-After") or headers.get("X-RateLimit-Reset-In")
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 1.0), MAX_WAIT_S) if math.isfinite(seconds) else None


def brief(text: object, default: str = "") -> str:
    """Return what another service said, fit to be shown and stored."""
    words = " ".join(str(text or default).replace("\0", "").split())
    return words.encode("utf-8", "replace").decode()[:300]
