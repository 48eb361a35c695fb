"""What every reader needs: the pieces, lines and records of a member, moments in time, notes, progress."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

import msgspec

from app.modules.listens.formats import text as texts_of
from app.modules.listens.formats.archive import Member, head_of, pieces
from app.modules.listens.formats.json_records import WINDOW, Broken, LooksRight, Record, records

OLDEST_S = 1_033_430_400  # 2002-10-01: before the first scrobbler; ListenBrainz draws the same line
MAX_DURATION_MS = 24 * 86_400_000
MAX_NOTES = 20
MAX_TEXT = 10_240
UNCLEAR = "its time can't be read"
_WRITTEN = re.compile(r"(\d{1,2}) ([A-Za-z]{3})[a-z]* (\d{4}),? (\d{1,2}):(\d{2})(?::(\d{2}))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Bad(Exception):
    """This record is no listen; the message says why."""


class Reading:
    """One pass over a history."""

    def __init__(self, zone: tzinfo, now: datetime) -> None:
        self.zone = zone
        self.now = now
        self.latest_s = (now + timedelta(hours=1)).timestamp()  # clocks of players are wrong
        self.notes: list[str] = []
        self.done = 0

    def note(self, text: str) -> None:
        """Tell something about the file as a whole, once."""
        if text not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    def glance(self) -> "Reading":
        """Return another pass over the same history, to learn something beforehand."""
        return Reading(self.zone, self.now)

    def pieces(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a member as UTF-8, counting them."""
        return texts_of.utf8(self._counted(member))

    def _counted(self, member: Member) -> Iterator[bytes]:
        before, read = self.done, 0
        for piece in pieces(member):
            read += len(piece)
            self.done = before + member.position(read)
            yield piece
        if not member.damage:
            self.done = before + member.size

    def raw_lines(self, member: Member) -> Iterator[tuple[int, bytes | None]]:
        """Yield the lines that are not empty, with their numbers; None for one that is too long."""
        for number, line in enumerate(texts_of.lines(self.pieces(member)), 1):
            if line is None or line.strip():
                yield number, line

    def head(self, member: Member) -> str:
        return head_of(member)

    def text(self, line: bytes) -> str:
        decoded, is_utf8 = texts_of.decode(line)
        if not is_utf8:
            self.note(texts_of.NOT_UTF8)
        return decoded

    def records(
        self, member: Member, looks_right: LooksRight, inside: str | None = None, *, longest: int = WINDOW
    ) -> Iterator[tuple[int, Record | Broken]]:
        return records(texts_of.texts(self.pieces(member), self.note), looks_right, inside, longest=longest)

    def moment(self, seconds: float) -> datetime:
        """Return the time of UNIX seconds, whole. Raises Bad where nothing can have been played then."""
        if OLDEST_S <= seconds <= self.latest_s:
            return datetime.fromtimestamp(int(seconds), UTC)
        raise Bad("its time lies in the future" if seconds > self.latest_s else "its time is before October 2002")

    def iso(self, value: object) -> datetime:
        """Return the time of ISO 8601 text, UTC without a zone. Raises Bad."""
        if not isinstance(value, str):
            raise Bad("it has no time")
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise Bad(UNCLEAR) from None
        return self._in_zone(at, UTC)

    def time(self, value: object, *, local: bool = False) -> datetime:
        """Return the time of UNIX seconds (or thousandths), ISO 8601 or `31 Jan 2023 17:05`. Raises Bad.

        Without a zone it is UTC or, if `local`, the listener's.
        """
        found = parsed_time(value)
        return self.moment(found) if isinstance(found, float) else self._in_zone(found, self.zone if local else UTC)

    def _in_zone(self, at: datetime, zone: tzinfo) -> datetime:
        try:
            return self.moment((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp())
        except (ValueError, OverflowError):
            raise Bad("its time is impossible") from None


def parsed_time(value: object) -> datetime | float:
    """Return a time as it is written: UNIX seconds, or a date that may have no zone. Raises Bad."""
    seconds = number(value)
    if seconds is not None:
        return seconds / 1000 if seconds > 1e11 else seconds
    if not isinstance(value, str) or not value.strip():
        raise Bad("it has no time")
    try:
        if found := _WRITTEN.fullmatch(value.strip()):
            month = _MONTHS.index(found[2][:3].lower()) + 1
            return datetime(int(found[3]), month, int(found[1]), int(found[4]), int(found[5]), int(found[6] or 0))
        return datetime.fromisoformat(value.strip())
    except ValueError:
        raise Bad(UNCLEAR) from None


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
        raise Bad("it has no time" if value in (None, "") else UNCLEAR)
    return found


def name(value: object, what: str) -> str:
    """Return an artist's or a recording's name. Raises Bad."""
    found = _storable(value) if isinstance(value, str) else ""
    if not found:
        raise Bad(f"it names no {what}")
    if len(found) > MAX_TEXT:
        raise Bad(f"the name of its {what} is longer than 10 kB")
    return found


def optional(value: object) -> str | None:
    """Return a text, None where it says nothing."""
    return _storable(value)[:MAX_TEXT] or None if isinstance(value, str) else None


def _storable(text: str) -> str:
    """Return a text without what no database takes: NUL characters and halves of surrogate pairs."""
    stripped = text.strip()
    if stripped.isprintable():
        return stripped
    return stripped.replace("\0", "").encode("utf-8", "replace").decode().strip()


def names_of(value: object) -> list[str]:
    """Return the names of a list, or the one that stands for it."""
    found = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [stripped for name in found if (stripped := optional(name))]


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
        return msgspec.convert(value, UUID)  # faster than UUID(value)
    except msgspec.ValidationError:
        return None


def extra_of(**fields: Any) -> dict[str, Any] | None:
    """Return the fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, "", [])} or None
