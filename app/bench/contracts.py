"""What a call through a contract costs, bound each way."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from msgspec import structs

from app.bench.echo import CONTRACT, EchoService
from app.bench.report import Result, against, interleaved, median_ms, per_call_us, report
from app.bench.system import ROOT, free_port, kill, temporary_folder, wait_until
from app.host import secrets
from app.kernel.balance import Instances
from app.kernel.binding import local, loopback
from app.kernel.rpc import ACTOR, TIMEOUT, TRACE, VERSION, Remote, Resilience, remote
from app.kernel.tokens import load_signer
from app.kernel.transport import pool_for
from app.settings import load

ROUNDS = 7
GUNICORN = ["-m", "gunicorn", "-k", "gthread", "--threads", "4", "--keep-alive", "75", "--no-control-socket"]
GUNICORN += ["-b", "127.0.0.1:PORT", "app.bench.echo:create_app()"]
UVICORN = ["-m", "uvicorn", "--factory", "--port", "PORT", "--log-level", "warning", "--no-access-log"]
UVICORN += ["app.bench.echo_asgi:create_asgi_app"]


def run() -> dict[str, Any]:
    """Measure local, loopback and remote calls, and the same request written by hand."""
    with temporary_folder() as folder:
        secrets.ensure(folder, ["cli"])
        return report("contracts", [*_in_process(), *_over_http(folder)])


def _in_process() -> list[Result]:
    service = EchoService()
    bound, looped = local(CONTRACT, service), loopback(CONTRACT, service)
    rounds = [
        (
            per_call_us(lambda: service.get_thing(1)),
            per_call_us(lambda: bound.get_thing(1)),
            per_call_us(lambda: looped.get_thing(1), calls=3000),
            per_call_us(lambda: looped.get_things(100), calls=300),
        )
        for _ in range(ROUNDS)
    ]
    bare, plain, loop, loop_100 = (sorted(r[i] for r in rounds)[ROUNDS // 2] for i in range(4))
    return [
        Result("local: overhead of a call", round(plain - bare, 4), "µs"),
        against("local: a call", plain, "µs", bare),
        against("loopback: a call", loop, "µs", bare),
        Result("loopback: a call that answers 100 items", round(loop_100, 2), "µs"),
    ]


def _over_http(folder: Path) -> list[Result]:
    with contextlib.ExitStack() as servers:
        flask = _Caller(folder, servers.enter_context(_server(folder, GUNICORN)))
        calls: dict[str, Callable[[], object]] = {"bare": flask.bare, "flask": flask.stub}
        if importlib.util.find_spec("fastapi") and importlib.util.find_spec("uvicorn"):
            calls["fastapi"] = _Caller(folder, servers.enter_context(_server(folder, UVICORN))).stub
        samples = interleaved(calls, rounds=ROUNDS, each=200)
    took = {name: median_ms(found) for name, found in samples.items()}
    results = [against("remote: a call, against a bare urllib3 POST", took["flask"], "ms", took["bare"])]
    if "fastapi" in took:
        results.append(against("remote: a call served by FastAPI, against Flask", took["fastapi"], "ms", took["flask"]))
    return results


class _Caller:
    """Calls one server by the stub, and by the same request written by hand."""

    def __init__(self, folder: Path, port: int) -> None:
        settings = structs.replace(load({"SEGUE_DATA_DIR": str(folder)}), process="cli")
        signer = load_signer(settings)
        url = f"http://127.0.0.1:{port}"
        self._stub = remote(CONTRACT, Remote("echo", Instances("echo", [pool_for(url, folder)]), signer, Resilience()))
        self._pool = urllib3.connection_from_url(url, maxsize=1, retries=False)
        self._body = msgspec.json.encode({"number": 1})
        self._headers = {
            "Authorization": f"Bearer {signer.token('echo')}",
            "Content-Type": "application/json",
            ACTOR: "anonymous",
            TIMEOUT: "2000",
            TRACE: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            VERSION: "1",
        }
        wait_until(lambda: self._stub.get_thing(1).number == 1, within_s=30)

    def stub(self) -> object:
        return self._stub.get_thing(1)

    def bare(self) -> object:
        reply = self._pool.urlopen("POST", "/rpc/echo/get_thing", body=self._body, headers=self._headers, retries=False)
        return msgspec.json.decode(reply.data)


@contextlib.contextmanager
def _server(folder: Path, command: list[str]) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *(part.replace("PORT", str(port)) for part in command)],
        cwd=ROOT,
        env={**os.environ, "SEGUE_DATA_DIR": str(folder)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: bool(urllib3.request("GET", f"http://127.0.0.1:{port}/", retries=False).status), within_s=30)
        yield port
    finally:
        kill(process)
