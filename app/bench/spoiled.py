"""A process in which the recommendations are spoiled: `gunicorn "app.bench.spoiled:app('gateway', 'hang')"`.

`hang`: whoever asks for recommendations waits ten seconds. `hog`: a thread of the process computes without end.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from app.wsgi import create_app

HANG_S = 10.0
SPOILED = ("/api/v1/recommendations", "/rpc/recommendations/")


def app(process: str, how: str) -> Flask:
    made = create_app(process)
    answer: Callable[..., Iterable[bytes]] = made.wsgi_app
    is_begun = threading.Lock()

    def spoiled(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(SPOILED):
            if how == "hang":
                time.sleep(HANG_S)
            elif is_begun.acquire(blocking=False):  # in the worker that was asked, after the fork
                threading.Thread(target=_compute, daemon=True).start()
        return answer(environ, start_response)

    made.wsgi_app = spoiled  # type: ignore[method-assign]
    return made


def _compute() -> None:
    number = 1
    while True:
        number = (number * 1103515245 + 12345) % 2**31
