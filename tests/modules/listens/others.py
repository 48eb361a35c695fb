"""Stand-ins for ListenBrainz and Last.fm on this machine: they count what they receive, and fail as they are told."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any, dict[str, str]]


class Other(ThreadingHTTPServer):
    """`plan` says for each coming submission how it fails; an empty one means that all goes well.

    An entry is a status, an `Answer`, or a word: "hang" takes the listens and never answers, "lose" answers 502 after
    it took them, "drop" hangs up before it looked at them.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.plan: list[Any] = []
        self.submissions: list[int] = []  # how many listens each held, those that failed included
        self.requests: list[str] = []
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.slowness_s = 0.0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, request: "_Handler", fields: dict[str, str], body: bytes) -> Answer:
        raise NotImplementedError

    def submission(self, count: int, take: Callable[[], Answer]) -> Answer:
        with self.lock:
            self.submissions.append(count)
            planned = self.plan.pop(0) if self.plan else None
            if planned is None or planned in ("hang", "lose"):
                answer = take()
        if planned == "hang":
            self.released.wait(30)
            raise ConnectionAbortedError
        if planned == "lose":
            return 502, None, {}
        if planned == "drop":
            raise ConnectionAbortedError
        if isinstance(planned, int):
            return planned, {"code": planned, "error": f"planned {planned}"}, {}
        if planned is not None:
            return planned
        time.sleep(self.slowness_s)
        return answer


class _Handler(BaseHTTPRequestHandler):
    server: Other

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {k: v[-1] for k, v in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}
        self.server.requests.append(f"{self.command} {urlsplit(self.path).path}")
        try:
            status, said, headers = self.server.answer(self, query, body)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        encoded = b"<html>" if said is None else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(encoded)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


class FakeListenBrainz(Other):
    """Keeps each (time, artist, title) of its one user once, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.name = "a-token", "ada on lb"
        self.listens: dict[tuple[int, str, str], dict[str, Any]] = {}
        self.received: Counter[tuple[int, str, str]] = Counter()
        self.bad_titles: set[str] = set()

    def add(self, at: int, title: str, artist: str = "Ada", **more: Any) -> None:
        named = {"artist_name": artist, "track_name": title, **more}
        self.listens[at, artist, title] = {"listened_at": at, "track_metadata": named}

    def answer(self, request: _Handler, fields: dict[str, str], body: bytes) -> Answer:
        is_known = request.headers.get("Authorization") == f"Token {self.token}"
        path = urlsplit(request.path).path
        if path == "/1/validate-token":
            known = {"code": 200, "message": "Token valid.", "valid": True, "user_name": self.name}
            return 200, known if is_known else {"code": 200, "message": "Token invalid.", "valid": False}, {}
        if path == "/1/submit-listens":
            if not is_known:
                return 401, {"code": 401, "error": "Invalid authorization token."}, {}
            sent = json.loads(body)
            return self.submission(len(sent["payload"]), lambda: self.take(sent))
        if path == "/1/user/ada%20on%20lb/listens":
            after, count = int(fields["min_ts"]), int(fields["count"])
            found = sorted((at, key) for key in self.listens for at in [key[0]] if at > after)[:count]
            page = [self.listens[key] for _, key in reversed(found)]
            return 200, {"payload": {"count": len(page), "user_id": self.name, "listens": page}}, {}
        return 404, {"code": 404, "error": "Not found"}, {}

    def take(self, sent: dict[str, Any]) -> Answer:
        payload = sent["payload"]
        assert sent["listen_type"] == ("single" if len(payload) == 1 else "import")
        if any(each["track_metadata"]["track_name"] in self.bad_titles for each in payload):
            return 400, {"code": 400, "error": "this title is not taken"}, {}
        for each in payload:
            named = each["track_metadata"]
            key = (each["listened_at"], named["artist_name"], named["track_name"])
            self.received[key] += 1
            self.listens.setdefault(key, each)
        return 200, {"status": "ok"}, {}


class FakeLastFm(Other):
    """Keeps whatever it is sent, a repeat as another scrobble; checks signatures."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.password, self.session = "ada", "a password", "s" * 32
        self.key, self.secret = "an-api-key", "an-api-secret"
        self.scrobbles: list[tuple[int, str, str, str]] = []
        self.ignored: dict[str, int] = {}
        self.error: tuple[int, str] | None = None

    @property
    def address(self) -> str:
        return super().address + "/2.0/"

    @property
    def titles(self) -> list[str]:
        return sorted(title for _, _, title, _ in self.scrobbles)

    def answer(self, request: _Handler, fields: dict[str, str], body: bytes) -> Answer:
        fields |= {k: v[-1] for k, v in parse_qs(body.decode(), keep_blank_values=True).items()}
        method = fields["method"]
        self.requests[-1] = method
        if self.error:
            return 403, {"error": self.error[0], "message": self.error[1]}, {}
        if fields.get("api_key") != self.key:
            return 403, {"error": 10, "message": "Invalid API key"}, {}
        if request.command == "POST" and fields["api_sig"] != self.signature(fields):
            return 403, {"error": 13, "message": "Invalid method signature supplied"}, {}
        if method == "auth.getMobileSession":
            if (fields["username"], fields["password"]) != (self.name, self.password):
                return 403, {"error": 4, "message": "Authentication Failed"}, {}
            return 200, {"session": {"name": self.name, "key": self.session, "subscriber": 0}}, {}
        if method == "user.getRecentTracks":
            return self.recent(fields)
        if fields.get("sk") != self.session:
            return 403, {"error": 9, "message": "Invalid session key"}, {}
        if method == "user.getInfo":
            return 200, {"user": {"name": self.name}}, {}
        assert method == "track.scrobble"
        count = sum(name.startswith("artist[") for name in fields)
        return self.submission(count, lambda: self.take(fields, count))

    def signature(self, fields: dict[str, str]) -> str:
        text = "".join(f"{k}{v}" for k, v in sorted(fields.items()) if k not in {"format", "api_sig", "callback"})
        return hashlib.md5((text + self.secret).encode()).hexdigest()

    def take(self, fields: dict[str, str], count: int) -> Answer:
        assert count <= 50
        listed = []
        for n in range(count):
            title, code = fields[f"track[{n}]"], self.ignored.get(fields[f"track[{n}]"], 0)
            if not code:
                at, artist = int(fields[f"timestamp[{n}]"]), fields[f"artist[{n}]"]
                self.scrobbles.append((at, artist, title, fields.get(f"album[{n}]", "")))
            listed.append({"track": {"#text": title}, "ignoredMessage": {"code": str(code), "#text": ""}})
        counts = {"accepted": count, "ignored": 0}
        return 200, {"scrobbles": {"@attr": counts, "scrobble": listed[0] if count == 1 else listed}}, {}

    def recent(self, fields: dict[str, str]) -> Answer:
        first, last, limit, page = (int(fields[name]) for name in ("from", "to", "limit", "page"))
        found = sorted((each for each in self.scrobbles if first <= each[0] <= last), reverse=True)
        tracks: list[dict[str, Any]] = [
            {
                "name": title,
                "artist": {"mbid": "", "#text": artist},
                "album": {"mbid": "", "#text": album},
                "date": {"uts": str(at), "#text": "then"},
            }
            for at, artist, title, album in found[(page - 1) * limit : page * limit]
        ]
        now = {"name": "Now", "artist": {"#text": "Ada"}, "album": {"#text": ""}, "@attr": {"nowplaying": "true"}}
        pages = -(-len(found) // limit)
        attributes = {"user": self.name, "page": str(page), "totalPages": str(pages), "total": str(len(found))}
        listed = [now, *tracks]
        one_or_many = listed[0] if len(listed) == 1 else listed
        return 200, {"recenttracks": {"@attr": attributes, "track": one_or_many}}, {}


@contextmanager
def running(other: Other) -> Iterator[None]:
    threading.Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        other.released.set()
        other.shutdown()
        other.server_close()
