"""How fits grow with the data: each size in a process of its own, so that its peak memory is its own.

`python -m app.bench.growth ITEMS LISTENERS PAIRS [implicit]` prints one size as JSON.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import scipy.sparse as sp

from app.bench.report import Result

# items, listeners, pairs; the last is beyond what one instance is expected to hold
SIZES = ((5_000, 3_000, 220_000), (20_000, 15_000, 700_000), (50_000, 50_000, 1_730_000), (200_000, 100_000, 4_000_000))
GROUPS = 40
ROUNDS = 9  # of openings and folds that are timed; the median counts


def long_tail(items: int, listeners: int, pairs: int, *, seed: int = 0) -> sp.csr_matrix:
    """Return plays of listeners with a taste or two, items and listeners of very different frequency."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0, 0.8, listeners)
    who = np.sort(rng.choice(listeners, size=pairs, p=activity / activity.sum()))
    fame = 1 / (np.arange(items) + 30.0) ** 0.9
    chances = np.cumsum(fame / fame.sum())
    what = np.minimum(np.searchsorted(chances, rng.random(pairs)), items - 1)
    # two of three plays fall on the nearest item of the listener's own group
    is_own = rng.random(pairs) < 2 / 3
    what = np.where(is_own, np.minimum(what // GROUPS * GROUPS + who % GROUPS, items - 1), what)
    plays = 1 + rng.pareto(1.2, pairs).astype(np.int64).clip(0, 5_000)
    found = sp.coo_matrix((plays.astype(np.float32), (who, what)), shape=(listeners, items)).tocsr()
    found.sum_duplicates()
    return found


def measure(items: int, listeners: int, pairs: int, *, has_implicit: bool = False) -> dict[str, Any]:
    """Fit the default with given parameters, and write, open and ask its artefact."""
    from threadpoolctl import threadpool_limits

    from app.ml.artefact import open_artefact, size_bytes, write
    from app.ml.blend import START, Blend

    X = long_tail(items, listeners, pairs)
    found: dict[str, Any] = {"items": items, "listeners": listeners, "pairs": int(X.nnz)}
    if has_implicit:
        with threadpool_limits(1):
            found["implicit_s"], found["implicit_cpu_s"] = _timed(lambda: _implicit(X))
        return found
    with threadpool_limits(1):
        model = Blend(chosen=START)
        found["fit_s"], found["fit_cpu_s"] = _timed(lambda: model.fit(X))
    # kilobytes on Linux, bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["peak_mb"] = round(peak / (1e6 if sys.platform == "darwin" else 1e3))
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as folder:
        keys = [UUID(int=number) for number in range(items)]
        sha256 = write(Path(folder), keys, model.B_, model.popularity_, {}, factors=model.factors_, has_halves=True)
        found["artefact_mb"] = round(size_bytes(Path(folder) / sha256) / 1e6, 1)
        opened = open_artefact(Path(folder) / sha256)
        found["open_ms"] = _median_ms(lambda: open_artefact(Path(folder) / sha256, is_verified=True))
        profile = np.random.default_rng(0).choice(min(items, 5_000), 50, replace=False)
        weights = np.ones(50)
        factors = opened.scorer.factors
        assert factors is not None
        found["fold_ms"] = _median_ms(lambda: factors.fold(profile, weights))
        found["answer_ms"] = _median_ms(lambda: opened.scorer.recommend(profile, weights, 20, excluded=profile))
    return found


def _implicit(X: sp.csr_matrix) -> None:
    """Fit implicit's exact ALS, the usual reference, as a library user would."""
    import implicit  # type: ignore[import-not-found, unused-ignore]

    model = implicit.als.AlternatingLeastSquares(
        factors=128, regularization=100.0, alpha=40.0, iterations=12, use_cg=False, num_threads=2, random_state=0
    )
    model.fit((X > 0).astype(np.float32), show_progress=False)


def _timed(call: Any) -> tuple[float, float]:
    started, cpu = time.perf_counter(), time.process_time()
    call()
    return round(time.perf_counter() - started, 2), round(time.process_time() - cpu, 2)


def _median_ms(call: Any) -> float:
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return round(float(np.median(taken)) * 1000, 3)


def table() -> list[Result]:
    """Return the growth table, and implicit's times where it is installed (`pip install implicit`)."""
    results: list[Result] = []
    for items, listeners, pairs in SIZES:
        name = f"{items:,} items, {pairs:,} pairs"
        own = _in_a_process(items, listeners, pairs)
        theirs = _in_a_process(items, listeners, pairs, "implicit") if _has_implicit() and items <= 50_000 else {}
        reference = theirs.get("implicit_s")
        ratio = round(own["fit_s"] / reference, 3) if reference else None
        results.append(Result(f"{name}: fit with given parameters", own["fit_s"], "s", reference, ratio))
        units = {"peak_mb": "MB", "artefact_mb": "MB", "open_ms": "ms", "fold_ms": "ms", "answer_ms": "ms"}
        results += [Result(f"{name}: {key.split('_')[0]}", own[key], unit) for key, unit in units.items()]
    return results


def _in_a_process(*arguments: int | str) -> dict[str, Any]:
    command = [sys.executable, "-m", "app.bench.growth", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _has_implicit() -> bool:
    from importlib.util import find_spec

    return find_spec("implicit") is not None


if __name__ == "__main__":
    sizes = [int(each) for each in sys.argv[1:4]]
    sys.stdout.write(json.dumps(measure(sizes[0], sizes[1], sizes[2], has_implicit="implicit" in sys.argv)) + "\n")
