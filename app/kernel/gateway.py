"""The door: says who a request is from, refuses what may not pass, and sends API requests to their module."""

import time
from collections.abc import Sequence

import msgspec
import urllib3
from flask import Blueprint, Flask, Response, g, request

from app.kernel import auth, context
from app.kernel.balance import Instance, Instances
from app.kernel.binding import Problem, error_of
from app.kernel.contract import NotFound, ServiceUnavailable, Unauthenticated
from app.kernel.people import People
from app.kernel.routes import PROBLEM, Api, find_module
from app.kernel.rpc import ACTOR, ATTEMPTS, TIMEOUT, TRACE, VERSION, WIRE_VERSION, ActorSource, service_context
from app.kernel.tokens import ServiceSigner, ServiceVerifier
from app.settings import Settings

REQUEST_BUDGET_S = 15.0
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
PROXY_FAILURES = frozenset({502, 503, 504})
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})  # RFC 9110, section 9.2.2
PART_BYTES = 65_536  # what is no longer is passed on whole

# Headers that end at each hop (RFC 9110, section 7.6.1), and those that a client may not set for us.
HOP = frozenset({"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"})
DROPPED = HOP | {
    "host",
    "content-length",
    "authorization",
    "cookie",
    "traceparent",
    "x-actor",
    "x-segue-actor",
    "x-segue-timeout-ms",
    "x-segue-contract",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-prefix",
    "x-forwarded-port",
}
DROPPED_FROM_REPLY = HOP | {"server", "date"}


def install_people(app: Flask, people: People, settings: Settings, *, exempt: tuple[str, ...]) -> None:
    """Put the actor of each request into the context. `exempt` prefixes look after themselves (protocols, RPC)."""

    @app.before_request
    def begin() -> None:
        trace_id, span_id = context.new_trace()
        g.request_id = trace_id  # what a person is told when something fails is what finds it in the logs
        g.context = context.use(context.Context(trace_id=trace_id, span_id=span_id))
        g.context.__enter__()
        g.budget = context.budget(REQUEST_BUDGET_S)
        g.budget.__enter__()

    @app.before_request
    def identify() -> None:
        if request.path.startswith(exempt):
            return
        auth.check_csrf()
        actor = _actor(people, settings)
        g.acting = context.acting_as(actor)
        g.acting.__enter__()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("request_id", "")
        auth.keep_csrf_cookie(response)
        if tokens := g.get("renewed"):
            auth.set_session_cookies(response, tokens, settings)
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        for name in ("acting", "budget", "context"):
            if manager := g.pop(name, None):
                manager.__exit__(None, None, None)


def _actor(people: People, settings: Settings) -> context.Actor:
    if authorization := request.headers.get("Authorization"):
        return people.actor_of_header(authorization)
    access = request.cookies.get(auth.cookie_name("access", settings))
    try:
        if access:
            actor = people.actor_of_access_token(access)
            people.check_session(actor)
            return actor
    except Unauthenticated:
        pass  # an old cookie is no reason to refuse a public page
    return _renewed(people, settings)


def _renewed(people: People, settings: Settings) -> context.Actor:
    """Renew an expired access cookie from the refresh cookie, so that nobody is signed out every 15 minutes."""
    refresh_token = request.cookies.get(auth.cookie_name("refresh", settings))
    if not refresh_token or request.path.startswith(("/static/", "/cover/", "/api/v1/auth/")):
        return context.ANONYMOUS
    try:
        tokens = people.accounts.refresh(refresh_token)
    except Exception as error:
        if getattr(error, "status", 500) in {401, 403}:
            return context.ANONYMOUS
        raise
    g.renewed = tokens
    return people.actor_of_access_token(tokens.access_token)


def install_service_door(
    app: Flask, verifier: ServiceVerifier, actors: ActorSource, module_of_path: dict[str, str]
) -> None:
    """Behind the gateway: every API request must come from a part of Segue, for the module it is sent to."""

    @app.before_request
    def admit() -> None:
        g.request_id = request.headers.get("X-Request-Id", "")[:32]
        if not request.path.startswith("/api/v1/"):
            return
        module = find_module(request.path, module_of_path)
        ctx = service_context(module or "", request.headers, verifier, actors)
        g.context = context.use(ctx)
        g.context.__enter__()

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if manager := g.pop("context", None):
            manager.__exit__(None, None, None)


def install_cors(app: Flask, origins: Sequence[str]) -> None:
    """Let the configured origins read the API with a token; none by default, and never with cookies."""

    @app.after_request
    def add(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin in origins and request.path.startswith("/api/"):
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Allow-Methods"] = ", ".join(METHODS)
            response.headers["Vary"] = "Origin"
        return response


def proxy(api: Api, instances: Instances, signer: ServiceSigner) -> Blueprint:
    """Pass a module's API on to a process that runs it, streaming what is long.

    What was never sent, and what may be sent twice, is tried again, at another instance where there is one.
    """
    module = api.module
    bp = Blueprint(f"{module}_proxy", __name__, url_prefix="/api/v1")

    def forward(path: str = "") -> Response:
        may_repeat = request.method in REPEATABLE or request.path in api.repeatable
        with instances.room():
            reply = _ask(instances, signer, may_repeat=may_repeat)
            if (renew := context.actor().renew) and _is_refused_by_token(reply):
                reply.close()
                with context.acting_as(renew()):
                    reply = _ask(instances, signer, may_repeat=may_repeat)
        headers = [(k, v) for k, v in reply.headers.items() if k.lower() not in DROPPED_FROM_REPLY]
        parts = [reply.data] if _is_short(reply) else reply.stream(PART_BYTES, decode_content=False)
        response = Response(parts, reply.status, headers)
        # closed, not handed back: behind a client that went away in the middle the rest must not be sent on for ever;
        # one that was read to its end is back in the pool already
        response.call_on_close(reply.close)
        return response

    for prefix in api.prefixes:
        bp.add_url_rule(f"/{prefix}", f"root_{prefix}", forward, methods=METHODS)
        bp.add_url_rule(f"/{prefix}/<path:path>", f"below_{prefix}", forward, methods=METHODS)
    return bp


def _ask(instances: Instances, signer: ServiceSigner, *, may_repeat: bool) -> urllib3.BaseHTTPResponse:
    """Send this request on and return the reply, of a long one the beginning. Raises ServiceUnavailable."""
    deadline = time.monotonic() + (context.current().remaining_s() or REQUEST_BUDGET_S)
    body = request.get_data() or None
    tried: list[Instance] = []
    while True:
        remaining = max(0.01, deadline - time.monotonic())
        with instances.one(tried) as instance:
            tried.append(instance)
            try:
                reply = instance.pool.urlopen(
                    request.method,
                    request.full_path.rstrip("?"),
                    body=body,
                    headers=_forwarded_headers(instances.module, signer, remaining),
                    timeout=urllib3.Timeout(connect=0.5, read=remaining),
                    preload_content=False,
                    redirect=False,
                    retries=False,
                )
                if _is_short(reply):
                    reply.read(decode_content=False, cache_content=True)
            except urllib3.exceptions.HTTPError as error:
                instance.failed()
                is_unsent = isinstance(error, urllib3.exceptions.NewConnectionError)
                if not (is_unsent or may_repeat) or len(tried) >= ATTEMPTS:
                    raise ServiceUnavailable(f"{instances.module} is unavailable", module=instances.module) from error
            else:
                if reply.status not in PROXY_FAILURES or reply.headers.get("Content-Type", "").startswith(PROBLEM):
                    instance.answered(has_failed=reply.status >= 500)
                    return reply
                reply.close()  # a proxy on the way says that it has no answer: another try may reach another instance
                instance.told(True)
                if not may_repeat or len(tried) >= ATTEMPTS:
                    raise ServiceUnavailable(f"{instances.module} is unavailable", module=instances.module)


def _is_short(reply: urllib3.BaseHTTPResponse) -> bool:
    length = reply.headers.get("Content-Length", "")
    return length.isdigit() and int(length) <= PART_BYTES


def _is_refused_by_token(reply: urllib3.BaseHTTPResponse) -> bool:
    """Say whether the token that was handed on had ended, by the clock over there: nothing was done for it yet."""
    if reply.status != Unauthenticated.status or not _is_short(reply):
        return False
    try:
        error = error_of(msgspec.json.decode(reply.data, type=Problem))
    except msgspec.DecodeError:
        return False
    return isinstance(error, Unauthenticated) and error.is_by_token


def _forwarded_headers(module: str, signer: ServiceSigner, remaining: float) -> dict[str, str]:
    ctx = context.current()
    headers = {k: v for k, v in request.headers if k.lower() not in DROPPED}
    headers["Authorization"] = f"Bearer {signer.token(module)}"
    headers[ACTOR] = ctx.actor.token if ctx.actor.kind == "person" else "anonymous"
    headers[TIMEOUT] = str(max(1, int(remaining * 1000)))
    headers[TRACE] = context.traceparent()
    headers[VERSION] = WIRE_VERSION
    headers["X-Request-Id"] = g.get("request_id", "")
    if request.remote_addr:
        headers["X-Forwarded-For"] = request.remote_addr
    return headers


def refuse_public_rpc(app: Flask, public_bind: str) -> None:
    """Answer RPC only on the inner address: on the public one there is no such path."""

    @app.before_request
    def refuse() -> None:
        if request.path.startswith("/rpc/"):
            listener = request.environ.get("gunicorn.socket")
            if listener is None or not is_inner(listener.getsockname(), public_bind):
                raise NotFound


def is_inner(address: object, public_bind: str) -> bool:
    """Say whether a listening socket's address is another than the public one."""
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}" != public_bind
    return True
