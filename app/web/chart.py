"""A bar chart of plays over time as geometry: the template draws it as SVG, with its table beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo

from app.contracts.statistics import Bucket
from app.kernel import locales

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 12, 26
MAX_LABELS = 8


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    label: str
    plays: int
    has_tick: bool  # whether the label fits below the axis
    is_extra: bool  # whether it only fits in a wide window
    before: int | None = None  # the plays of the span before at this place
    before_y: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    lines: list[Line]
    total: int
    busiest: Bar | None
    has_before: bool = False
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def bar_chart(buckets: Sequence[Bucket], zone: tzinfo, earlier: Sequence[Bucket] = ()) -> Chart:
    """Return the chart of a series of buckets, oldest first, with the span before it over it, place by place."""
    earlier = earlier[: len(buckets)]
    top = nice_ceiling(max((b.plays for b in (*buckets, *earlier)), default=0))
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    step = inner_width / max(len(buckets), 1)
    every = -(-len(buckets) // MAX_LABELS) or 1
    bars = []
    for place, bucket in enumerate(buckets):
        height = inner_height * bucket.plays / top
        before = earlier[place].plays if place < len(earlier) else None
        bars.append(
            Bar(
                x=round(LEFT + place * step + step * 0.12, 2),
                y=round(TOP + inner_height - height, 2),
                width=round(max(step * 0.76, 0.6), 2),
                height=round(height, 2),
                label=label_of(bucket, zone),
                plays=bucket.plays,
                has_tick=place % every == every // 2,
                is_extra=place // every % 2 == 1,
                before=before,
                before_y=round(TOP + inner_height * (1 - (before or 0) / top), 2),
            )
        )
    lines = [Line(round(TOP + inner_height * (1 - share), 2), short(round(top * share))) for share in (0, 0.5, 1)]
    busiest = max(bars, key=lambda b: b.plays, default=None)
    total = sum(b.plays for b in buckets)
    return Chart(bars, lines, total, busiest if busiest and busiest.plays else None, any(b.plays for b in earlier))


@dataclass(frozen=True, slots=True)
class Cell:
    x: int
    y: int
    level: int  # 0 to 5
    plays: int
    hour: int


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Weekdays as this locale orders them, each with its 24 hours."""

    rows: list[tuple[str, list[Cell]]]
    busiest: tuple[str, int, int] | None  # weekday, hour, plays
    total: int


CELL, LEVELS = 24, 5


def heat_map(pattern: Sequence[Sequence[int]]) -> HeatMap:
    most = max(map(max, pattern))
    rows, busiest = [], None
    for place in range(7):
        day = (locales.first_weekday() + place) % 7
        cells = [
            Cell(hour * CELL, place * CELL, -(-plays * LEVELS // most) if most else 0, plays, hour)
            for hour, plays in enumerate(pattern[day])
        ]
        rows.append((locales.weekday(day, "abbreviated"), cells))
        if most and most in pattern[day] and busiest is None:
            busiest = (locales.weekday(day), pattern[day].index(most), most)
    return HeatMap(rows, busiest, sum(map(sum, pattern)))


def short(value: int) -> str:
    """Return a number in at most five characters: 950, 12k, 1.5M."""
    for limit, unit in ((1_000_000, "M"), (1000, "k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return str(value)


def label_of(bucket: Bucket, zone: tzinfo) -> str:
    """Return a bucket's name by its length: a day, a month or a year."""
    start, length = bucket.start.astimezone(zone), bucket.end - bucket.start
    if length > timedelta(days=300):
        return locales.skeleton("y", start)
    if length > timedelta(days=25):
        return locales.skeleton("yMMM", start)
    if length > timedelta(hours=20):
        return locales.skeleton("MMMd", start)
    return locales.time_of_day(start)


def nice_ceiling(value: int) -> int:
    """Return the least even 1, 2, 4 or 10 times a power of ten that is not below `value`, and at least 2."""
    if value <= 2:
        return 2
    power = 1
    while True:
        for factor in (1, 2, 4, 6, 8):
            if factor * power >= value and (factor * power) % 2 == 0:
                return factor * power
        power *= 10
