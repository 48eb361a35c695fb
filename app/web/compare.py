"""Two listeners side by side, where both show their listening to others."""

from functools import partial
from typing import Annotated

from flask import Blueprint
from msgspec import Meta

from app.contracts.accounts import ListenerNotFound
from app.contracts.services import Services
from app.contracts.statistics import NotComparable
from app.kernel.http import parse_query
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import spans
from app.web.page import Answer, me, render
from app.web.parts import gather
from app.web.spans import RangeQuery

SHOWN = 15


class CompareQuery(RangeQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(max_length=64)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/compare")
    def compare() -> Answer:
        query: CompareQuery = parse_query(CompareQuery)
        shown, name, trouble = spans.chosen(query), query.name.strip(), ""
        [preferences] = gather(partial(services.accounts.get_preferences, me()))
        found = None
        if name:
            try:
                other = services.accounts.find_visible(name)
                [found] = gather(partial(services.listens.compare, me(), other.listener_id, shown.span, SHOWN))
                name = other.name
            except (ListenerNotFound, NotComparable):
                trouble = _("There is nobody of that name who shows their listening, or you don't show yours.")
        return render(
            "web/compare.html",
            shown=shown,
            words=spans.WORDS,
            name=name,
            found=found,
            trouble=trouble,
            is_public=preferences.value.is_public if preferences else True,
        )
