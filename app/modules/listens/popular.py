"""What most listeners played: counted anew now and then, read often."""

import time
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind, PopularItem
from app.kernel.db import Database
from app.modules.listens import aliases

KEPT = 500
# Counting may take this share of the time at most, however many listens there are.
SHARE = 0.02
SHORTEST_PAUSE_S = 5.0

COUNT = """
    with plays as (select * from item_total)
    select :kind as kind, key, max(artist_key::text) as artist_key, max(title) as title, max(artist) as artist,
           count(*) as listeners, sum(plays)::bigint as plays
    from (
        select listener_id, key, max(artist_key::text) as artist_key, max(title) as title, max(artist) as artist,
               sum(plays) as plays
        from ({plays}) each
        group by listener_id, key
    ) by_listener
    group by key
    order by listeners desc, plays desc, key
    limit :kept
"""
PLAYS: dict[Kind, str] = {
    "recordings": """
            select listener_id, recording_key as key, artist_key, title, artist, plays
            from {plays}
            union all
            select listener_id, item_key, artist_key, title, artist, plays
            from {playcounts}
            where kind = 'recordings'
    """,
    "artists": """
            select listener_id, artist_key as key, artist_key, artist as title, artist, plays
            from {plays}
            union all
            select listener_id, artist_key, artist_key, artist, artist, plays
            from {playcounts}
    """,
}


# How far listens came, and the corrections that everybody's are seen through.
NEWEST = text("select string_agg(cursor, ' ' order by name) from feed_cursor where name in ('catalog', 'rollups')")


class PopularCounter:
    """Called every second by one process; counts when something changed and the last counting is long enough ago."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._seen: str | None = ""
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next:
            return
        started = time.monotonic()
        with self.database.begin() as session:
            newest = session.execute(NEWEST).scalar()
        if newest != self._seen:
            refresh(self.database)
            self._seen = newest
        self._next = time.monotonic() + max(SHORTEST_PAUSE_S, (time.monotonic() - started) / SHARE)


def refresh(database: Database) -> None:
    """Count both kinds anew.

    Counting may take a while, so it is done before the transaction that writes: a writing one that stays open holds
    back the feeds of every module.
    """
    with database.begin() as session:
        counted = [row for kind in PLAYS for row in _count(session, kind)]
    with database.begin() as session:
        session.execute(text("delete from popular"))
        session.execute(
            text("insert into popular select * from jsonb_populate_recordset(null::popular, cast(:rows as jsonb))"),
            {"rows": msgspec.json.encode(counted).decode()},
        )


def _count(session: Session, kind: Kind) -> list[dict[str, Any]]:
    plays = PLAYS[kind].format(**aliases.tables(session, None, credits_all=kind == "artists"))
    found = session.execute(text(COUNT.format(plays=plays)), {"kind": kind, "kept": KEPT})
    return [dict(row._mapping) for row in found]


def read(session: Session, kind: Kind, limit: int) -> list[PopularItem]:
    rows = session.execute(
        text(
            """
            select kind, key, title, artist, artist_key, listeners
            from popular
            where kind = :kind
            order by listeners desc, plays desc, key
            limit :limit
            """
        ),
        {"kind": kind, "limit": limit},
    ).all()
    return [PopularItem(*row) for row in rows]
