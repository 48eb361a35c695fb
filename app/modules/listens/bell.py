"""The doorbell of the workers: a message that something waits. Losing one loses nothing; the tick rings again."""

import logging
import threading
from collections.abc import Callable

from celery import Celery

from app.kernel.celery import impatient, make_celery
from app.settings import Settings

log = logging.getLogger(__name__)

IMPORT = "listens.import"
RELAY = "listens.relay"
EXPIRES_S = 10  # an unheard ring is repeated, so an old one only costs


def bell(settings: Settings) -> Callable[[str], None]:
    """Return what rings for a task by its name. A broker that is away is noted in the log, within about a second."""
    made: list[Celery] = []
    lock = threading.Lock()

    def ring(task: str) -> None:
        if not settings.broker_url:
            return
        with lock:
            if not made:
                made.append(impatient(make_celery(settings)))
        try:
            made[0].send_task(task, expires=EXPIRES_S, retry=False, ignore_result=True)
        except Exception as error:  # each transport raises the errors of its own client
            log.warning("the broker can't be reached; the work waits", extra={"task": task, "reason": str(error)})

    return ring
