"""The doorbell of the workers: a message that a run waits. Losing one loses nothing; the reaper rings again."""

from collections.abc import Callable
from uuid import UUID

from app.kernel.celery import doorbell
from app.settings import Settings

RUN = "training.run"
REAP = "training.reap"
SCHEDULE = "training.schedule"
EXPIRES_S = 60


def bell(settings: Settings) -> Callable[[UUID], None]:
    """Return what rings for a run."""
    ring = doorbell(settings, expires_s=EXPIRES_S)
    return lambda run_id: ring(RUN, str(run_id))
