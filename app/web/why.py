"""Why a listener is shown what they are shown: the plays, weights and rules behind each suggestion."""

from flask import Blueprint
from msgspec import Struct

from app.contracts.listens import Kind
from app.contracts.services import Services
from app.kernel.http import parse_query
from app.settings import Settings
from app.web.page import Answer, me, render

SHOWN = 20


class WhyQuery(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind = "recordings"


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/why")
    def why() -> Answer:
        query: WhyQuery = parse_query(WhyQuery)
        found = services.recommendations.recommend(me(), query.kind, SHOWN)
        return render("web/why.html", found=found, kind=query.kind)
