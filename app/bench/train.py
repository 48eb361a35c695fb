"""A training run from queue to champion, and how fits grow with the data."""

import time
from typing import Any

import numpy as np

from app.bench import growth
from app.bench.freshness import train
from app.bench.load import load_demo
from app.bench.report import against, report
from app.bench.system import running_servers, running_system, temporary_folder
from app.ml.interactions import interactions

LISTENERS, ITEMS, PAIRS = 200, 3000, 50_000


def run() -> dict[str, Any]:
    """Measure both kinds on the demo through a real worker; the reference is XᵀX of a matrix of the demo's size.

    Then the default at four sizes, against implicit's exact ALS where that is installed.
    """
    rng = np.random.default_rng(0)
    X = interactions(rng.integers(LISTENERS, size=PAIRS), rng.integers(ITEMS, size=PAIRS), np.ones(PAIRS), (200, 3000))
    with temporary_folder() as folder, running_servers(folder) as servers:
        with running_system(servers, folder / "monolith", "monolith", has_worker=True) as system:
            load_demo(system)
            started = time.perf_counter()
            train(system)
            trained = time.perf_counter() - started
        started = time.perf_counter()
        (X.T @ X).toarray()
        product = time.perf_counter() - started
    demo = against("both kinds on the demo, queue to champion", trained, "s", product)
    return report("train", [demo, *growth.table()])
