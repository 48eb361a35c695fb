"""Spans of requests, calls and tasks arrive by OTLP, in the trace that the logs name."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.kernel import context, spans
from app.kernel.binding import local
from app.kernel.celery import make_celery, trace_tasks
from app.kernel.rpc import TRACE
from app.settings import SettingsError, load
from tests.kernel.conftest import CONTRACT, EchoServer
from tests.kernel.echo import EchoService, Thing
from tests.support.stack import Stack
from tests.support.waiting import eventually

TRACE_ID, SPAN_ID = "ab" * 16, "cd" * 8


class Collector(HTTPServer):
    """Takes what is sent to `/v1/traces`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.spans: list[Span] = []
        self.services: set[str] = set()

    def of(self, trace_id: str) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace_id}


class Broken(EchoService):
    def get_thing(self, number: int) -> Thing:
        return Thing(1 // number, "")


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        said = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for part in said.resource_spans:
            names = {each.key: each.value.string_value for each in part.resource.attributes}
            self.server.services.add(names["service.name"])
            self.server.spans += [span for scope in part.scope_spans for span in scope.spans]
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    server = Collector()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    spans.configure("tests", load({"SEGUE_DATA_DIR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": address}))
    yield server
    spans.configure("tests", load({"SEGUE_DATA_DIR": str(tmp_path)}))
    server.shutdown()
    server.server_close()


@pytest.fixture
def trace() -> Iterator[None]:
    with context.use(context.Context(context.SYSTEM, trace_id=TRACE_ID, span_id=SPAN_ID)):
        yield


def test_a_call_of_another_process_is_a_span_within_the_callers(
    collector: Collector, trace: None, echo_server: EchoServer
) -> None:
    echo_server.bind().get_thing(1)
    span = eventually(lambda: collector.of(TRACE_ID).get("echo.get_thing"))
    assert (span.parent_span_id.hex(), span.kind) == (SPAN_ID, Span.SPAN_KIND_SERVER)
    assert span.span_id.hex() != SPAN_ID
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10**9
    assert collector.services == {"tests"}


def test_a_call_within_the_process_is_one_too_and_says_that_it_failed(collector: Collector, trace: None) -> None:
    with pytest.raises(ZeroDivisionError):
        local(CONTRACT, Broken()).get_thing(0)
    span = eventually(lambda: collector.of(TRACE_ID).get("echo.get_thing"))
    assert (span.parent_span_id.hex(), span.kind) == (SPAN_ID, Span.SPAN_KIND_INTERNAL)
    assert span.status.code == Status.STATUS_CODE_ERROR


def test_a_task_is_a_span_within_what_rang_for_it(collector: Collector, trace: None, tmp_path: Path) -> None:
    celery = make_celery(load({"SEGUE_DATA_DIR": str(tmp_path)}))
    trace_tasks(celery)

    def work() -> None: ...

    celery.task(name="tests.work")(work).apply(headers={TRACE: context.traceparent()})
    span = eventually(lambda: collector.of(TRACE_ID).get("tests.work"))
    assert (span.parent_span_id.hex(), span.kind) == (SPAN_ID, Span.SPAN_KIND_CONSUMER)


def test_a_request_is_a_span_of_the_trace_that_its_answer_names(collector: Collector, loopback: Stack) -> None:
    assert loopback.app
    reply = loopback.app.test_client().get("/login")
    span = eventually(lambda: collector.of(reply.headers["X-Request-Id"]).get("GET /login"))
    assert (span.parent_span_id, span.kind) == (b"", Span.SPAN_KIND_SERVER)


def test_without_an_address_calls_are_not_wrapped(trace: None) -> None:
    def call() -> None: ...

    assert spans.traced("x", call) is call


def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    settings = load({"SEGUE_DATA_DIR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    with pytest.raises(SettingsError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: .*segue\[otel\]"):
        spans.configure("tests", settings)
