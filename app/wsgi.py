"""A process of the topology as a Flask application: its modules' routes, and at the gateway everything public."""

import logging
import time
from collections.abc import Callable

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.middleware.proxy_fix import ProxyFix

from app import __version__
from app.composition import (
    MODULES,
    Callers,
    Container,
    Runtime,
    api_of,
    as_process,
    contract_of,
    database_check,
    front_verifier_of,
    modules_by_prefix,
    process_check,
    verifier_of,
)
from app.kernel import auth, context, gateway, health, limits, logs, metrics, openapi, spans
from app.kernel.contract import Unauthenticated
from app.kernel.headers import security_headers
from app.kernel.http import blueprint, install_errors, json_response
from app.kernel.people import People
from app.kernel.rpc import MAX_CALL_BYTES, Dispatcher
from app.kernel.tokens import load_signer
from app.settings import Settings
from app.settings import load as load_settings
from app.topology import GATEWAY
from app.topology import load as load_topology

log = logging.getLogger(__name__)

# asked all the time by machines, or written down by the dispatcher
UNLOGGED = ("/static/", "/healthz", "/readyz", "/metrics", "/rpc/")
MAX_BODY_BYTES = 1_048_576
MAX_BATCH_BYTES = 10_240_000  # 1000 listens of at most 10 kB


def create_app(process: str, settings: Settings | None = None, *, container: Container | None = None) -> Flask:
    """Return the WSGI application of a process: its modules' routes, and at the gateway everything public."""
    settings = as_process(settings or load_settings(), process)
    logs.configure(process)
    spans.configure(process, settings)
    topology = container.topology if container else load_topology(settings.topology)
    container = container or Container(settings, topology, tuple(topology.processes[process].modules))
    app = Flask("app", static_folder=None)
    app.config.update(
        SEGUE_SETTINGS=settings,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        PROPAGATE_EXCEPTIONS=False,
        SECRET_KEY=None,
    )
    runtime = app.extensions["segue"] = Runtime(container, process)

    @app.before_request
    def allow_large_batches() -> None:
        if request.path == "/api/v1/listens":
            request.max_content_length = MAX_BATCH_BYTES

    people = People(container.get("accounts"), settings, decode=auth.decode_access_token)
    auth.install_jwt(app, people)
    _install_metrics(app, runtime)
    _install_headers(app, uses_tls=settings.uses_tls)
    if process == GATEWAY:
        _install_gateway(app, container, people)
    else:
        # the gateway says whom it forwards for; it drops what clients say of themselves
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]
        install_errors(app)
        gateway.install_service_door(
            app, front_verifier_of(container), people.actor_of_access_token, modules_by_prefix(container.hosted)
        )
    for module in container.hosted:
        app.register_blueprint(blueprint(api_of(module), container))
    if topology.is_split():
        _install_rpc(app, container, people)
    _install_health(app, container, process)
    app.url_map.update()  # sorted once, instead of by the first request of each worker
    return app


def _install_metrics(app: Flask, runtime: Runtime) -> None:
    """Count each request and write it down: routes by their pattern, since paths may hold a person's data or a code."""

    @app.get("/metrics")
    def exposition() -> Response:
        """Metrics in Prometheus' text form."""
        body = metrics.exposition(with_others=runtime.process == GATEWAY, extra=runtime.metrics())
        return Response(body, content_type=CONTENT_TYPE_LATEST)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        metrics.observe(request.method, route, response.status_code, seconds)
        if not request.path.startswith(UNLOGGED):
            is_error = response.status_code >= 500
            spans.ended(f"{request.method} {route}", "SERVER", seconds, is_error=is_error, **{"http.route": route})
            facts = {"method": request.method, "route": route, "status": response.status_code}
            log.info("request", extra={**facts, "ms": round(seconds * 1000, 1)})
        return response


def _install_headers(app: Flask, *, uses_tls: bool) -> None:
    headers = security_headers(uses_tls=uses_tls)

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.update(headers)
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _install_rpc(app: Flask, container: Container, people: People) -> None:
    verifier = verifier_of(container)

    @app.before_request
    def allow_large_calls() -> None:
        if request.path.startswith("/rpc/"):
            request.max_content_length = MAX_CALL_BYTES

    for module in container.hosted:
        dispatcher = Dispatcher(
            contract_of(module),
            container.wire(module).service,
            verifier,
            people.actor_of_access_token,
            Callers(container.topology, module, container.settings.data_dir).of,
        )
        app.add_url_rule(f"/rpc/{module}/<name>", f"rpc_{module}", _rpc_view(dispatcher), methods=["POST"])


def _rpc_view(dispatcher: Dispatcher) -> Callable[[str], Response]:
    def view(name: str) -> Response:
        status, body = dispatcher.answer(name, request.headers, request.get_data())
        return Response(body, status=status, content_type="application/json")

    return view


def _install_gateway(app: Flask, container: Container, people: People) -> None:
    from app.admin import views as admin
    from app.protocols.install import PREFIXES, install_protocols
    from app.web import views as web
    from app.web.errors import error_page

    settings = container.settings
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    install_errors(app, error_page)
    gateway.refuse_public_rpc(app, settings.bind)
    gateway.install_people(app, people, settings, exempt=("/rpc/", *PREFIXES))
    gateway.install_cors(app, settings.cors_origins)
    if settings.rate_limits:
        limits.install_limits(app, settings.limits_url)
    document = openapi.document([api_of(m) for m in MODULES], version=__version__)
    app.config["SEGUE_OPENAPI"] = lambda: document

    @app.get("/api/v1/ping")
    def ping() -> Response:
        """Nothing, to whoever is signed in."""
        if context.actor().kind == "anonymous":
            raise Unauthenticated
        return json_response({})

    @app.get("/openapi.json")
    def openapi_json() -> Response:
        """The description of the public API."""
        return json_response(document)

    @app.get("/.well-known/jwks.json")
    def jwks() -> Response:
        """The keys that verify access tokens."""
        return json_response(people.keys.document())

    install_protocols(app, container, people, settings.public_url)
    app.register_blueprint(web.blueprint(container, settings))
    app.register_blueprint(admin.blueprint(container, settings))
    signer = load_signer(settings) if container.topology.is_split() else None
    for module in MODULES:
        if module not in container.hosted and signer is not None:
            app.register_blueprint(gateway.proxy(api_of(module), container.instances(module), signer))


def _install_health(app: Flask, container: Container, process: str) -> None:
    own = {module: database_check(container, module) for module in container.hosted}
    others: dict[str, health.Check] = {}
    if process == GATEWAY:
        others = {m: process_check(container.pools(m)) for m in MODULES if m not in container.hosted}

    @app.get("/healthz")
    def healthz() -> Response:
        """Alive."""
        return json_response({"process": process, "version": __version__})

    @app.get("/readyz")
    def readyz() -> Response:
        """Able to serve: 200 only when every module answers; with ?self only this process."""
        checks = own if "self" in request.args else {**own, **others}
        return json_response(*health.readiness(process, __version__, checks))
