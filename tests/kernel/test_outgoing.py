"""Requests to addresses that people name: where they go, and what a bad peer can do to them."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.kernel.addresses import AllowedAddresses, OutgoingRefused, is_public, unwrapped
from app.kernel.outgoing import Outgoing, OutgoingFailed


class Peer(ThreadingHTTPServer):
    """Answers by `routes`, and notes what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.routes: dict[str, Callable[[Any], None]] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Peer

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.server.routes.get(self.path.partition("?")[0], hello)(self)

    do_GET = do_POST = _do

    def log_message(self, *_: Any) -> None:
        pass


def hello(request: Any) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "5")
    request.end_headers()
    request.wfile.write(b"hello")


def to(location: str, status: int = 302) -> Callable[[Any], None]:
    def answer(request: Any) -> None:
        request.send_response(status)
        request.send_header("Location", location)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A resolver in the hands of the test: each look-up of a name takes the next of its answers, then the last."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in answers:
            return real(host, port, *args, **kwargs)
        said = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (family[ip_address(each).version], socket.SOCK_STREAM, 6, "", (each, port, 0, 0)[: 4 if ":" in each else 2])
            for each in said
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
    "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::", "2002:a00:1::1", "::127.0.0.1", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_one_of_the_internet_is_refused(address: str) -> None:
    assert not is_public(unwrapped(ip_address(address)))
    with pytest.raises(OutgoingRefused):
        Outgoing().send("GET", f"http://[{address}]/" if ":" in address else f"http://{address}/")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_may_be_asked_however_they_are_written(address: str) -> None:
    assert AllowedAddresses().resolve(address, 80, 1)


@pytest.mark.parametrize("written", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "LOCALHOST."])
def test_other_spellings_of_this_machine_are_refused(peer: Peer, written: str) -> None:
    with pytest.raises(OutgoingRefused):
        Outgoing().send("GET", peer.url(host=written))
    assert peer.seen == []


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "file:///etc/passwd", "//a.example/", "http://", "http:///x", "http://u:p@127.0.0.1/", ""],
)
def test_only_addresses_of_the_web_without_passwords_are_taken(url: str) -> None:
    with pytest.raises(OutgoingRefused):
        Outgoing(["127.0.0.1"]).send("GET", url)


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "music.test", "Music.Test."])
def test_the_administrator_allows_a_name_an_address_or_a_network(
    peer: Peer, names: dict[str, list[list[str]]], allowed: str
) -> None:
    names["music.test"] = [["127.0.0.1"]]
    reply = Outgoing([allowed]).send("GET", peer.url("/a?b=c", "music.test"))
    assert (reply.status, reply.body) == (200, b"hello")
    assert peer.seen[0][1] == "/a?b=c"
    assert peer.seen[0][2]["host"] == f"music.test:{peer.port}"


def test_a_name_that_answers_otherwise_the_second_time_is_asked_once(
    peer: Peer, names: dict[str, list[list[str]]]
) -> None:
    names["rebinding.test"] = [["127.0.0.1"], ["10.9.9.9"]]
    assert Outgoing(["127.0.0.1"]).send("GET", peer.url(host="rebinding.test")).status == 200
    assert names["rebinding.test"] == [["10.9.9.9"]]
    names["rebinding.test"] = [["10.9.9.9"], ["127.0.0.1"]]
    with pytest.raises(OutgoingRefused):
        Outgoing(["127.0.0.1"]).send("GET", peer.url(host="rebinding.test"))
    assert len(peer.seen) == 1


def test_one_private_address_among_public_ones_is_enough_to_refuse(names: dict[str, list[list[str]]]) -> None:
    names["mixed.test"] = [["1.1.1.1", "::ffff:127.0.0.1"]]
    with pytest.raises(OutgoingRefused, match="not a public address"):
        Outgoing().send("GET", "http://mixed.test/")


def test_a_redirect_into_this_machine_is_refused(peer: Peer, names: dict[str, list[list[str]]]) -> None:
    names["outside.test"] = [["127.0.0.1"]]
    for target in ("http://127.0.0.1:1/", "http://[::ffff:127.0.0.1]:1/", "http://localhost:1/", "file:///etc/passwd"):
        peer.routes["/"] = to(target)
        with pytest.raises(OutgoingRefused):
            Outgoing(["outside.test"]).send("GET", peer.url(host="outside.test"))


def test_a_redirect_to_another_host_carries_no_authorization(peer: Peer, names: dict[str, list[list[str]]]) -> None:
    names["one.test"] = names["two.test"] = [["127.0.0.1"]]
    peer.routes["/same"] = to("/other", 301)
    peer.routes["/other"] = to(peer.url("/end", "two.test"), 308)
    outgoing = Outgoing(["one.test", "two.test"])
    assert outgoing.send("GET", peer.url("/same", "one.test"), headers={"authorization": "Token x"}).body == b"hello"
    assert ["authorization" in seen[2] for seen in peer.seen] == [True, True, False]


def test_a_request_with_a_body_stays_as_it_was_on_its_host_and_goes_to_no_other(
    peer: Peer, names: dict[str, list[list[str]]]
) -> None:
    names["one.test"] = names["two.test"] = [["127.0.0.1"]]
    outgoing = Outgoing(["one.test", "two.test"])
    peer.routes["/old"] = to("/new", 301)
    outgoing.send("POST", peer.url("/old", "one.test"), fields={"sk": "secret ä"})
    assert peer.seen[-1][:2] == ("POST", "/new")
    assert peer.seen[-1][3] == b"sk=secret+%C3%A4"
    peer.routes["/old"] = to(peer.url("/steal", "two.test"), 307)
    with pytest.raises(OutgoingRefused, match=r"two\.test"):
        outgoing.send("POST", peer.url("/old", "one.test"), fields={"sk": "secret"})


def test_redirects_have_an_end(peer: Peer) -> None:
    peer.routes["/"] = to("/")
    with pytest.raises(OutgoingRefused, match="more than 3"):
        Outgoing(["127.0.0.1"]).send("GET", peer.url())
    assert len(peer.seen) == 4


def test_a_peer_that_sends_a_byte_now_and_then_is_cut_off_in_time(peer: Peer) -> None:
    def drip(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100):
            request.wfile.write(b"x")
            time.sleep(0.05)

    def drip_head(request: Any) -> None:
        for _ in range(100):
            request.wfile.write(b"HTTP/1.1 200 OK"[:1])
            time.sleep(0.05)

    for answer in (drip, drip_head):
        peer.routes["/"] = answer
        started = time.monotonic()
        with pytest.raises(OutgoingFailed, match="too long") as caught:
            Outgoing(["127.0.0.1"]).send("POST", peer.url(), body=b"x", timeout_s=0.5)
        assert time.monotonic() - started < 2
        assert caught.value.may_have_arrived


def test_an_answer_is_bounded_packed_or_not(peer: Peer) -> None:
    def bomb(request: Any) -> None:
        packed = gzip.compress(b"\0" * 20_000_000)
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(packed)))
        request.end_headers()
        request.wfile.write(packed)

    peer.routes["/bomb"] = bomb
    with pytest.raises(OutgoingFailed, match="more than"):
        Outgoing(["127.0.0.1"]).send("GET", peer.url("/bomb"))
    with pytest.raises(OutgoingFailed, match="more than 4"):
        Outgoing(["127.0.0.1"]).send("GET", peer.url("/"), max_bytes=4)


def test_a_peer_that_is_not_there_has_received_nothing() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(OutgoingFailed, match="can't be reached: connection refused") as caught:
            Outgoing(["127.0.0.1"]).send("POST", f"http://127.0.0.1:{port}/", body=b"x")
    assert not caught.value.may_have_arrived


def test_a_peer_that_talks_nonsense_or_hangs_up_gave_no_answer(peer: Peer) -> None:
    for said in (b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"):
        peer.routes["/"] = lambda request, said=said: request.wfile.write(said)
        with pytest.raises(OutgoingFailed):
            Outgoing(["127.0.0.1"]).send("GET", peer.url())


def test_a_stream_arrives_piece_by_piece_and_can_be_left(peer: Peer) -> None:
    def endless(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/ogg\r\n\r\n")
        with_errors = 0
        while not with_errors:
            try:
                request.wfile.write(b"music" * 1000)
            except OSError:
                with_errors = 1

    peer.routes["/"] = endless
    with Outgoing(["127.0.0.1"]).stream("GET", peer.url(), timeout_s=2) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "audio/ogg")
        assert next(iter(stream)).startswith(b"music")


def test_a_certificate_is_checked_by_name(peer: Peer, names: dict[str, list[list[str]]], tmp_path: Path) -> None:
    names["right.test"] = names["wrong.test"] = [["127.0.0.1"]]
    certificate = make_certificate("right.test", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    peer.socket = context.wrap_socket(peer.socket, server_side=True)
    trusting = Outgoing(["127.0.0.1"], tls=ssl.create_default_context(cafile=str(certificate)))
    url = f"https://right.test:{peer.port}/"
    assert trusting.send("GET", url).body == b"hello"
    with pytest.raises(OutgoingFailed, match="certificate"):
        trusting.send("GET", url.replace("right", "wrong"))
    with pytest.raises(OutgoingFailed, match="certificate"):
        Outgoing(["127.0.0.1"]).send("GET", url)
    peer.routes["/"] = to(peer.url("/", "right.test"))
    with pytest.raises(OutgoingRefused, match="plain http"):
        trusting.send("GET", url)


def make_certificate(name: str, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return file
