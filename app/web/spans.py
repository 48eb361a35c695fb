"""The span of time that a page is about, as its address says it: one selector for all pages of statistics.

`range` is a word (`this_month`, `all_time`), a calendar word (`2026`, `2026-03`, `2026-W12`), or there are `from` and
`to`. Days begin where the person is.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.contracts.statistics import Span
from app.kernel import locales
from app.kernel.contract import InvalidRequest
from app.kernel.locales import N_
from app.kernel.locales import gettext as _
from app.web import look

WORDS = {
    "this_week": N_("This week"),
    "this_month": N_("This month"),
    "this_year": N_("This year"),
    "week": N_("Last week"),
    "month": N_("Last month"),
    "year": N_("Last year"),
    "all_time": N_("All time"),
}
CALENDAR = re.compile(r"(?P<year>20\d\d)(-(?P<month>\d\d)|-W(?P<week>\d\d))?")
Unit = Literal["week", "month", "year", "days", "all_time"]
Day = Annotated[str, Meta(max_length=10)]
Word = Annotated[str, Meta(max_length=16)]


class RangeQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}, kw_only=True):
    range: Word = ""
    start: Day = ""
    end: Day = ""
    page: Annotated[int, Meta(ge=1, le=1000)] = 1


@dataclass(frozen=True)
class Chosen:
    """A span with its name, its address (`args`), and those of its neighbours."""

    unit: Unit
    word: str
    label: str
    span: Span
    before: Span | None = None
    args: dict[str, str] = field(default_factory=dict)
    older: str = ""
    newer: str = ""
    start: str = ""
    end: str = ""


def chosen(query: RangeQuery, default: str = "all_time") -> Chosen:
    """Return the span that a page was asked for. Raises InvalidRequest."""
    zone, now = look.look().zone, datetime.now(UTC)
    if query.start or query.end:
        return _days(query, zone)
    word = query.range or default
    if word == "all_time":
        return Chosen("all_time", word, _("All time"), Span(), args={"range": word})
    today = now.astimezone(zone).date()
    unit, first = _first_day(word, today)
    after, earlier = following(unit, first), preceding(unit, first)
    return Chosen(
        unit=unit,
        word=word,
        label=label(unit, first),
        span=Span(_midnight(first, zone), _midnight(after, zone)),
        before=Span(_midnight(earlier, zone), _midnight(first, zone)),
        args={"range": word},
        older=calendar_word(unit, earlier) if earlier.year >= 2002 else "",
        newer=calendar_word(unit, after) if after <= today else "",
    )


def _first_day(word: str, today: date) -> tuple[Unit, date]:
    current: dict[str, tuple[Unit, date]] = {
        "week": ("week", today - timedelta(days=today.weekday())),
        "month": ("month", today.replace(day=1)),
        "year": ("year", today.replace(month=1, day=1)),
    }
    if word in WORDS:
        unit, first = current[word.removeprefix("this_")]
        return unit, first if word.startswith("this_") else preceding(unit, first)
    found = CALENDAR.fullmatch(word)
    try:
        if found and found["week"]:
            return "week", date.fromisocalendar(int(found["year"]), int(found["week"]), 1)
        if found:
            return "month" if found["month"] else "year", date(int(found["year"]), int(found["month"] or 1), 1)
    except ValueError:
        pass
    raise InvalidRequest(
        "range: this_week, this_month, this_year, week, month, year, all_time, 2026, 2026-03, 2026-W12"
    )


def _days(query: RangeQuery, zone: tzinfo) -> Chosen:
    first = _day(query.start, "from") if query.start else None
    last = _day(query.end, "to") if query.end else None
    if first and last and last < first:
        raise InvalidRequest("to: lies before from")
    span = Span(_midnight(first, zone) if first else None, _midnight(last + timedelta(days=1), zone) if last else None)
    before = None
    if first:
        until = last or datetime.now(UTC).astimezone(zone).date()
        length = max(until - first, timedelta()) + timedelta(days=1)
        before = (
            Span(_midnight(first - length, zone), _midnight(first, zone)) if first - length > date(1971, 1, 1) else None
        )
    args = {name: said for name, said in (("from", query.start), ("to", query.end)) if said}
    return Chosen("days", "", _span_label(first, last), span, before, args, start=query.start, end=query.end)


def _span_label(first: date | None, last: date | None) -> str:
    if first and last:
        return locales.day(first) if first == last else f"{locales.day(first)} – {locales.day(last)}"
    if first:
        return _("Since %(day)s", day=locales.day(first))
    return _("Until %(day)s", day=locales.day(last)) if last else ""


def _day(said: str, name: str) -> date:
    try:
        found = date.fromisoformat(said)
    except ValueError:
        found = date.min
    if not 1971 <= found.year <= 2199:
        raise InvalidRequest(f"{name}: write the day as 2026-01-31")
    return found


def label(unit: Unit, first: date) -> str:
    """Return the name of a week, month or year."""
    if unit == "week":
        return f"{locales.day(first)} – {locales.day(first + timedelta(days=6))}"
    return locales.skeleton("yMMMM" if unit == "month" else "y", first)


def label_before(shown: Chosen) -> str:
    """Return what a span is compared with, in words."""
    words: dict[Unit, str] = {
        "week": _("the week before"),
        "month": _("the month before"),
        "year": _("the year before"),
        "days": _("the days before"),
        "all_time": "",
    }
    return words[shown.unit]


def calendar_word(unit: Unit, first: date) -> str:
    if unit == "week":
        return f"{first.isocalendar().year}-W{first.isocalendar().week:02}"
    return f"{first:%Y-%m}" if unit == "month" else f"{first:%Y}"


def following(unit: Unit, first: date) -> date:
    if unit == "week":
        return first + timedelta(days=7)
    return (first + timedelta(days=31 if unit == "month" else 366)).replace(day=1)


def preceding(unit: Unit, first: date) -> date:
    if unit == "week":
        return first - timedelta(days=7)
    return (first - timedelta(days=1)).replace(day=1) if unit == "month" else first.replace(year=first.year - 1)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)
