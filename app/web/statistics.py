"""What a person played most, and when, in a span of time beside the one before."""

from functools import partial
from typing import get_args

from flask import Blueprint

from app.contracts.services import Services
from app.contracts.statistics import Entity, Overview, RankedPage
from app.kernel.contract import NotFound
from app.kernel.http import parse_query
from app.kernel.locales import N_
from app.settings import Settings
from app.web import look, spans
from app.web.chart import bar_chart, heat_map
from app.web.page import Answer, me, render
from app.web.parts import gather
from app.web.spans import RangeQuery

TOP, PAGE = 10, 50
ENTITIES: tuple[Entity, ...] = get_args(Entity)
HEADS: dict[Entity, str] = {
    "artists": N_("Top artists"),
    "recordings": N_("Top recordings"),
    "releases": N_("Top releases"),
}


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/statistics")
    def statistics() -> Answer:
        shown = spans.chosen(parse_query(RangeQuery))
        figures, *tops = gather(
            partial(services.listens.overview, me(), shown.span, shown.before, look.look().timezone),
            *(partial(services.listens.ranked, me(), of, shown.span, shown.before, TOP) for of in HEADS),
        )
        drawn = charts(figures.value) if figures else None
        return render(
            "web/statistics.html",
            shown=shown,
            words=spans.WORDS,
            compared_with=spans.label_before(shown),
            figures=figures,
            drawn=drawn,
            tops=dict(zip(HEADS, tops, strict=True)),
            heads=HEADS,
        )

    @bp.get("/statistics/<entity>")
    def ranked(entity: Entity) -> Answer:
        if entity not in ENTITIES:
            raise NotFound("there are top lists of artists, releases and recordings")
        query: RangeQuery = parse_query(RangeQuery)
        shown = spans.chosen(query)
        offset = (query.page - 1) * PAGE
        [top] = gather(partial(services.listens.ranked, me(), entity, shown.span, shown.before, PAGE, offset))
        return render(
            "web/ranked.html",
            shown=shown,
            words=spans.WORDS,
            compared_with=spans.label_before(shown),
            entity=entity,
            heads=HEADS,
            top=top,
            page=query.page,
            pages=pages_of(top.value) if top else 1,
        )


def charts(figures: Overview) -> dict[str, object]:
    zone = look.look().zone
    return {
        "activity": bar_chart(figures.activity, zone, figures.activity_before),
        "discovered": bar_chart(figures.discovered, zone),
        "pattern": heat_map(figures.pattern),
    }


def pages_of(top: RankedPage) -> int:
    return max(1, min(1000, -(-top.total // PAGE)))
