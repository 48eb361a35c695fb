"""The doorbell of the workers: a message that something waits. Losing one loses nothing; the tick rings again."""

from collections.abc import Callable

from app.kernel.celery import doorbell
from app.settings import Settings

IMPORT = "listens.import"
RELAY = "listens.relay"
EXPIRES_S = 10


def bell(settings: Settings) -> Callable[[str], None]:
    """Return what rings for a task by its name."""
    return doorbell(settings, expires_s=EXPIRES_S)
