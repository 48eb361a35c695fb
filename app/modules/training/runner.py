"""Advances runs, one attempt at a time. Holds no state of its own; killed, an attempt is followed by another."""

import contextlib
import logging
import shutil
import time
from pathlib import Path
from uuid import UUID

from app.contracts.training import Run
from app.kernel.contract import DeadlineExceeded, DomainError, ServiceUnavailable
from app.kernel.db import Database
from app.modules.training import runs
from app.modules.training.heart import Heart, Stopped, lock
from app.modules.training.snapshot_files import Damaged
from app.modules.training.snapshots import Progress
from app.modules.training.steps import Steps

log = logging.getLogger(__name__)

LEFT_OVER_S = 86_400


class Runner:
    """The run's lock keeps a second worker from the same run."""

    def __init__(self, database: Database, steps: Steps) -> None:
        self.database = database
        self.steps = steps

    def run(self, run_id: UUID) -> None:
        """Do what there is to do for a run: nothing when it has ended or another worker is at it."""
        with self.database.dedicated() as connection:
            if not lock(connection, run_id):
                return
            with self.database.begin() as session:
                attempt = runs.take(session, run_id)
            if attempt is None:
                return
            heart = Heart(connection, attempt)
            heart.start()
            try:
                self._attempt(attempt, heart.report)
            finally:
                heart.end()

    def _attempt(self, run: Run, progress: Progress) -> None:
        facts = {"run": str(run.run_id), "kind": run.kind, "attempt": run.attempt}
        log.info("run started", extra=facts)
        try:
            for home in (self.steps.models.home, self.steps.snapshots.home):
                _sweep(home)
            self.steps.advance(run, progress)
        except Stopped:
            log.info("run stopped", extra=facts)
            with self.database.begin() as session:
                runs.stop(session, run)
        except (ServiceUnavailable, DeadlineExceeded) as error:
            log.warning("run waits", extra={**facts, "reason": error.message})
            with self.database.begin() as session:
                runs.give_back(session, run)
        except (DomainError, Damaged) as error:
            code = error.code if isinstance(error, DomainError) else "training.snapshot_damaged"
            log.warning("run failed", extra={**facts, "reason": str(error)})
            self._fail(run, f"{code}: {error}")
        except Exception as error:
            # whatever went wrong, the run's row must say so: nobody waits for this process
            log.exception("run failed", extra=facts)
            self._fail(run, f"internal: {type(error).__name__}: {error}")
        else:
            log.info("run done", extra=facts)

    def _fail(self, run: Run, error: str) -> None:
        with self.database.begin() as session:
            if not runs.fail(session, run, error):
                runs.stop(session, run)


def _sweep(home: Path) -> None:
    """Remove what killed workers left half written, once it can be nobody's work any more."""
    for folder in home.glob("unfinished-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > LEFT_OVER_S:
                shutil.rmtree(folder, ignore_errors=True)
