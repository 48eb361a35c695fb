"""Logs as JSON lines on standard error: UTC, with request and actor, never with a secret."""

import logging
import re
import sys
from typing import Any

import structlog

from app.kernel import context

SECRET = re.compile(
    r"(?i)(bearer |token[ =:]+|password[ =:]+|segue_[a-z]*_?)[A-Za-z0-9._~+/=-]{12,}"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
)


def _masked(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Mask what looks like a credential, wherever it came from."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = SECRET.sub("[masked]", value)
    return event


def _with_context(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    ctx = context.current()
    if ctx.trace_id:
        event["trace_id"] = ctx.trace_id
    if ctx.actor.kind != "anonymous":
        event["actor"] = str(ctx.actor.listener_id or ctx.actor.name)
    return event


def configure(process: str, *, level: str = "INFO") -> None:
    """Send all logging of this process through one JSON formatter."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_context,
        structlog.processors.format_exc_info,
        _masked,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            lambda _, __, event: {"process": process, **event},
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
