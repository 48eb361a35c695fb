"""Recommendations while models are swapped every five seconds, at half capacity, against the same without swaps."""

import threading
import time
from typing import Any
from uuid import UUID

import numpy as np
import scipy.sparse as sp

from app.bench.freshness import recommend, train
from app.bench.load import at_once, beside, load_demo, paced, sign_in
from app.bench.report import Result, against, median_ms, percentile_ms, report
from app.bench.system import System, running_servers, running_system, temporary_folder, wait_until
from app.kernel import context
from app.ml.artefact import open_artefact, write
from app.ml.signature import sign

ROUNDS, ROUND_S = 4, 15.0  # a minute with swaps and one without, in turns: what else the machine does falls on both
SWAP_EVERY_S = 5.0
TOPOLOGY = "monolith"
PIECE = 4 * 1024 * 1024


class Swaps:
    """Promotes two models in turns, and times until every process says that it serves the new one."""

    def __init__(self, system: System, models: list[UUID]) -> None:
        self.system = system
        self.models = models
        self.count = 0
        self.arrivals: list[float] = []

    def repeat(self, ending: threading.Event) -> None:
        while not ending.wait(SWAP_EVERY_S):
            self.once()

    def once(self) -> None:
        """Promote the other model."""
        with context.acting_as(context.SYSTEM):
            self.count += 1
            model = self.system.services.training.promote(self.models[self.count % 2], "benchmark")
            started = time.perf_counter()
            wait_until(lambda: self._is_served(model.sha256), within_s=60)
            self.arrivals.append(time.perf_counter() - started)

    def _is_served(self, sha256: str) -> bool:
        served = self.system.services.recommendations.served_by()
        return {each.sha256 for each in served if each.kind == "recordings"} == {sha256}


def run() -> dict[str, Any]:
    """Measure on the demo with a listener of its own."""
    with (
        temporary_folder() as folder,
        running_servers(folder) as servers,
        running_system(servers, folder / "system", TOPOLOGY, has_worker=True) as system,
    ):
        load_demo(system)
        train(system)
        swaps = Swaps(system, [_champion(system), _another(system)])
        client = sign_in(system, "demo")
        wait_until(lambda: not recommend(client)["degraded"], within_s=120)
        swaps.once()
        capacity, _ = at_once(lambda _number: recommend(client), 400)
        samples: dict[str, list[float]] = {"still": [], "swapping": []}
        errors = {"still": 0, "swapping": 0}
        for _ in range(ROUNDS):
            for name in samples:
                with beside(swaps.repeat) if name == "swapping" else context.acting_as(context.SYSTEM):
                    took, failed = paced(lambda: _answered(recommend(client)), capacity / 2, ROUND_S)
                samples[name] += took
                errors[name] += failed
    return report("serve", _results(samples, errors, swaps, capacity))


def _answered(answer: Any) -> None:
    if answer["degraded"] or not answer["items"]:
        raise RuntimeError("the fallback answered")


def _results(samples: dict[str, list[float]], errors: dict[str, int], swaps: Swaps, capacity: float) -> list[Result]:
    p99 = {name: percentile_ms(each, 99) for name, each in samples.items()}
    median = {name: median_ms(each) for name, each in samples.items()}
    return [
        Result("capacity", round(capacity, 1), "1/s"),
        Result("requests while swapping", float(len(samples["swapping"])), "requests"),
        Result("swaps", float(swaps.count), "swaps"),
        Result("errors while swapping", float(errors["swapping"]), "errors"),
        against("median while swapping", median["swapping"], "ms", median["still"]),
        against("p99 while swapping", p99["swapping"], "ms", p99["still"]),
        Result("until every process serves the new model, slowest", round(max(swaps.arrivals), 2), "s"),
    ]


def _champion(system: System) -> UUID:
    with context.acting_as(context.SYSTEM):
        (found,) = [model for model in system.services.training.champions() if model.kind == "recordings"]
        return UUID(str(found.model_id))


def _another(system: System) -> UUID:
    """Take in a second model: the champion's arrays under another manifest, so that all is opened and verified anew."""
    with context.acting_as(context.SYSTEM), temporary_folder() as home:
        training = system.services.training
        champion = training.get_model(_champion(system))
        opened = open_artefact(system.settings.data_dir / "models" / champion.sha256)
        scorer = opened.scorer
        B = sp.csr_matrix((np.array(scorer.data, dtype=np.float32), scorer.indices, scorer.indptr))
        keys = [opened.key(item) for item in range(scorer.items)]
        facts = {"kind": champion.kind, "identity": "v1", "engine": "copy", "metrics": champion.metrics}
        sha256 = write(home, keys, B, np.array(scorer.popularity), facts)
        sign(home / sha256, system.settings.secret("model_signing_key"))
        for file in sorted((home / sha256).iterdir()):
            content = file.read_bytes()
            for offset in range(0, len(content), PIECE):
                training.write_import(sha256, file.name, offset, content[offset : offset + PIECE])
        return UUID(str(training.finish_import(sha256, "").model_id))
