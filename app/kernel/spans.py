"""Spans of requests, contract calls and tasks, sent by OTLP where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to.

Their ids are those of `app.kernel.context`, so a trace is found by the id that every log line has. It takes the extra
`otel`; where no address is set nothing is imported, and calls are not even wrapped.
"""

import importlib.util
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from app.kernel import context
from app.settings import Settings, SettingsError

Kind = Literal["SERVER", "INTERNAL", "CONSUMER"]


class Exporter:
    """Hands finished spans to the batches of OpenTelemetry's SDK, which begins with the first: after all forks."""

    def __init__(self, process: str, endpoint: str) -> None:
        self.process = process
        self.endpoint = endpoint.rstrip("/")
        self._processor: Any = None
        self._lock = threading.Lock()

    def _ready(self) -> Any:
        with self._lock:
            if self._processor is None:
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
                from opentelemetry.sdk.resources import Resource
                from opentelemetry.sdk.trace.export import BatchSpanProcessor

                self.resource = Resource.create({"service.name": self.process, "service.namespace": "segue"})
                exporter = OTLPSpanExporter(endpoint=f"{self.endpoint}/v1/traces")
                self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=1000)
        return self._processor

    def send(self, name: str, kind: Kind, seconds: float, facts: dict[str, Any], *, is_error: bool) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        processor = self._ready()
        ctx, ended = context.current(), time.time_ns()
        trace_id, flags = int(ctx.trace_id, 16), TraceFlags(TraceFlags.SAMPLED)
        parent = int(ctx.parent_id, 16) if ctx.parent_id else None
        processor.on_end(
            ReadableSpan(
                name,
                SpanContext(trace_id, int(ctx.span_id, 16), is_remote=False, trace_flags=flags),
                SpanContext(trace_id, parent, is_remote=True, trace_flags=flags) if parent else None,
                resource=self.resource,
                attributes=facts,
                kind=SpanKind[kind],
                status=Status(StatusCode.ERROR if is_error else StatusCode.UNSET),
                start_time=ended - int(seconds * 1e9),
                end_time=ended,
            )
        )


_exporter: Exporter | None = None


def configure(process: str, settings: Settings) -> None:
    """Let this process send spans where the settings say where to. Raises SettingsError where the extra is missing."""
    global _exporter  # noqa: PLW0603 (one for each process, at its start)
    _exporter = None
    if settings.otlp_endpoint:
        if not importlib.util.find_spec("opentelemetry") or not importlib.util.find_spec("opentelemetry.sdk"):
            raise SettingsError(
                "OTEL_EXPORTER_OTLP_ENDPOINT: sending spans needs more; install it with `pip install 'segue[otel]'`"
            )
        _exporter = Exporter(process, settings.otlp_endpoint)


def ended(name: str, kind: Kind, seconds: float, *, is_error: bool = False, **facts: Any) -> None:
    """Send the span of the context in force, which ends now."""
    if _exporter is not None and context.current().trace_id:
        _exporter.send(name, kind, seconds, facts, is_error=is_error)


def traced(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call that is a span of its own within the one in force; the call itself where none are sent."""
    if _exporter is None:
        return call

    def within(*args: Any, **kwargs: Any) -> Any:
        ctx = context.current()
        if not ctx.trace_id:
            return call(*args, **kwargs)
        with context.use(replace(ctx, span_id=context.new_trace()[1], parent_id=ctx.span_id)):
            started, is_error = time.perf_counter(), False
            try:
                return call(*args, **kwargs)
            except Exception as error:
                is_error = getattr(error, "status", 500) >= 500
                raise
            finally:
                ended(name, "INTERNAL", time.perf_counter() - started, is_error=is_error)

    return within
