"""Requests to addresses that people name: never into the network that this service runs in.

A name is resolved once, each of its addresses is looked at, and the connection goes to one of those very addresses: a
name that answers otherwise a moment later (DNS rebinding) changes nothing. Redirects are followed here, each target
looked at again. Environment variables for proxies are not read.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlencode, urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.response import HTTPResponse
from urllib3.util import Url, parse_url

from app import __version__
from app.kernel.addresses import Address, AllowedAddresses, OutgoingRefused
from app.kernel.contract import DomainError

MAX_REDIRECTS = 3
REDIRECTS = {301, 302, 303, 307, 308}
CHUNK_BYTES = 65_536
# What http.client, ssl and urllib3 raise for a peer that is away, slow or talks nonsense.
FAILURES = (OSError, HTTPError, http.client.HTTPException, ValueError)
# Headers that are for one host only.
PERSONAL = {"authorization", "cookie", "proxy-authorization"}

Fields = Mapping[str, str] | Sequence[tuple[str, str]]


class OutgoingFailed(DomainError):
    """The other service gave no answer."""

    code, status = "outgoing.failed", 502

    @property
    def may_have_arrived(self) -> bool:
        """Whether the other side may have received the request, and acted on it."""
        return bool(self.details.get("may_have_arrived", False))


@dataclass(frozen=True)
class Reply:
    """`headers` are found whatever their case; redirects are behind it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outgoing:
    """`allow` are host names, addresses and networks (10.0.0.0/8) that may be private; `tls` is for tests."""

    def __init__(self, allow: Collection[str] = (), tls: ssl.SSLContext | None = None) -> None:
        self.allowed = AllowedAddresses(allow)
        self._tls = tls

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Fields | None = None,
        body: bytes | None = None,
        timeout_s: float = 10,
        max_bytes: int = 5_000_000,
    ) -> Reply:
        """Return the whole answer, whatever its status, within `timeout_s` seconds and `max_bytes`.

        `fields` are the query of a GET, else a form. A request with a body follows redirects of the same host only, as
        it was: what it holds is for that host. Raises OutgoingRefused, and OutgoingFailed for no or too long an answer.
        """
        deadline = time.monotonic() + timeout_s
        if fields is not None:
            url, body, headers = _with_fields(method, url, fields, headers)
        with self._open(method, url, headers or {}, body, deadline) as answer:
            try:
                return Reply(answer.status, answer.headers, _whole(answer, max_bytes))
            finally:
                answer.watch.cancel()

    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 10
    ) -> "Stream":
        """Return an answer as it arrives: its head within `timeout_s`, then each piece within the same time.

        Close it, or use it in a `with`. Raises as `send` does, while it is read too.
        """
        answer = self._open(method, url, headers or {}, None, time.monotonic() + timeout_s)
        answer.watch.cancel()
        answer.socket.settimeout(timeout_s)
        return answer

    def _open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float) -> "Stream":
        for _ in range(MAX_REDIRECTS + 1):
            target = _parsed(url)
            answer = self._request(method, target, headers, body, deadline)
            location = answer.headers.get("Location")
            if answer.status not in REDIRECTS or not location:
                return answer
            answer.close()
            url = urljoin(url, location)
            following = _parsed(url)
            if target.scheme == "https" and following.scheme == "http":
                raise OutgoingRefused("the other service redirects from https to plain http")
            if answer.status == 303:
                method, body = "GET" if method != "HEAD" else method, None
            if following.host != target.host:
                if body is not None:
                    raise OutgoingRefused(f"the other service redirects to {following.host}: use its address itself")
                headers = {name: value for name, value in headers.items() if name.lower() not in PERSONAL}
        raise OutgoingRefused(f"the other service redirects more than {MAX_REDIRECTS} times")

    def _request(
        self, method: str, target: Url, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> "Stream":
        name = cast(str, target.host).strip("[]")
        port = target.port or (443 if target.scheme == "https" else 80)
        addresses = self.allowed.resolve(name, port, _left(deadline))
        connection = self._connection(target, name, addresses, deadline)
        try:
            connection.connect()
        except FAILURES as error:
            connection.close()
            raise OutgoingFailed(f"{name} can't be reached: {_reason(error)}") from None
        sock = cast(socket.socket, connection.sock)
        watch = Watch(sock, deadline)
        try:
            sock.settimeout(_left(deadline))
            everything = {"User-Agent": f"Segue/{__version__}", **headers}
            connection.request(method, target.request_uri, body, everything, preload_content=False)
            return Stream(name, connection, connection.getresponse(), sock, watch)
        except FAILURES as error:
            watch.cancel()
            connection.close()
            reason = "it took too long" if watch.has_fired else _reason(error)
            raise OutgoingFailed(f"{name} gave no answer: {reason}", may_have_arrived=True) from None

    def _connection(self, target: Url, name: str, addresses: list[Address], deadline: float) -> HTTPConnection:
        kind = _PinnedTls if target.scheme == "https" else _Pinned
        options: dict[str, Any] = {"port": target.port, "timeout": _left(deadline)}
        if target.scheme == "https":
            options["ssl_context"] = self._tls or ssl.create_default_context()
        connection = kind(name, **options)
        connection.addresses, connection.deadline = addresses, deadline
        return cast(HTTPConnection, connection)


class Stream:
    """An answer whose body is still on its way; iterate over it for its pieces."""

    def __init__(
        self, name: str, connection: HTTPConnection, response: HTTPResponse, sock: socket.socket, watch: "Watch"
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.name = name
        self.watch = watch
        self.socket = sock
        self._connection = connection
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.stream(CHUNK_BYTES, decode_content=True)
        except FAILURES as error:
            reason = "it took too long" if self.watch.has_fired else _reason(error)
            raise OutgoingFailed(f"{self.name} broke off: {reason}", may_have_arrived=True) from None
        if self.watch.has_fired:  # without a length, an answer that was cut off looks like a whole one
            raise OutgoingFailed(f"{self.name} took too long", may_have_arrived=True)

    def close(self) -> None:
        self.watch.cancel()
        self._response.close()
        self._connection.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Watch:
    """Cuts a connection at its deadline: the socket's own timeout starts anew with every byte of a slow peer."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.has_fired = False
        self._socket = sock
        self._timer = threading.Timer(_left(deadline), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.has_fired = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # of a TLS socket: below TLS, which the reader uses


class _ToAddresses:
    """Connects to addresses that were looked at, instead of asking for the name once more."""

    addresses: list[Address] = []  # noqa: RUF012
    deadline = 0.0

    def _new_conn(self) -> socket.socket:
        failure: OSError = OSError("no address")
        for family, address in self.addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(_left(self.deadline))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        raise failure


class _Pinned(_ToAddresses, HTTPConnection):
    pass


class _PinnedTls(_ToAddresses, HTTPSConnection):
    pass


def _whole(answer: Stream, max_bytes: int) -> bytes:
    pieces, size = [], 0
    for piece in answer:
        size += len(piece)
        if size > max_bytes:
            raise OutgoingFailed(f"{answer.name} answers with more than {max_bytes} bytes", may_have_arrived=True)
        pieces.append(piece)
    return b"".join(pieces)


def _parsed(url: str) -> Url:
    try:
        target = parse_url(url)
    except LocationParseError:
        raise OutgoingRefused("this is not an address of the web") from None
    if target.scheme not in {"http", "https"} or not target.host:
        raise OutgoingRefused("an address starts with http:// or https://")
    if target.auth:
        raise OutgoingRefused("an address holds no name or password")
    return target


def _with_fields(
    method: str, url: str, fields: Fields, headers: Mapping[str, str] | None
) -> tuple[str, bytes | None, Mapping[str, str]]:
    encoded = urlencode(list(fields.items()) if isinstance(fields, Mapping) else list(fields))
    if method in {"GET", "HEAD"}:
        return f"{url}{'&' if '?' in url else '?'}{encoded}", None, headers or {}
    return url, encoded.encode(), {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.01)


def _reason(error: Exception) -> str:
    """Say a failure in words, without addresses of objects."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid for it ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).rpartition(">: ")[2] or type(error).__name__
