"""What serving models look like from outside: who answers, how sure it is, how much of the catalogue it shows."""

import numpy as np
from prometheus_client import Counter, Gauge, Histogram

from app.contracts.recommendations import Recommendations

ANSWERS = Counter(
    "segue_recommendations_total",
    "Answers to what to hear next: by a model (personal), or what is popular (fallback).",
    ["kind", "answer"],
)
SCORES = Histogram(
    "segue_recommendation_score",
    "Score of the first item of a personal answer.",
    ["kind"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
COVERAGE = Gauge(
    "segue_model_coverage",
    "Share of the model's items that a process has recommended since it opened the model.",
    ["kind"],
    multiprocess_mode="max",
)
SINCE = Gauge(
    "segue_model_serves_since_timestamp_seconds",
    "When a process began to serve the model it serves.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
MADE = Gauge(
    "segue_model_made_timestamp_seconds",
    "When the model that serves was written: how stale it is.",
    ["kind"],
    multiprocess_mode="mostrecent",
)


class Shown:
    """Which items of one model were recommended by this process."""

    def __init__(self, kind: str, items: int) -> None:
        self.kind = kind
        self._seen = np.zeros(items, dtype=np.bool_)

    def note(self, places: list[int]) -> None:
        self._seen[places] = True
        COVERAGE.labels(self.kind).set(float(self._seen.mean()) if len(self._seen) else 0.0)


def opened(kind: str, made_at: float) -> None:
    """Note that a model serves from now on; `made_at` in UNIX seconds."""
    SINCE.labels(kind).set_to_current_time()
    MADE.labels(kind).set(made_at)


def answered(kind: str, answer: Recommendations) -> Recommendations:
    """Note an answer; return the same."""
    ANSWERS.labels(kind, "fallback" if answer.degraded else "personal").inc()
    if answer.items and not answer.degraded:
        SCORES.labels(kind).observe(answer.items[0].score)
    return answer
