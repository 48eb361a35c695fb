"""A year in review: a page, and a picture of it to share."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Blueprint, Response

from app.contracts.services import Services
from app.kernel.contract import NotFound, ServiceUnavailable
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import look, spans, year_picture
from app.web.chart import bar_chart, heat_map
from app.web.page import Answer, me, render
from app.web.parts import Part, gather
from app.web.spans import Chosen, RangeQuery
from app.web.statistics import HEADS

TOP = 5


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/year/<int:year>")
    def year(year: int) -> Answer:
        shown = _chosen(year)
        figures, *tops = _gathered(services, shown)
        zone = look.look().zone
        return render(
            "web/year.html",
            year=year,
            shown=shown,
            figures=figures,
            tops=dict(zip(HEADS, tops, strict=True)),
            heads=HEADS,
            activity=bar_chart(figures.value.activity, zone, figures.value.activity_before) if figures else None,
            pattern=heat_map(figures.value.pattern) if figures else None,
        )

    @bp.get("/year/<int:year>.svg")
    def year_picture_file(year: int) -> Answer:
        figures, *tops = _gathered(services, _chosen(year))
        if not figures or not all(tops):
            raise ServiceUnavailable("your plays can't be counted just now")
        picture = year_picture.svg(year, figures.value, [top.value.items for top in tops])
        answer = Response(picture, mimetype="image/svg+xml")
        answer.headers["Content-Disposition"] = f'attachment; filename="segue-{year}.svg"'
        answer.headers["Cache-Control"] = "private, no-store"
        return answer


def _chosen(year: int) -> Chosen:
    today = datetime.now(UTC).astimezone(look.look().zone).date()
    if not 2002 <= year <= today.year:
        raise NotFound(_("That year has not begun, or is before there were listens."))
    return spans.chosen(RangeQuery(range=str(year)))


def _gathered(services: Services, shown: Chosen) -> list[Part[Any]]:
    return gather(
        partial(services.listens.overview, me(), shown.span, shown.before, look.look().timezone),
        *(partial(services.listens.ranked, me(), of, shown.span, shown.before, TOP) for of in HEADS),
    )
