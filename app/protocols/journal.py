"""Notes what players asked for and what they were told, for the page that shows a token's last requests.

Noted in memory and handed on every second: a player waits for nobody's log.
"""

import logging
import threading
from collections import deque

from app.contracts.accounts import TokenRequest
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import DomainError

log = logging.getLogger(__name__)

EVERY_S = 1.0
KEPT = 2000  # while accounts is away the oldest are forgotten
BATCH = 500


class Journal:
    def __init__(self, services: Services) -> None:
        self.services = services
        self._waiting: deque[TokenRequest] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, request: TokenRequest) -> None:
        self._waiting.append(request)
        if self._thread is None:  # in this process, not in the one that gunicorn forks from
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(EVERY_S)
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if batch:
                self.write(batch)

    def write(self, batch: list[TokenRequest]) -> None:
        """Hand requests on now. One that can't be noted is no reason to fail it."""
        try:
            with context.acting_as(context.SYSTEM):
                self.services.accounts.note_requests(batch)
        except DomainError as error:
            log.warning("requests of players were not noted", extra={"reason": error.message})
        except Exception:
            log.exception("requests of players were not noted")
