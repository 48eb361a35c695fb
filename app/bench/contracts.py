"""What a call through a contract costs, bound each way."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from msgspec import structs

from app.bench.echo import CONTRACT, EchoService
from app.bench.report import Result, against, interleaved, median_ms, per_call_us, report
from app.bench.system import ROOT, free_port, kill, temporary_folder, wait_until
from app.host import secrets
from app.kernel.binding import local, loopback
from app.kernel.rpc import ACTOR, TIMEOUT, TRACE, VERSION, Remote, Resilience, remote
from app.kernel.tokens import load_signer
from app.kernel.transport import pool_for
from app.settings import load

ROUNDS = 7


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
    with _server(folder) as port:
        settings = structs.replace(load({"SEGUE_DATA_DIR": str(folder)}), process="cli")
        signer = load_signer(settings)
        url = f"http://127.0.0.1:{port}"
        stub = remote(CONTRACT, Remote("echo", [pool_for(url, folder)], signer, Resilience()))
        pool = urllib3.connection_from_url(url, maxsize=1, retries=False)
        headers = {
            "Authorization": f"Bearer {signer.token('echo')}",
            "Content-Type": "application/json",
            ACTOR: "anonymous",
            TIMEOUT: "2000",
            TRACE: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            VERSION: "1",
        }
        body = msgspec.json.encode({"number": 1})

        def bare() -> object:
            reply = pool.urlopen("POST", "/rpc/echo/get_thing", body=body, headers=headers, retries=False)
            return msgspec.json.decode(reply.data)

        wait_until(lambda: stub.get_thing(1).number == 1, within_s=30)
        samples = interleaved({"bare": bare, "stub": lambda: stub.get_thing(1)}, rounds=ROUNDS, each=200)
        stubbed, handwritten = median_ms(samples["stub"]), median_ms(samples["bare"])
        return [against("remote: a call, against a bare urllib3 POST", stubbed, "ms", handwritten)]


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[int]:
    port = free_port()
    command = ["-m", "gunicorn", "-k", "gthread", "--threads", "4", "--keep-alive", "75", "--no-control-socket"]
    process = subprocess.Popen(
        [sys.executable, *command, "-b", f"127.0.0.1:{port}", "app.bench.echo:create_app()"],
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
