"""Fits which of the recordings played here each described one is alike to; in the worker, where scikit-learn is.

Nothing waits for it: it reads, computes outside of any transaction, and writes only what became another one.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.catalog import AUDIO_FEATURES
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.modules.recommendations import stamps

log = logging.getLogger(__name__)

METHOD = "1"  # another one is fitted anew, whatever else is as it was
KEPT = 20  # nearest recordings of each
LEAST = 0.2  # a lesser likeness says nothing
FEWEST = 5  # recordings played here, below which there is nothing to compare with
MOST_KNOWN, MOST_DESCRIBED = 20_000, 100_000  # each described one is compared with each known one
AT_ONCE = 1000
SHARE = 0.05  # of the time may go into fitting, however much there is
MEMORY_MB = 64  # for distances, which scikit-learn cuts into pieces of that size

SEEN = """
    select concat_ws(' ', cast(:method as text),
        (select cursor from feed_cursor where name = 'descriptions'),
        (select count(*) || ' ' || coalesce(sum(hashtext(key::text)), 0) from item
         where kind = 'recordings' and listeners > 0))
"""
KNOWN = """
    select i.key, i.artist_key, d.energy, d.audio, d.tags, a.tags as artist_tags
    from item i
    left join description d on d.kind = 'recordings' and d.key = i.key
    left join description a on a.kind = 'artists' and a.key = i.artist_key
    where i.kind = 'recordings' and i.listeners > 0
    order by i.listeners desc, i.key
    limit :limit
"""
DESCRIBED = """
    select d.key, d.artist_key, d.energy, d.audio, d.tags, a.tags as artist_tags, i.key is null as is_new
    from description d
    left join description a on a.kind = 'artists' and a.key = d.artist_key
    left join item i on i.kind = 'recordings' and i.key = d.key and i.listeners > 0
    where d.kind = 'recordings' and d.title is not null and d.artist_key is not null
    order by is_new desc, d.key
    limit :limit
"""


@dataclass(frozen=True)
class Content:
    """What recordings are like: (items, features) audio, NaN where it is not known, and words."""

    keys: list[UUID]
    audio: NDArray[np.float64]
    words: list[list[str]]


def refresh(database: Database, clock: Clock) -> bool:
    """Fit anew where something changed since the last time; return whether it was. Of two at once, one does it."""
    with database.dedicated() as alone:
        if not alone.execute(text("select pg_try_advisory_lock(hashtext('likeness'))")).scalar():
            return False
        with database.begin() as session:
            seen = str(session.execute(text(SEEN), {"method": METHOD}).scalar_one())
            if not _is_due(session, seen, clock()):
                return False
            known = session.execute(text(KNOWN), {"limit": MOST_KNOWN}).all()
            described = session.execute(text(DESCRIBED), {"limit": MOST_DESCRIBED}).all()
        started = time.perf_counter()
        changed = 0
        for rows in _fitted(known, described):
            with database.begin() as session:
                changed += _write(session, rows)
        took_s = time.perf_counter() - started
        with database.begin() as session:
            changed += _forget_others(session, [row.key for row in described] if len(known) >= FEWEST else [])
            _note(session, seen, clock(), took_s)
            if changed:
                stamps.touch(session, [stamps.EVERYONE])
    facts = {"known": len(known), "described": len(described), "changed": changed, "seconds": round(took_s, 1)}
    log.info("likeness fitted", extra=facts)
    return True


def _is_due(session: Session, seen: str, now: datetime) -> bool:
    last = session.execute(text("select seen, fitted_at, took_s from likeness_fit")).first()
    if last is None:
        return True
    # a clock that was ahead once does not hold it up
    is_resting = last.fitted_at <= now < last.fitted_at + timedelta(seconds=last.took_s / SHARE)
    return last.seen != seen and not is_resting


def _fitted(known: Sequence[Row[Any]], described: Sequence[Row[Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows of likeness, some at once."""
    if len(known) < FEWEST or not described:
        return
    # a process that only looks whether there is something to do does not load scikit-learn
    from sklearn import config_context

    from app.ml.cold import ContentNeighbours

    own = _content(known)
    with config_context(working_memory=MEMORY_MB):
        model = ContentNeighbours(neighbours=KEPT + 1).fit(own.audio, own.words)
        for start in range(0, len(described), AT_ONCE):
            some = described[start : start + AT_ONCE]
            asked = _content(some)
            links = model.links(asked.audio, asked.words).tocsc()
            yield [
                _row(row, own.keys, links.indices[first:end], links.data[first:end])
                for row, first, end in zip(some, links.indptr[:-1], links.indptr[1:], strict=True)
            ]


def _content(rows: Sequence[Row[Any]]) -> Content:
    # energy alone would make all that is loud the same
    is_heard = [row.energy is not None and len(row.audio or ()) == len(AUDIO_FEATURES) for row in rows]
    unknown = [np.nan] * (1 + len(AUDIO_FEATURES))
    audio = [[row.energy, *row.audio] if heard else unknown for row, heard in zip(rows, is_heard, strict=True)]
    # an artist is a word beside the tags, theirs and the recording's own
    words = [sorted({str(row.artist_key), *(row.tags or ()), *(row.artist_tags or ())}) for row in rows]
    return Content([row.key for row in rows], np.array(audio, dtype=np.float64), words)


def _row(row: Row[Any], keys: list[UUID], places: NDArray[np.int64], alike: NDArray[np.float32]) -> dict[str, Any]:
    """Return what is kept of a recording: its nearest ones but itself, most alike first."""
    order = np.lexsort((places, -alike))
    near = [(keys[places[n]], round(float(alike[n]), 4)) for n in order if alike[n] >= LEAST]
    near = [each for each in near if each[0] != row.key][:KEPT]
    return {
        "key": row.key,
        "near": [key for key, _ in near],
        "weights": [weight for _, weight in near],
        "is_new": row.is_new,
    }


def _write(session: Session, rows: list[dict[str, Any]]) -> int:
    """Write likeness; return how many rows are others than before."""
    written = session.execute(
        text(
            """
            insert into likeness (key, near, weights, is_new)
            select key, near, weights, is_new
            from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, near uuid[], weights real[], is_new boolean)
            on conflict (key) do update
            set near = excluded.near, weights = excluded.weights, is_new = excluded.is_new
            where (likeness.near, likeness.weights, likeness.is_new)
                is distinct from (excluded.near, excluded.weights, excluded.is_new)
            """
        ),
        {"rows": msgspec.json.encode(rows).decode()},
    )
    return int(written.rowcount)  # type: ignore[attr-defined]


def _forget_others(session: Session, keys: list[UUID]) -> int:
    gone = session.execute(
        text("delete from likeness l where not exists (select from unnest(cast(:keys as uuid[])) k where k = l.key)"),
        {"keys": keys},
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]


def _note(session: Session, seen: str, now: datetime, took_s: float) -> None:
    session.execute(
        text(
            """
            insert into likeness_fit (seen, fitted_at, took_s) values (:seen, :now, :took_s)
            on conflict (is_only) do update
            set seen = excluded.seen, fitted_at = excluded.fitted_at, took_s = excluded.took_s
            """
        ),
        {"seen": seen, "now": now, "took_s": took_s},
    )
