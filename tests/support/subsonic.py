"""A real Subsonic server (supysonic) with a few seconds of tones, and an odd one for what real ones do at times."""

import contextlib
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from app.bench.system import free_port, kill, wait_until

USER, PASSWORD = "ada", "tones and semitones"
MISSING = "NO SUPYSONIC"
RATE = 8000  # samples a second, 8 bits each


@dataclass(frozen=True)
class Tone:
    artist: str
    album: str
    title: str
    track: int = 1
    seconds: float = 1.0

    @property
    def path(self) -> str:
        return f"{self.artist}/{self.album}/{self.track:02} {self.title}.wav".replace("?", "_")


TONES = [
    *(Tone("Low Bells", "First Hum", f"Bell {n}", n) for n in range(1, 6)),
    Tone("Low Bells", "Second Hum", "Under the Bridge (Remastered 2011)", 1),
    Tone("Low Bells feat. Ada", "Second Hum", "Überall", 2),
    Tone("The High Wires", "Wires", "Wind", 1, 40.0),  # several hundred kilobytes
    Tone("The High Wires", "Wires", "Wind (Live)", 2),
]


@dataclass
class Supysonic:
    url: str
    music: Path
    scan: Callable[[], None]


def write_tone(music: Path, tone: Tone) -> None:
    """Write a sine as a WAV file, its names in an ID3 chunk."""
    file = music / tone.path
    file.parent.mkdir(parents=True, exist_ok=True)
    pitch = 220 * 2 ** (tone.track / 12)
    wave = bytes(int(128 + 90 * math.sin(2 * math.pi * pitch * n / RATE)) for n in range(int(RATE * tone.seconds)))
    frames = b"".join(
        _frame(name, value)
        for name, value in (
            ("TIT2", tone.title),
            ("TPE1", tone.artist),
            ("TALB", tone.album),
            ("TRCK", str(tone.track)),
        )
    )
    size = len(frames)
    tag = b"ID3\3\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frames
    chunks = (
        _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, RATE, 1, 8)) + _chunk(b"data", wave) + _chunk(b"id3 ", tag)
    )
    file.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


def _frame(name: str, value: str) -> bytes:
    text = b"\1" + value.encode("utf-16")
    return name.encode() + struct.pack(">IH", len(text), 0) + text


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def supysonic_python() -> str:
    """Return the Python that has supysonic: of SEGUE_TEST_SUPYSONIC (a virtual environment), this one, or Debian's."""
    named = os.environ.get("SEGUE_TEST_SUPYSONIC")
    for python in (f"{named}/bin/python" if named else "", sys.executable, "/usr/bin/python3"):
        if python and shutil.which(python):
            tried = subprocess.run([python, "-c", "import supysonic"], capture_output=True, check=False)
            if tried.returncode == 0:
                return python
    pytest.skip(f"{MISSING}: pip install supysonic into a virtual environment and name it in SEGUE_TEST_SUPYSONIC")


@contextlib.contextmanager
def running_supysonic(folder: Path) -> Iterator[Supysonic]:
    """Start supysonic with the tones in a folder of its own."""
    python, port, music = supysonic_python(), free_port(), folder / "music"
    for tone in TONES:
        write_tone(music, tone)
    (folder / "supysonic.conf").write_text(
        f"[base]\ndatabase_uri = sqlite:///{folder}/supysonic.db\n"
        f"[webapp]\ncache_dir = {folder}/cache\nmount_webui = off\n"
        f"[daemon]\nsocket = {folder}/none.sock\nrun_watcher = off\n"
    )
    environment = {**os.environ, "HOME": str(folder), "PYTHONWARNINGS": "ignore"}

    def administer(*arguments: str) -> None:
        subprocess.run(
            [python, "-c", "from supysonic.cli import main; main()", *arguments],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
        )

    def scan() -> None:
        administer("folder", "scan", "-f", "--foreground", "tones")

    administer("user", "add", USER, "-p", PASSWORD)
    administer("folder", "add", "tones", str(music))
    scan()
    with (folder / "supysonic.log").open("ab") as log:
        process = subprocess.Popen(
            [python, "-m", "flask", "--app", "supysonic.web:create_application", "run", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: urllib3.request("GET", f"{url}/rest/ping.view", retries=False).status == 200, within_s=30)
        yield Supysonic(url, music, scan)
    finally:
        kill(process)


@dataclass
class Odd:
    """How a server of its own kind behaves; what it was asked is in `asked`."""

    songs: list[dict[str, Any]] = field(default_factory=list)
    knows_tokens: bool = True
    answers_empty_search: bool = True
    longest_page: int = 500
    heeds_offset: bool = True
    error: dict[str, Any] | None = None  # what every request but ping is answered with
    tells_what_it_made: bool = True
    may_write: threading.Event | None = None  # what the making of a playlist waits for
    stream: Callable[[Any], None] | None = None
    playlists: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, query: dict[str, list[str]]) -> dict[str, Any]:
        if "t" in query and not self.knows_tokens:
            return {"error": {"code": 41, "message": "no tokens here"}}
        if self.error and method != "ping":
            return {"error": self.error}
        offset = int(query.get("songOffset", query.get("offset", ["0"]))[0]) if self.heeds_offset else 0
        if method == "search3":
            found = self.songs[offset : offset + self.longest_page] if self.answers_empty_search else []
            return {"searchResult3": {"song": found} if found else {}}
        albums = sorted({song.get("album") or "" for song in self.songs})
        if method == "getAlbumList2":
            page = albums[offset : offset + self.longest_page]
            return {"albumList2": {"album": [{"id": name, "name": name} for name in page]}}
        if method == "getAlbum":
            return {"album": {"song": [song for song in self.songs if song.get("album") == query["id"][0]]}}
        if method == "getPlaylists":
            return {"playlists": {"playlist": list(self.playlists.values())}}
        if method == "createPlaylist":
            return self.write_playlist(query)
        return {"type": "odd", "serverVersion": "0.1"}

    def write_playlist(self, query: dict[str, list[str]]) -> dict[str, Any]:
        if self.may_write:
            self.may_write.wait(10)
        playlist_id = query.get("playlistId", [f"p{len(self.playlists)}"])[0]
        if "playlistId" in query and playlist_id not in self.playlists:
            return {"error": {"code": 70, "message": "no such playlist"}}
        made = self.playlists.setdefault(playlist_id, {"id": playlist_id, "name": query.get("name", [""])[0]})
        made["songs"] = query.get("songId", [])
        made |= {"songCount": len(made["songs"]), "owner": query["u"][0]}
        return {"playlist": made} if self.tells_what_it_made else {}


@contextlib.contextmanager
def running_odd(odd: Odd) -> Iterator[Odd]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

        def do_GET(self) -> None:
            self.answer("")

        def answer(self, body: str) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(f"{parts.query}&{body}", keep_blank_values=True)
            method = parts.path.rpartition("/")[2].removesuffix(".view")
            odd.asked.append((method, query))
            if method == "stream" and odd.stream:
                odd.stream(self)
                return
            said = odd.answer(method, query)
            status = "failed" if "error" in said else "ok"
            self.send("application/json", json.dumps({"subsonic-response": {"status": status, **said}}).encode())

        def send(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    odd.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield odd
    finally:
        server.shutdown()
        server.server_close()
