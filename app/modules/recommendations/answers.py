"""How models answer: counted in the process, written to the table every second or so, summed over processes there."""

import bisect
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.experiments import ModelHealth

EDGES_MS = (5, 10, 20, 30, 50, 75, 100, 150, 250, 400, 600, 1000, 2000)  # and one beyond
KEPT = timedelta(days=1)

ANSWERS = Counter("segue_model_answers_total", "Answers that models were asked for.", ["kind", "outcome"])
REFUSED = Counter("segue_model_refused_total", "Artefacts that were refused before loading.", ["kind"])


class Tally(msgspec.Struct):
    sha256: str
    answers: int = 0
    errors: int = 0
    empties: int = 0
    within: list[int] = msgspec.field(default_factory=lambda: [0] * (len(EDGES_MS) + 1))
    shadowed: int = 0
    overlap: float = 0.0


class Answers:
    """Counts of this process since they were last taken."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._lock = threading.Lock()

    def count(self, kind: str, sha256: str, took_ms: float, *, is_error: bool) -> None:
        with self._lock:
            tally = self._tallies.setdefault(sha256, Tally(sha256))
            tally.answers += 1
            tally.errors += is_error
            tally.within[bisect.bisect_left(EDGES_MS, took_ms)] += 1
        ANSWERS.labels(kind, "error" if is_error else "answer").inc()

    def count_empty(self, kind: str, sha256: str) -> None:
        """Note that a model that was asked had nothing for a listener for whom the next one had something."""
        with self._lock:
            self._tallies.setdefault(sha256, Tally(sha256)).empties += 1
        ANSWERS.labels(kind, "empty").inc()

    def count_shadow(self, sha256: str, overlap: float) -> None:
        with self._lock:
            tally = self._tallies.setdefault(sha256, Tally(sha256))
            tally.shadowed += 1
            tally.overlap += overlap

    def take(self) -> list[Tally]:
        with self._lock:
            taken, self._tallies = list(self._tallies.values()), {}
        return taken


def write(session: Session, tallies: Sequence[Tally], now: datetime) -> None:
    """Add counts to the row of this second."""
    session.execute(
        text(
            """
            insert into model_answers as m (sha256, at, answers, errors, empties, within, shadowed, overlap)
            select sha256, date_trunc('second', cast(:now as timestamptz)), answers, errors, empties, within, shadowed,
                   overlap
            from jsonb_to_recordset(cast(:rows as jsonb)) as r (
                sha256 text, answers bigint, errors bigint, empties bigint, within bigint[], shadowed bigint,
                overlap double precision)
            order by sha256
            on conflict (sha256, at) do update
            set answers = m.answers + excluded.answers, errors = m.errors + excluded.errors,
                empties = m.empties + excluded.empties, shadowed = m.shadowed + excluded.shadowed,
                overlap = m.overlap + excluded.overlap,
                within = array(select a + b from unnest(m.within, excluded.within) as sums (a, b))
            """
        ),
        {"now": now, "rows": msgspec.json.encode(list(tallies)).decode()},
    )


def forget_old(session: Session, now: datetime) -> None:
    session.execute(text("delete from model_answers where at < :before"), {"before": now - KEPT})


def health(session: Session, hashes: Sequence[str], since: datetime) -> list[ModelHealth]:
    """Return how models answered since a time."""
    rows = session.execute(
        text(
            """
            select sha256, sum(answers)::bigint as answers, sum(errors)::bigint as errors,
                   sum(empties)::bigint as empties, sum(shadowed)::bigint as shadowed, sum(overlap) as overlap,
                   (select array_agg(total order by place)
                    from (select place, sum(n)::bigint as total
                          from model_answers b, unnest(b.within) with ordinality as w (n, place)
                          where b.sha256 = m.sha256 and b.at >= :since
                          group by place) totals) as within
            from model_answers m
            where sha256 = any(:hashes) and at >= :since
            group by sha256
            """
        ),
        {"hashes": list(hashes), "since": since},
    ).all()
    return [_health(row) for row in rows]


def _health(row: Any) -> ModelHealth:
    overlap = row.overlap / row.shadowed if row.shadowed else None
    return ModelHealth(row.sha256, row.answers, row.errors, row.empties, _p95(row.within), overlap)


def _p95(within: Sequence[int]) -> float | None:
    """Return the upper edge of where the 95th of 100 answers lies, in milliseconds."""
    wanted, seen = 0.95 * sum(within), 0
    for edge, count in zip((*EDGES_MS, 2 * EDGES_MS[-1]), within, strict=True):
        seen += count
        if seen and seen >= wanted:
            return float(edge)
    return None
