"""Charts of figures with their intervals, and of values over time, as geometry: templates draw them as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, ROW, LABEL, RIGHT = 720, 34, 210, 70
HEIGHT, LEFT, TOP, BOTTOM = 220, 56, 12, 26


@dataclass(frozen=True, slots=True)
class Value:
    """A value by name, with its interval where it has one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    label: str
    said: str
    y: float
    x: float
    low_x: float
    high_x: float
    has_interval: bool


@dataclass(frozen=True, slots=True)
class Intervals:
    """One row for each value: a point and its interval on one scale; `zero` is where nothing would be."""

    marks: list[Mark]
    zero: float
    height: int
    width: int = WIDTH
    label_x: int = LABEL - 12


def intervals(values: Sequence[Value]) -> Intervals | None:
    """Return the chart of values on a common scale that holds zero; None where there are none."""
    if not values:
        return None
    least = min(0.0, *(v.value if v.low is None else v.low for v in values))
    most = max(0.0, *(v.value if v.high is None else v.high for v in values))
    span = (most - least) or 1.0

    def place(value: float) -> float:
        return round(LABEL + (WIDTH - LABEL - RIGHT) * (value - least) / span, 1)

    marks = [
        Mark(
            v.label,
            f"{v.value:.3f}",
            (number + 0.5) * ROW,
            place(v.value),
            place(v.value if v.low is None else v.low),
            place(v.value if v.high is None else v.high),
            v.low is not None and v.high is not None,
        )
        for number, v in enumerate(values)
    ]
    return Intervals(marks, place(0.0), len(values) * ROW)


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Band:
    """A line over time with the interval about it, and one level to compare with."""

    line: str
    band: str
    dots: list[Dot]
    level: float
    level_said: str
    top_said: str
    bottom_said: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def over_time(values: Sequence[Value], *, level: float = 0.0, percent: bool = False) -> Band | None:
    """Return the chart of values in their order of time; `level` is drawn as a line. None below two values."""
    if len(values) < 2:
        return None
    least = min(level, *(v.value if v.low is None else v.low for v in values))
    most = max(level, *(v.value if v.high is None else v.high for v in values))
    span = (most - least) or 1.0
    step = (WIDTH - LEFT - 12) / (len(values) - 1)

    def place(number: int, value: float) -> tuple[float, float]:
        return round(LEFT + number * step, 1), round(TOP + (HEIGHT - TOP - BOTTOM) * (most - value) / span, 1)

    def said(value: float) -> str:
        return f"{value:+.0%}" if percent else f"{value:.2f}"

    centre = [place(n, v.value) for n, v in enumerate(values)]
    upper = [place(n, v.value if v.high is None else v.high) for n, v in enumerate(values)]
    lower = [place(n, v.value if v.low is None else v.low) for n, v in enumerate(values)]
    return Band(
        line=_points(centre),
        band=_points([*upper, *reversed(lower)]),
        dots=[Dot(x, y, v.label) for (x, y), v in zip(centre, values, strict=True)],
        level=place(0, level)[1],
        level_said=said(level),
        top_said=said(most),
        bottom_said=said(least),
    )


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
