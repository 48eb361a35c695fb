"""Passes the bytes of a song on from the library's server to the listener's browser.

Nothing is kept: a piece is sent on as it comes. A browser that asks for all from here on gets a part of it and asks
again when it comes near its end, as players do: so a paused one holds neither a thread here nor the server over there.
"""

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from uuid import UUID

from flask import Response, request

from app.contracts.playlists import LibraryFailed
from app.kernel.addresses import OutgoingRefused
from app.kernel.contract import ServiceUnavailable, TooManyRequests
from app.kernel.outgoing import Outgoing, OutgoingFailed, Stream

PART_BYTES = 2_097_152  # about 50 s of MP3, 15 s of FLAC
PER_PROCESS, PER_LISTENER = 5, 3  # a process has 8 threads; a seeking player opens the next before it closes the last
TIMEOUT_S = 10.0

FROM_HERE = re.compile(r"bytes=(\d{1,15})-")
RANGE = re.compile(r"bytes=(\d{1,15}-\d{0,15}|-\d{1,15})")
PASSED_ON = ("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
UNSATISFIABLE = 416


class Streams:
    """Counts what is being streamed by this process: each holds a thread while it lasts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[UUID] = Counter()

    def enter(self, listener_id: UUID) -> Callable[[], None]:
        """Return what ends it, once. Raises TooManyRequests, ServiceUnavailable."""
        with self._lock:
            if self._open[listener_id] >= PER_LISTENER:
                raise TooManyRequests("you are playing several things at once already", retry_after_s=1)
            if self._open.total() >= PER_PROCESS:
                raise ServiceUnavailable("too many people listen just now; try again in a moment", retry_after_s=2)
            self._open[listener_id] += 1
        is_over = threading.Event()

        def leave() -> None:
            with self._lock:
                if not is_over.is_set():
                    is_over.set()
                    self._open[listener_id] -= 1

        return leave


def respond(outgoing: Outgoing, url: str, leave: Callable[[], None]) -> Response:
    """Answer with a song's bytes, or the part of them that the request's Range asks for; `leave` is called at the end.

    Raises LibraryFailed.
    """
    with contextlib.ExitStack() as ending:
        ending.callback(leave)
        try:
            answer = outgoing.stream("GET", url, headers=_asked(), timeout_s=TIMEOUT_S)
        except (OutgoingRefused, OutgoingFailed) as error:
            raise LibraryFailed(error.message) from None
        ending.callback(answer.close)
        check(answer)
        headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        headers["Cache-Control"] = "private, no-store"
        pieces: Iterable[bytes] = answer
        if answer.status == UNSATISFIABLE:
            pieces, headers["Content-Length"] = (), "0"
        response = Response(pieces, answer.status, headers)
        response.call_on_close(ending.pop_all().close)
        return response


def check(answer: Stream) -> None:
    """Raise LibraryFailed for what is no sound: the protocol says errors as JSON or XML with the status 200."""
    if answer.status == UNSATISFIABLE:
        return
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.status not in {200, 206}:
        raise LibraryFailed(f"the library's server has trouble (HTTP {answer.status})", status=answer.status)
    if not (kind.startswith("audio/") or kind == "application/ogg"):
        raise LibraryFailed("the library's server sent something else than sound", type=kind[:100])


def _asked() -> dict[str, str]:
    """Return the headers to ask with: a range, if there is a plain one, of bounded length where it has no end."""
    asked = request.headers.get("Range", "")
    if not RANGE.fullmatch(asked):
        return {}
    headers = {"If-Range": request.headers["If-Range"]} if "If-Range" in request.headers else {}
    if open_end := FROM_HERE.fullmatch(asked):
        start = int(open_end[1])
        asked = f"bytes={start}-{start + PART_BYTES - 1}"
    return {**headers, "Range": asked}
