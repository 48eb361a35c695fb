"""What a person played most, and when, in a range."""

from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Any, Literal, get_args

from flask import Blueprint
from msgspec import Meta, Struct

from app.contracts.listens import InvalidRange, Range
from app.contracts.services import Services
from app.contracts.statistics import Entity
from app.kernel.contract import InvalidRequest
from app.kernel.http import parse_query
from app.settings import Settings
from app.web import look
from app.web.chart import bar_chart
from app.web.page import Answer, me, render
from app.web.parts import Part, gather

TOP = 10
RANGES: dict[Range, str] = {
    "this_week": "This week",
    "this_month": "This month",
    "this_year": "This year",
    "week": "Last week",
    "month": "Last month",
    "year": "Last year",
    "all_time": "All time",
}
ENTITIES: tuple[Entity, ...] = get_args(Entity)
Day = Annotated[str, Meta(max_length=10)]


class StatisticsQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    range: Range | Literal[""] = "all_time"
    start: Day = ""
    end: Day = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/statistics")
    def statistics() -> Answer:
        query: StatisticsQuery = parse_query(StatisticsQuery)
        span: dict[str, Any] = {
            "range": query.range or "all_time",
            "start": moment(query.start, "from"),
            "end": moment(query.end, "to", days=1),
            "timezone": look.look().timezone,
        }
        try:
            activity, *tops = gather(
                partial(services.listens.activity, me(), **span),
                *(partial(services.listens.top, me(), entity, **span, limit=TOP) for entity in ENTITIES),
            )
        except InvalidRange as error:
            return render("web/statistics.html", query=query, ranges=RANGES, trouble=error.message), 422
        chart = Part(bar_chart(activity.value.buckets, look.look().zone)) if activity else activity
        return render(
            "web/statistics.html",
            query=query,
            ranges=RANGES,
            trouble="",
            chart=chart,
            tops=dict(zip(ENTITIES, tops, strict=True)),
            has_span=bool(query.start or query.end),
        )


def moment(day: str, name: str, *, days: int = 0) -> datetime | None:
    """Return the beginning of a day where the person is, `days` later. Raises InvalidRequest."""
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=days), time(), look.look().zone)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{name}: write the day as 2026-01-31") from None
