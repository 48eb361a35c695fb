"""Periods of statistics, cut in a listener's time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.contracts.listens import InvalidRange, Range
from app.contracts.statistics import Bucket

# Nothing that is asked for lies beyond, and calendars and time zones still work there.
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MAX_PAGE = 1000
MONTHS = {"month": 1, "quarter": 3, "half_yearly": 6, "year": 12}


def check_page(limit: int, offset: int) -> None:
    """Raises InvalidRange."""
    if not 1 <= limit <= MAX_PAGE or not 0 <= offset <= 1_000_000:
        raise InvalidRange("limit is between 1 and 1000, offset up to a million")


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises InvalidRange."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRange(f"{name[:60]!r} is not the name of a time zone") from None


def between(start: datetime | None, end: datetime | None, timezone: str) -> tuple[datetime | None, datetime | None]:
    """Return an explicit range in UTC; a time without zone is one of the listener's. Raises InvalidRange."""
    local = zone(timezone)
    found = [side.replace(tzinfo=local) if side and side.tzinfo is None else side for side in (start, end)]
    if any(side is not None and not EARLIEST <= side <= LATEST for side in found):
        raise InvalidRange("a range lies between 1970 and 2200")
    start, end = (side and side.astimezone(UTC) for side in found)
    if start is not None and end is not None and start >= end:
        raise InvalidRange("the range ends before it begins")
    return start, end


def span(range: Range, now: datetime, timezone: str) -> tuple[datetime | None, datetime | None]:
    """Return start and end (exclusive) of a range in UTC; None for an open side.

    The words of ListenBrainz: this_week, this_month and this_year are the current ones, with what is still to come of
    them; week, month, quarter, half_yearly and year are the last complete ones. Weeks begin on Monday.
    """
    local = now.astimezone(zone(timezone))
    if range == "all_time":
        return None, None
    day = midnight(local)
    monday, first = day - timedelta(days=day.weekday()), day.replace(day=1)
    if range == "this_week":
        start, end = monday, monday + timedelta(days=7)
    elif range == "week":
        start, end = monday - timedelta(days=7), monday
    elif range == "this_month":
        start, end = first, add_months(first, 1)
    elif range == "this_year":
        start, end = first.replace(month=1), add_months(first.replace(month=1), 12)
    else:
        length = MONTHS[range]
        end = first.replace(month=(first.month - 1) // length * length + 1)
        start = add_months(end, -length)
    return start.astimezone(UTC), end.astimezone(UTC)


def midnight(local: datetime) -> datetime:
    """Return when the day began: where the clock was set back to midnight, the first of the two."""
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def add_months(day: datetime, months: int) -> datetime:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1)


def buckets(start: datetime, end: datetime, timezone: str) -> list[tuple[datetime, datetime]]:
    """Cut a span into days, months or years of a time zone, whichever gives a readable number of them."""
    days = (end - start).total_seconds() / 86400
    local = midnight(start.astimezone(zone(timezone)))
    months = 0
    if days > 62:
        local, months = local.replace(day=1), 1
    if days > 3 * 366:
        local, months = local.replace(month=1), 12
    found = []
    while local.astimezone(UTC) < end:
        # wall-clock arithmetic: a day of 23 or 25 hours is one day
        following = add_months(local, months) if months else local + timedelta(days=1)
        found.append((local.astimezone(UTC), following.astimezone(UTC)))
        local = following
    return found


def filled(cuts: list[tuple[datetime, datetime]], counts: dict[datetime, int]) -> list[Bucket]:
    return [Bucket(start, end, counts.get(start, 0)) for start, end in cuts]
