"""The protocols as real clients speak them, each a process of its own. Those that are not at hand are skipped."""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from socket import create_connection, create_server, socket
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.composition import Container
from tests.protocols.conftest import Player

CLIENTS = Path(os.environ.get("SEGUE_TEST_CLIENTS", Path(__file__).resolve().parents[3] / "shared" / "clients"))


def needs_package(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(name) is None, reason=f"NO CLIENT: the package {name} is not installed")


def needs_program(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"NO CLIENT: the program {name} is not installed")


def run(script: str, player: Player, **environment: str) -> str:
    """Run a Python script with the player's address, name and token; return what it printed."""
    given = {
        **os.environ,
        "SEGUE_URL": player.stack.base_url,
        "SEGUE_USER": player.name,
        "SEGUE_TOKEN": player.token,
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=given, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="session")
def certificate(folder: Path) -> Path:
    """A certificate of this machine's own, for clients that speak https only."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return file


@pytest.fixture
def tls(player: Player, certificate: Path) -> Iterator[str]:
    """host:port of a TLS terminator in front of the gateway."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    target = urlsplit(player.stack.base_url)
    server = create_server(("127.0.0.1", 0))

    def pump(source: socket, sink: socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for each in (source, sink):
            each.close()

    def serve() -> None:
        while True:
            try:
                raw, _ = server.accept()
                inner = context.wrap_socket(raw, server_side=True)
            except OSError:
                if server.fileno() < 0:
                    return
                continue
            outer = create_connection((target.hostname or "", target.port or 80))
            for pair in ((inner, outer), (outer, inner)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"localhost:{server.getsockname()[1]}"
    server.close()


@needs_package("liblistenbrainz")
def test_liblistenbrainz(player: Player) -> None:
    printed = run(
        """
        import os, time
        import liblistenbrainz as lb
        name = os.environ["SEGUE_USER"]
        client = lb.ListenBrainz(api_base_url=os.environ["SEGUE_URL"])
        client.set_auth_token(os.environ["SEGUE_TOKEN"])
        start = int(time.time()) - 86400 * 3
        info = {"duration_ms": 200000, "media_player": "test"}
        listens = [lb.Listen(track_name=f"Song {n}", artist_name="Artist", release_name="R", tags=["a"],
                             listened_at=start + n * 300, additional_info=info) for n in range(60)]
        assert client.submit_single_listen(listens[0]) == {"status": "ok"}
        assert client.submit_multiple_listens(listens) == {"status": "ok"}
        found = client.get_listens(name, max_ts=start + 60 * 300, count=10)
        assert [each.listened_at for each in found] == [start + n * 300 for n in range(59, 49, -1)]
        assert found[0].additional_info["media_player"] == "test"
        client.submit_playing_now(lb.Listen(track_name="Now", artist_name="Artist"))
        assert client.get_playing_now(name).track_name == "Now"
        client.submit_user_feedback(1, found[0].recording_msid)
        client.delete_listen(found[0])
        assert client.get_user_artists(name, count=5)["payload"]["artists"][0]["listen_count"] == 59
        for span in ("week", "this_year", "all_time"):
            client.get_user_recordings(name, time_range=span)
            client.get_user_releases(name, time_range=span)
        try:
            client.get_listens("nobody-of-this-name")
        except lb.errors.ListenBrainzAPIException as error:
            assert error.status_code == 404
        try:
            lb.ListenBrainz(api_base_url=os.environ["SEGUE_URL"]).set_auth_token("wrong")
        except lb.errors.InvalidAuthTokenException:
            print("refused")
        """,
        player,
    )
    assert printed.strip() == "refused"


@needs_package("listenbrainz_submit")
def test_listenbrainz_submit(player: Player, tls: str, certificate: Path) -> None:
    run(
        """
        import os, ssl, time
        import listenbrainz_submit as ls
        ls.HOST_NAME = os.environ["HOST"]
        context = ssl.create_default_context(cafile=os.environ["CERTIFICATE"])
        client = ls.ListenBrainzClient(os.environ["SEGUE_TOKEN"], ssl_context=context)
        start = int(time.time()) - 86400
        track = ls.Track("Artist", "Song", "Album", {"tracknumber": 3})
        assert client.listen(start, track).status == 200
        assert client.playing_now(track).status == 200
        assert client.import_tracks([(start + n, ls.Track("Artist", f"Song {n}")) for n in range(1, 50)]).status == 200
        assert ls.ListenBrainzClient("wrong", ssl_context=context).listen(start, track).status == 401
        """,
        player,
        HOST=tls,
        CERTIFICATE=str(certificate),
    )
    assert player.get(f"/1/user/{player.name}/listen-count").json["payload"]["count"] == 50


@needs_package("pylast")
def test_pylast(player: Player, tls: str, certificate: Path) -> None:
    run(
        """
        import os, time
        import pylast
        class Segue(pylast._Network):
            def __init__(self, **more):
                urls = {"user": "user/%(name)s", "track": "t", "album": "a", "artist": "x"}
                super().__init__(name="Segue", homepage="", ws_server=(os.environ["HOST"], "/2.0/"), api_key="k" * 32,
                                 api_secret="s" * 32, session_key="", urls=urls,
                                 domain_names={pylast.DOMAIN_ENGLISH: "localhost"}, **more)
        name = os.environ["SEGUE_USER"]
        network = Segue(username=name, password_hash=pylast.md5(os.environ["SEGUE_TOKEN"]))
        start = int(time.time()) - 86400
        network.scrobble("Ärtist & Co", "Song <1>", start, album="B", duration=200)
        network.scrobble_many(
            [dict(artist="Artist", title=f"Song {n}", timestamp=start + n * 300) for n in range(1, 13)])
        network.update_now_playing("Artist", "Now", duration=300)
        user = network.get_user(name)
        assert user.get_playcount() == 13
        recent = user.get_recent_tracks(limit=20)
        assert (recent[-1].track.title, recent[-1].track.artist.name) == ("Song <1>", "Ärtist & Co")
        assert user.get_now_playing().title == "Now"
        network.get_track("Artist", "Song 1").love()
        assert [each.track.title for each in user.get_loved_tracks()] == ["Song 1"]
        assert user.get_top_artists(limit=1)[0].item.name == "Artist"
        try:
            Segue(username=name, password_hash=pylast.md5("wrong"))
        except pylast.WSError as error:
            assert int(error.status) == 4
        else:
            raise AssertionError("a wrong password was taken")
        """,
        player,
        HOST=tls,
        SSL_CERT_FILE=str(certificate),
    )


@needs_program("scrobbler")
def test_qtscrobbler(player: Player, tmp_path: Path) -> None:
    config, device = tmp_path / ".config" / "qtscrob", tmp_path / "device"
    config.mkdir(parents=True)
    device.mkdir()
    token = hashlib.md5(player.token.encode(), usedforsecurity=False).hexdigest()
    (config / "qtscrob.conf").write_text(
        f"[Custom]\nenabled=true\nconf_name=Custom\nusername={player.name}\npassword_hash={token}\n"
        f"handshake_host={urlsplit(player.stack.base_url).netloc}\n"
    )
    start = int(time.time()) - 86_400
    rows = "".join(f"Artist\tAlbum\tSong {n}\t{n}\t200\tL\t{start + n * 300}\t\n" for n in range(70))
    (device / ".scrobbler.log").write_text(f"#AUDIOSCROBBLER/1.1\n#TZ/UTC\n#CLIENT/Rockbox\n{rows}")
    done = subprocess.run(
        ["scrobbler", "-c", "x", "-f", "-l", str(device), "-v", "9"],
        env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Submission complete" in done.stdout + done.stderr
    assert player.get(f"/1/user/{player.name}/listen-count").json["payload"]["count"] == 70


@pytest.mark.skipif(not CLIENTS.is_dir(), reason="NO CLIENTS: drivers of further clients are not at hand")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("lb_liblistenbrainz", marks=needs_package("liblistenbrainz")),
        pytest.param("lb_submit_pypi", marks=needs_package("listenbrainz_submit")),
        pytest.param("as2_pylast", marks=needs_package("pylast")),
        "as2_raw_json",
        "as12_simple",
        pytest.param("as12_qtscrobbler", marks=needs_program("scrobbler")),
    ],
)
def test_a_driver_of_a_client(player: Player, services: Container, name: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("NO CLIENT: openssl is not installed")
    done = subprocess.run(
        [sys.executable, f"{name}.py"],
        cwd=CLIENTS,
        env={
            **os.environ,
            "SEGUE_URL": player.stack.base_url,
            "SEGUE_USER": player.name,
            "SEGUE_TOKEN": player.token,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=180,
    )
    failed = [line for line in done.stdout.splitlines() if not line.startswith("ok")]
    assert done.returncode == 0, failed + done.stderr.splitlines()[-5:]
