"""Celery entry points: a task is only a way to advance what stands in the tables."""

from celery import Celery

from app.kernel import context
from app.modules.recommendations import likeness
from app.modules.recommendations.service import RecommendationsService

LIKENESS = "recommendations.likeness"
LIKENESS_EVERY_S = 60.0  # where nothing changed, one statement


def register(celery: Celery, service: RecommendationsService) -> None:
    """Add the tasks of recommendations and their schedule to the worker's application."""

    @celery.task(name=LIKENESS)  # type: ignore[untyped-decorator]
    def fit_likeness() -> None:
        with context.acting_as(context.SYSTEM):
            likeness.refresh(service.database, service.clock)

    # one that comes late is no use: the next one does its work
    celery.conf.beat_schedule = {
        **celery.conf.beat_schedule,
        "likeness": {"task": LIKENESS, "schedule": LIKENESS_EVERY_S, "options": {"expires": LIKENESS_EVERY_S}},
    }
