"""Pages of a listener with some thousand listens, against the empty authenticated endpoint."""

from typing import Any

from app.bench.freshness import TOPOLOGIES, recommend, train
from app.bench.load import load_demo, sign_in
from app.bench.report import Result, against, interleaved, median_ms, report
from app.bench.system import running_servers, running_system, temporary_folder, wait_until

PAGES = ("/", "/history", "/statistics", "/playlists", "/search?q=garden")


def run() -> dict[str, Any]:
    """Measure each page on the demo, in both topologies."""
    results: list[Result] = []
    with temporary_folder() as folder, running_servers(folder) as servers:
        for topology in TOPOLOGIES:
            with running_system(servers, folder / topology, topology, has_worker=True) as system:
                load_demo(system)
                train(system)
                client = sign_in(system, "demo")
                wait_until(lambda: not recommend(client)["degraded"], within_s=120)  # noqa: B023
                calls: dict[str, Any] = {"ping": client.ping}
                calls |= {page: (lambda page=page: client.send("GET", page)) for page in PAGES}  # noqa: B023
                samples = interleaved(calls, rounds=5, each=10)
                ping = median_ms(samples["ping"])
                results += [against(f"{topology}: {page}", median_ms(samples[page]), "ms", ping) for page in PAGES]
    return report("pages", results)
