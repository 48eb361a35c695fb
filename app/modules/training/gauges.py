"""What the table of runs looks like from outside: who waits for a worker, and whose last run failed."""

from prometheus_client import Gauge
from sqlalchemy import text

from app.kernel.db import Database

WAITS = Gauge(
    "segue_run_waits_seconds",
    "How long the oldest queued run of a kind waits.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
LAST_FAILED = Gauge(
    "segue_last_run_failed",
    "Whether the last run of a kind that ended failed.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
KINDS = ("recordings", "artists")

STANDING = text(
    """
    select
        kind,
        coalesce(extract(epoch from now() - min(created_at) filter (where state = 'queued')), 0)          as waits,
        (array_agg(state order by ended_at desc) filter (where ended_at is not null))[1] = 'failed'       as has_failed
    from run
    where state = 'queued' or ended_at > now() - interval '30 days'
    group by kind
    """
)


def look(database: Database) -> None:
    """Look at the runs and note how they stand."""
    with database.begin() as session:
        found = {row.kind: row for row in session.execute(STANDING)}
    for kind in KINDS:
        WAITS.labels(kind).set(float(found[kind].waits) if kind in found else 0.0)
        LAST_FAILED.labels(kind).set(float(bool(kind in found and found[kind].has_failed)))
