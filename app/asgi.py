"""A process of the topology as a FastAPI application: the same contract and routes, without Flask.

The dispatcher, the declared routes and the checks are those of the Flask process; only what reads requests and writes
replies differs. Modules are plain threads' work, so each call runs in a thread of the pool.
"""

import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import anyio.to_thread
import msgspec
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app import __version__
from app.composition import (
    Callers,
    Container,
    Runtime,
    api_of,
    as_process,
    contract_of,
    database_check,
    front_verifier_of,
    modules_by_prefix,
    verifier_of,
)
from app.kernel import context, health, logs, metrics, spans
from app.kernel.binding import problem_of
from app.kernel.contract import DomainError, HttpError
from app.kernel.headers import security_headers
from app.kernel.people import People
from app.kernel.routes import PROBLEM, Route, arguments_of, find_module, retry_after_s
from app.kernel.rpc import MAX_CALL_BYTES, Dispatcher, service_context
from app.kernel.tokens import ServiceVerifier
from app.settings import Settings
from app.settings import load as load_settings
from app.topology import load as load_topology

log = logging.getLogger(__name__)

JSON = "application/json"
MAX_BODY_BYTES = 1_048_576
PARAMETER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")


class Answer(NamedTuple):
    status: int
    body: bytes
    kind: str = JSON
    headers: Mapping[str, str] = {}


def create_asgi_app(process: str, settings: Settings | None = None) -> FastAPI:
    """Return the ASGI application of a process that is not the gateway."""
    settings = as_process(settings or load_settings(), process)
    logs.configure(process)
    spans.configure(process, settings)
    metrics.prepare_folder()  # one process serves here; under gunicorn its configuration does it for all
    topology = load_topology(settings.topology)
    hosting = topology.processes[process]
    container = Container(settings, topology, tuple(hosting.modules))
    people = People(container.get("accounts"), settings)
    verifier = verifier_of(container)
    headers = {**security_headers(uses_tls=settings.uses_tls), "Cache-Control": "no-store"}

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = hosting.threads
        runtime = Runtime(container, process)
        runtime.start_followers()
        yield
        await run_in_threadpool(runtime.stop_followers)

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    mount = Mount(app, headers)
    for module in container.hosted:
        dispatcher = Dispatcher(
            contract_of(module),
            container.wire(module).service,
            verifier,
            people.actor_of_access_token,
            Callers(container.topology, module, container.settings.data_dir).of,
        )
        mount.add(f"/rpc/{module}/{{name}}", "POST", call_of(dispatcher), max_bytes=MAX_CALL_BYTES)
        for route in api_of(module).routes:
            path = "/api/v1" + PARAMETER.sub(_parameter, route.path)
            mount.add(path, route.method, _handle(route, container, front_verifier_of(container), people))
    own = {module: database_check(container, module) for module in container.hosted}
    mount.add("/healthz", "GET", lambda *_: _json({"process": process, "version": __version__}))
    mount.add("/readyz", "GET", lambda *_: _json(*health.readiness(process, __version__, own)))
    mount.add("/metrics", "GET", lambda *_: Answer(200, metrics.exposition(), CONTENT_TYPE_LATEST))

    @app.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> Response:
        answer = _problem(HttpError.of(error.status_code, error.detail), request)
        return _response(answer._replace(headers=error.headers or {}), headers)

    return app


class Mount:
    """Adds routes whose work is done in a thread, from the request and its body to an answer."""

    def __init__(self, app: FastAPI, headers: dict[str, str]) -> None:
        self.app = app
        self.headers = headers

    def add(
        self, path: str, method: str, work: Callable[[Request, bytes], Answer], *, max_bytes: int = MAX_BODY_BYTES
    ) -> None:
        def answered(request: Request, body: bytes) -> Answer:
            try:
                return work(request, body)
            except DomainError as error:
                return _problem(error, request)
            except Exception:
                log.exception("unexpected failure")
                return _problem(
                    DomainError("something went wrong here; the request id helps to find it in the log"), request
                )

        async def endpoint(request: Request) -> Response:
            started = time.perf_counter()
            body = await _body(request, max_bytes)
            if body is None:
                answer = _problem(HttpError.of(413, "the body is too large"), request)
            else:
                answer = await run_in_threadpool(answered, request, body)
            metrics.observe(method, path, answer.status, time.perf_counter() - started)
            return _response(answer, self.headers)

        self.app.add_api_route(path, endpoint, methods=[method], response_model=None)


async def _body(request: Request, max_bytes: int) -> bytes | None:
    """Read the body; None when it is longer than that, whatever its header says."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            return None
        parts.append(part)
    return b"".join(parts)


def call_of(dispatcher: Dispatcher) -> Callable[[Request, bytes], Answer]:
    def work(request: Request, body: bytes) -> Answer:
        status, answer = dispatcher.answer(request.path_params["name"], request.headers, body)
        return Answer(status, answer)

    return work


def _handle(
    route: Route, container: Container, verifier: ServiceVerifier, people: People
) -> Callable[[Request, bytes], Answer]:
    modules = modules_by_prefix(container.hosted)
    decoder = msgspec.json.Decoder(route.body) if route.body else None

    def work(request: Request, body: bytes) -> Answer:
        module = find_module(request.url.path, modules) or ""
        ctx = service_context(module, request.headers, verifier, people.actor_of_access_token)
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        with context.use(ctx):
            arguments = arguments_of(route, decoder, request.path_params, query, lambda: body)
            answer = route.handler(container, **arguments)
        return Answer(204, b"") if answer is None and route.returns is None else _json(answer, route.status)

    return work


def _parameter(match: re.Match[str]) -> str:
    """Write a parameter of a route as Starlette does."""
    return f"{{{match['name']}:{match['kind']}}}" if match["kind"] else f"{{{match['name']}}}"


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(value))


def _problem(error: DomainError, request: Request) -> Answer:
    seconds = retry_after_s(error)
    problem = problem_of(error, request_id=request.headers.get("X-Request-Id", "")[:32])
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return Answer(error.status, msgspec.json.encode(problem), PROBLEM, headers)


def _response(answer: Answer, headers: Mapping[str, str]) -> Response:
    return Response(answer.body, answer.status, {**headers, **answer.headers}, media_type=answer.kind)
