"""Work that one process at a time does for a module: followers and ticks."""

import logging
import threading
import time
import zlib
from collections.abc import Callable

from sqlalchemy import text

from app.kernel import context, metrics
from app.kernel.contract import DomainError
from app.kernel.db import Database

log = logging.getLogger(__name__)

NOTED_EVERY_S = 1.0
LOOKED_AT_EVERY_S = 2.0
# Looking takes the most of what an idle system costs: after a quiet while it is done less often.
QUIET_AFTER_S = 5.0
QUIET_INTERVAL_S = 0.5


# Whoever waits to lead looks by a connection of the pool: a new one each time would cost more than leading does.
IS_LED = text(
    """
    select exists (
        select from pg_locks
        where locktype = 'advisory' and classid = 0 and objid = :key and objsubid = 1
        and database = (select oid from pg_database where datname = current_database())
    )
    """
)


class Leader(threading.Thread):
    """Repeats `step` for as long as the process lives, in one process at a time.

    Of several processes with the same module one leads, by an advisory lock of its database; when it dies the
    server frees the lock and another takes over. A step that returns 0 had nothing to do: the next waits `interval_s`,
    or somewhat longer in a quiet while.
    """

    def __init__(self, name: str, database: Database, step: Callable[[], int], *, interval_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self.database = database
        self.step = step
        self.interval_s = interval_s
        self.stopping = threading.Event()
        self._noted_at = -NOTED_EVERY_S

    def stop(self) -> None:
        self.stopping.set()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._lead()
            except DomainError as error:
                log.warning("background work waits", extra={"work": self.name, "reason": error.message})
            except Exception:
                log.exception("background work failed", extra={"work": self.name})
            self.stopping.wait(1.0)

    def _lead(self) -> None:
        key = zlib.crc32(f"lead {self.name}".encode())
        trace_id, span_id = context.new_trace()
        ctx = context.Context(context.SYSTEM, trace_id=trace_id, span_id=span_id)
        with self.database.look() as connection:
            if connection.execute(IS_LED, {"key": key}).scalar():
                return
        with self.database.dedicated() as connection, context.use(ctx):
            if not connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": key}).scalar():
                return
            worked_at = looked_at = time.monotonic()
            while not self.stopping.is_set():
                if self.step():
                    worked_at = time.monotonic()
                else:
                    self._note_caught_up()
                    is_quiet = time.monotonic() - worked_at > QUIET_AFTER_S
                    self.stopping.wait(max(self.interval_s, QUIET_INTERVAL_S) if is_quiet else self.interval_s)
                if time.monotonic() - looked_at > LOOKED_AT_EVERY_S:
                    looked_at = time.monotonic()
                    connection.execute(text("select 1"))  # a lost lock ends the lead

    def _note_caught_up(self) -> None:
        if time.monotonic() - self._noted_at >= NOTED_EVERY_S:
            self._noted_at = time.monotonic()
            metrics.CAUGHT_UP.labels(self.name).set_to_current_time()
            metrics.carrier.carry()
