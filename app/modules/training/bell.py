"""The doorbell of the workers: a message that a run waits. Losing one loses nothing; the reaper rings again."""

import logging
import threading
from collections.abc import Callable
from uuid import UUID

from celery import Celery

from app.kernel.celery import impatient, make_celery
from app.settings import Settings

log = logging.getLogger(__name__)

RUN = "training.run"
REAP = "training.reap"
EXPIRES_S = 60  # an unheard ring is repeated, so an old one only costs


def bell(settings: Settings) -> Callable[[UUID], None]:
    """Return what rings for a run. A broker that is away is noted in the log, within about a second."""
    made: list[Celery] = []
    lock = threading.Lock()

    def ring(run_id: UUID) -> None:
        if not settings.broker_url:
            return
        with lock:
            if not made:
                made.append(impatient(make_celery(settings)))
        try:
            made[0].send_task(RUN, [str(run_id)], expires=EXPIRES_S, retry=False, ignore_result=True)
        except Exception as error:  # each transport raises the errors of its own client
            log.warning("the broker can't be reached; the run waits", extra={"run": str(run_id), "reason": str(error)})

    return ring
