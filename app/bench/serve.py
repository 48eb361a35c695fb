"""Recommendations against the empty authenticated endpoint of the same gateway."""

from typing import Any

from app.bench.freshness import TOPOLOGIES, recommend, train
from app.bench.load import load_demo, sign_in
from app.bench.report import Result, against, interleaved, median_ms, percentile_ms, report
from app.bench.system import running_servers, running_system, temporary_folder, wait_until


def run() -> dict[str, Any]:
    """Measure one listener's recommendations on the demo, in both topologies."""
    results: list[Result] = []
    with temporary_folder() as folder, running_servers(folder) as servers:
        for topology in TOPOLOGIES:
            with running_system(servers, folder / topology, topology, has_worker=True) as system:
                load_demo(system)
                train(system)
                client = sign_in(system, "demo")
                wait_until(lambda: not recommend(client)["degraded"], within_s=120)  # noqa: B023
                calls = {"ping": client.ping, "recommend": lambda: recommend(client)}  # noqa: B023
                samples = interleaved(calls, rounds=5, each=40)
                ping = median_ms(samples["ping"])
                results.append(against(f"{topology}: recommendations", median_ms(samples["recommend"]), "ms", ping))
                slowest = {name: percentile_ms(each, 99) for name, each in samples.items()}
                results.append(against(f"{topology}: p99", slowest["recommend"], "ms", slowest["ping"]))
    return report("serve", results)
