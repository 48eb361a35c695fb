"""Celery entry points: a task is only a way to advance what stands in the table."""

from celery import Celery

from app.kernel import context
from app.modules.listens.bell import IMPORT, RELAY
from app.modules.listens.service import ListensService


def register(celery: Celery, service: ListensService) -> None:
    """Add the tasks of listens to the worker's application."""

    @celery.task(name=IMPORT)  # type: ignore[untyped-decorator]
    def advance_imports() -> None:
        with context.acting_as(context.SYSTEM):
            service.advance_imports()

    @celery.task(name=RELAY)  # type: ignore[untyped-decorator]
    def advance_relays() -> None:
        with context.acting_as(context.SYSTEM):
            service.advance_relays()
