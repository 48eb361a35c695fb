"""What every reader needs: the pieces, lines and records of a member, moments in time, notes, progress."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from app.modules.listens.formats import text as texts_of
from app.modules.listens.formats.archive import Member, pieces
from app.modules.listens.formats.json_records import Broken, LooksRight, Record, records

OLDEST_S = 1_033_430_400  # 2002-10-01: before the first scrobbler; ListenBrainz draws the same line
MAX_DURATION_MS = 24 * 86_400_000
MAX_NOTES = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Bad(Exception):
    """This record is no listen; the message says why."""


class Reading:
    """One pass over a history."""

    def __init__(self, zone: tzinfo, now: datetime) -> None:
        self.zone = zone
        self.latest_s = (now + timedelta(hours=1)).timestamp()  # clocks of players are wrong
        self.notes: list[str] = []
        self.done = 0
        self.touched: list[Member] = []

    def note(self, text: str) -> None:
        """Tell something about the file as a whole, once."""
        if text not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    def pieces(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a member as UTF-8, counting them."""
        self.touched.append(member)
        return texts_of.utf8(self._counted(member))

    def _counted(self, member: Member) -> Iterator[bytes]:
        before, read = self.done, 0
        for piece in pieces(member):
            read += len(piece)
            self.done = before + min(member.position(read), member.size)
            yield piece
        if not member.damage:
            self.done = before + member.size

    def raw_lines(self, member: Member) -> Iterator[tuple[int, bytes | None]]:
        """Yield the lines that are not empty, with their numbers; None for one that is too long."""
        for number, line in enumerate(texts_of.lines(self.pieces(member)), 1):
            if line is None or line.strip():
                yield number, line

    def text(self, line: bytes) -> str:
        decoded, is_utf8 = texts_of.decode(line)
        if not is_utf8:
            self.note(texts_of.NOT_UTF8)
        return decoded

    def records(
        self, member: Member, looks_right: LooksRight, inside: str | None = None
    ) -> Iterator[tuple[int, Record | Broken]]:
        return records(texts_of.texts(self.pieces(member), self.note), looks_right, inside)

    def moment(self, seconds: float) -> datetime:
        """Return the time of UNIX seconds, whole. Raises Bad where nothing can have been played then."""
        if OLDEST_S <= seconds <= self.latest_s:
            return datetime.fromtimestamp(int(seconds), UTC)
        raise Bad(_impossible(seconds, self.latest_s))

    def iso(self, value: object, *, local: bool = False) -> datetime:
        """Return the time of ISO 8601 text; without a zone it is UTC or, if `local`, the listener's. Raises Bad."""
        if not isinstance(value, str):
            raise Bad("it has no time")
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is None:
                at = at.replace(tzinfo=self.zone if local else UTC)
            seconds = at.timestamp()
        except (ValueError, OverflowError):
            raise Bad(f"its time can't be read: {value[:40]!r}") from None
        return self.moment(seconds)


def _impossible(seconds: float, latest_s: float) -> str:
    if seconds > latest_s:
        return "its time lies in the future"
    try:
        return f"its time is impossible: {(_EPOCH + timedelta(seconds=seconds)).date()}"
    except (OverflowError, ValueError):
        return "its time is impossible"


def number(value: object) -> float | None:
    """Return a number, also of digits in a text; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if -1e15 < found < 1e15 else None  # NaN is not


def seconds_of(value: object) -> float:
    """Return UNIX seconds. Raises Bad."""
    found = number(value)
    if found is None:
        raise Bad("it has no time" if value in (None, "") else f"its time can't be read: {str(value)[:40]!r}")
    return found


def name(value: object, what: str) -> str:
    """Return an artist's or a recording's name. Raises Bad."""
    if isinstance(value, str) and (stripped := value.strip()):
        return stripped
    raise Bad(f"it names no {what}")


def optional(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def milliseconds(value: object, factor: int = 1) -> int | None:
    """Return a duration, None where there is none that can be."""
    found = number(value)
    if found is None:
        return None
    duration_ms = int(found * factor)
    return duration_ms if 0 < duration_ms <= MAX_DURATION_MS else None


def mbid(value: object) -> UUID | None:
    """Return a MusicBrainz identifier, None for what is none."""
    if not isinstance(value, str) or len(value) != 36:
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def extra_of(**fields: Any) -> dict[str, Any] | None:
    """Return the fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, "", [])} or None
