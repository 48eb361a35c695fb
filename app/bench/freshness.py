"""How long until a new listen, or a love, shows in the next answer."""

import time
from typing import Any

from app.bench.load import Client, load_demo, sign_in
from app.bench.report import Result, against, median_ms, percentile_ms, report
from app.bench.system import Servers, System, running_servers, running_system, temporary_folder, wait_until
from app.kernel import context

ROUNDS = 15
TOPOLOGIES = ("monolith", "split")


def run() -> dict[str, Any]:
    """Measure on the demo, with models trained through the worker, in both topologies."""
    results: list[Result] = []
    with temporary_folder() as folder, running_servers(folder) as servers:
        for topology in TOPOLOGIES:
            results += _measure(servers, folder, topology)
    return report("freshness", results)


def _measure(servers: Servers, folder: Any, topology: str) -> list[Result]:
    with running_system(servers, folder / topology, topology, has_worker=True) as system:
        load_demo(system)
        train(system)
        client = sign_in(system, "demo")
        wait_until(lambda: not recommend(client)["degraded"], within_s=120)
        # the followers have read the demo when a listen made now is read at once
        _until_listen_shows(client)
        plain = median_ms([_timed(lambda: recommend(client)) for _ in range(30)])
        listens = [_until_listen_shows(client) for _ in range(ROUNDS)]
        loves = [_until_hide_shows(client) for _ in range(ROUNDS)]
        return [
            against(f"{topology}: a listen shows in recommendations, median", median_ms(listens), "ms", plain),
            Result(f"{topology}: a listen shows in recommendations, slowest", percentile_ms(listens, 100), "ms"),
            against(f"{topology}: a hidden item is gone, median", median_ms(loves), "ms", plain),
            Result(f"{topology}: a hidden item is gone, slowest", percentile_ms(loves, 100), "ms"),
        ]


def train(system: System) -> None:
    """Train both kinds through the worker and wait. Raises RuntimeError when a run fails."""
    with context.acting_as(context.SYSTEM):
        for kind in ("recordings", "artists"):
            run_id = system.services.training.start_run(kind).run_id
            while (run := system.services.training.get_run(run_id)).state in {"queued", "running"}:
                time.sleep(0.2)
            if run.state != "done":
                raise RuntimeError(f"training {kind}: {run.state}: {run.error}")


def recommend(client: Client) -> Any:
    return client.send("GET", "/api/v1/recommendations?kind=recordings&n=5")


def _timed(call: Any) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _until_listen_shows(client: Client) -> float:
    """Play the first recommended recording; return the seconds until it is known and no longer recommended."""
    first = recommend(client)["items"][0]
    listen = {"listened_at": int(time.time()), "artist": first["artist"], "title": first["title"]}
    started = time.perf_counter()
    client.send("POST", "/api/v1/listens", {"listens": [listen]})
    return _until_gone(client, first["key"], started)


def _until_hide_shows(client: Client) -> float:
    first = recommend(client)["items"][0]
    started = time.perf_counter()
    client.send("PUT", f"/api/v1/feedback/recordings/{first['key']}", {"value": -1})
    return _until_gone(client, first["key"], started)


def _until_gone(client: Client, key: str, started: float) -> float:
    wait_until(lambda: all(item["key"] != key for item in recommend(client)["items"]), within_s=60)
    return time.perf_counter() - started
