"""Celery as a doorbell: the truth of a job is a row in PostgreSQL, a task is only a way to advance it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from billiard.process import current_process  # type: ignore[import-untyped]
from celery import Celery

from app.kernel import context, metrics, spans
from app.kernel.rpc import TRACE
from app.settings import Settings

log = logging.getLogger(__name__)

NO_BROKER = "memory://"  # what is sent there, nobody hears
# For those who only ring or look: kombu alone would wait two seconds before it first looks at the clock.
IMPATIENT = {
    "socket_connect_timeout": 0.5,
    "socket_timeout": 1,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
}


def make_celery(settings: Settings) -> Celery:
    """Return a Celery application: JSON only, late acknowledgement, and quick to notice that the broker is away.

    The restore options bring a killed worker's task back within seconds instead of an hour; a run guards itself
    against the doubles that this can cause.
    """
    celery = Celery("segue", broker=settings.broker_url or NO_BROKER, backend=settings.results_url or None)
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        timezone="UTC",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=20,
        worker_hijack_root_logger=False,
        task_ignore_result=True,
        task_default_queue=settings.queue,
        control_exchange=settings.queue,  # or workers of other systems on the same broker would answer for one's own
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        task_publish_retry=False,
        broker_transport_options={
            "visibility_timeout": 15,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 1,
            "socket_timeout": 5,
        },
    )
    return celery


def trace_tasks(celery: Celery) -> None:
    """Run each task in the trace of the request that rang for it, or one of its own; count it and write it down."""
    task_type: Any = celery.Task

    class Traced(task_type):  # type: ignore[misc]
        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            said = (self.request.headers or {}).get(TRACE)
            trace_id, span_id, parent_id = context.continue_trace(said)
            ctx = context.Context(context.SYSTEM, trace_id=trace_id, span_id=span_id, parent_id=parent_id)
            with context.use(ctx):
                started, outcome = time.perf_counter(), "failed"
                try:
                    with metrics.counting_task(self.name):
                        answer = super().__call__(*args, **kwargs)
                    outcome = "done"
                    return answer
                finally:
                    seconds = time.perf_counter() - started
                    spans.ended(self.name, "CONSUMER", seconds, is_error=outcome == "failed")
                    facts = {"task": self.name, "outcome": outcome, "ms": round(seconds * 1000)}
                    # what the clock rings for is told only when it fails
                    log.log(logging.INFO if said or outcome == "failed" else logging.DEBUG, "task", extra=facts)

    celery.Task = Traced


def place_of_child() -> str:
    """Return which of the worker's children this is; the one that takes its place later is called the same."""
    return f"child{getattr(current_process(), 'index', '')}"


def impatient(celery: Celery) -> Celery:
    """Let sending fail within a second, where a worker's own connection may take its time; return the same."""
    options = {**celery.conf.broker_transport_options, **IMPATIENT}
    celery.conf.update(broker_connection_timeout=0.5, broker_transport_options=options)
    return celery


def doorbell(settings: Settings, *, expires_s: float) -> Callable[..., None]:
    """Return what rings for a task, by its name and arguments: a message that something waits in a table.

    Losing a ring loses nothing, since it is repeated; one that nobody hears in time only costs, and expires.
    A broker that is away is noted in the log, within about a second.
    """
    made: list[Celery] = []
    lock = threading.Lock()

    def ring(task: str, *arguments: str) -> None:
        if not settings.broker_url:
            return
        with lock:
            if not made:
                made.append(impatient(make_celery(settings)))
        try:
            made[0].send_task(
                task,
                arguments,
                expires=expires_s,
                retry=False,
                ignore_result=True,
                headers={TRACE: context.traceparent()} if context.current().trace_id else None,
            )
        except Exception as error:  # each transport raises the errors of its own client
            facts = {"task": task, "arguments": arguments, "reason": str(error)}
            log.warning("the broker can't be reached; the work waits", extra=facts)

    return ring


def broker_state(celery: Celery) -> tuple[str, str]:
    """Return whether the broker and a worker answer within about a second: "up" or "down" each."""
    if celery.conf.broker_url == NO_BROKER:
        return "down", "down"
    try:
        with celery.connection_for_read(connect_timeout=1, transport_options=IMPATIENT) as connection:
            connection.ensure_connection(max_retries=0, timeout=1)
            answers = celery.control.inspect(timeout=0.7, connection=connection).ping()
    except Exception:  # each transport raises the errors of its own client
        return "down", "down"
    return "up", "up" if answers else "down"


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker as it answers: what it does now, what it has taken in advance, how many it may do at once."""

    name: str
    pid: int
    children: int
    done: int
    active: list[str]
    reserved: list[str]


def workers_and_queue(settings: Settings) -> tuple[list[WorkerState], int | None]:
    """Return the workers that answer within about a second, and how many messages wait; None for an unknown number."""
    celery = impatient(make_celery(settings))
    if celery.conf.broker_url == NO_BROKER:
        return [], None
    try:
        with celery.connection_for_read() as connection:
            look = celery.control.inspect(timeout=0.7, connection=connection)
            stats, active, reserved = look.stats() or {}, look.active() or {}, look.reserved() or {}
            waiting = connection.default_channel.queue_declare(settings.queue, passive=True).message_count
    except Exception:  # each transport raises the errors of its own client
        return [], None
    found = [
        WorkerState(
            name,
            each.get("pid", 0),
            len(each.get("pool", {}).get("processes", ())),
            sum(each.get("total", {}).values()),
            [f"{task['name']} {' '.join(map(str, task.get('args', ())))}".strip() for task in active.get(name, ())],
            [task["name"] for task in reserved.get(name, ())],
        )
        for name, each in sorted(stats.items())
    ]
    return found, waiting
