"""Celery entry points: a task is only a way to advance what stands in the table."""

from celery import Celery

from app.modules.listens.service import ListensService


def register(celery: Celery, service: ListensService) -> None:
    """Add the tasks of listens to the worker's application."""
