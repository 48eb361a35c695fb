"""The sign of life of a running attempt: its lock, its heartbeat, and the ear for being cancelled."""

import logging
import re
import threading

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from app.contracts.training import Run

log = logging.getLogger(__name__)

BEAT_S = 0.5
NUMBERS = re.compile(r"[\d,./]+")


class Stopped(Exception):
    """This attempt is to end without a result: it was cancelled, or it is no longer the one."""


def lock(connection: Connection, run_id: object) -> bool:
    """Take the run's lock for as long as the connection lives; False when another worker has it."""
    return bool(
        connection.execute(
            text("select pg_try_advisory_lock(hashtextextended(:id, 0))"), {"id": str(run_id)}
        ).scalar_one()
    )


class Heart(threading.Thread):
    """Beats on the connection that holds the lock; a lost connection is a lost lock, and ends the attempt.

    Cancelling ends the run in the table at once, even in the middle of a long computation; the computation ends when
    it next reports, and can write nothing any more.
    """

    def __init__(self, connection: Connection, run: Run) -> None:
        super().__init__(name=f"run {run.run_id}", daemon=True)
        self.connection = connection
        self.run_ = run
        self.fraction, self.step = 0.0, "starting"
        self._told = ""
        self.has_stopped = False
        self._ending = threading.Event()

    def report(self, fraction: float, step: str) -> None:
        """Say how far the attempt is. Raises Stopped when it is to end."""
        self.fraction, self.step = min(max(fraction, 0.0), 1.0), step
        if self.has_stopped:
            raise Stopped

    def end(self) -> None:
        self._ending.set()
        self.join()

    def run(self) -> None:
        while not self._ending.wait(BEAT_S):
            try:
                if not self._beat():
                    self.has_stopped = True
                    return
            except SQLAlchemyError:
                log.warning("the lock of a run was lost", extra={"run": str(self.run_.run_id)})
                self.has_stopped = True
                return

    def _beat(self) -> bool:
        if (said := NUMBERS.sub("", self.step)) != self._told:  # counts change with every beat, and are no news
            self._told = said
            self.connection.execute(
                text("insert into run_log (run_id, message) values (:id, :message)"),
                {"id": self.run_.run_id, "message": self.step},
            )
        who = {"id": self.run_.run_id, "attempt": self.run_.attempt}
        state = self.connection.execute(
            text(
                """
                update run
                set heartbeat_at = now(), progress = :progress, step = :step,
                    state    = case when state = 'cancelling' then 'cancelled' else state end,
                    ended_at = case when state = 'cancelling' then now() end
                where run_id = :id and attempt = :attempt and state in ('running', 'cancelling')
                returning state
                """
            ),
            {**who, "progress": self.fraction, "step": self.step},
        ).scalar_one_or_none()
        return state == "running"
