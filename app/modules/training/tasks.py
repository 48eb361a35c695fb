"""Celery entry points: a task is only a way to advance what stands in the table."""

from typing import Any
from uuid import UUID

from celery import Celery
from celery.signals import worker_ready

from app.kernel import context
from app.modules.training.bell import REAP, RUN, SCHEDULE
from app.modules.training.service import TrainingService

REAP_EVERY_S = 5.0
SCHEDULE_EVERY_S = 60.0


def register(celery: Celery, service: TrainingService) -> None:
    """Add the tasks of training and their schedule to the worker's application."""

    @celery.task(name=RUN)  # type: ignore[untyped-decorator]
    def run(run_id: str) -> None:
        with context.acting_as(context.SYSTEM):
            service.run(UUID(run_id))

    @celery.task(name=REAP)  # type: ignore[untyped-decorator]
    def reap() -> None:
        with context.acting_as(context.SYSTEM):
            service.reap()

    @celery.task(name=SCHEDULE)  # type: ignore[untyped-decorator]
    def follow_schedules() -> None:
        with context.acting_as(context.SYSTEM):
            service.follow_schedules()

    # a reaping that comes late is no use: the next one does its work
    celery.conf.beat_schedule = {
        **celery.conf.beat_schedule,
        "reap": {"task": REAP, "schedule": REAP_EVERY_S, "options": {"expires": REAP_EVERY_S}},
        "schedule": {"task": SCHEDULE, "schedule": SCHEDULE_EVERY_S, "options": {"expires": SCHEDULE_EVERY_S}},
    }

    def ring_at_start(**_: Any) -> None:
        """Look at once for runs that waited for a worker; by a message, since children are forked from this process."""
        celery.send_task(REAP, retry=False, ignore_result=True)

    worker_ready.connect(ring_at_start, weak=False)
