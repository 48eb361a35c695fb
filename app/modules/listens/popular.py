"""What most listeners played: counted anew now and then, read often."""

import time

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind, PopularItem
from app.kernel.db import Database

KEPT = 500
# Counting may take this share of the time at most, however many listens there are.
SHARE = 0.02
SHORTEST_PAUSE_S = 60.0

COUNT = """
    insert into popular (kind, key, artist_key, title, artist, listeners, plays)
    select :kind, key, artist_key, title, artist, listeners, plays
    from (
        select key, max(artist_key::text)::uuid as artist_key, max(title) as title, max(artist) as artist,
               count(distinct listener_id) as listeners, sum(plays)::bigint as plays
        from (
            select {listen_key} as key, artist_key, {listen_title} as title, artist, listener_id, 1 as plays
            from listen where duplicate_of is null
            union all
            select item_key, artist_key, coalesce(title, artist), artist, listener_id, plays
            from playcount where kind = :kind
        ) each
        group by key
    ) counted
    order by listeners desc, plays desc, key
    limit :kept
"""


class PopularCounter:
    """Called every second by one process; counts when something changed and the last counting is long enough ago."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._seen = -1
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next:
            return
        started = time.monotonic()
        with self.database.begin() as session:
            newest = session.execute(text("select coalesce(max(position), 0) from event")).scalar_one()
            if newest != self._seen:
                count(session)
                self._seen = newest
        took = time.monotonic() - started
        self._next = time.monotonic() + max(SHORTEST_PAUSE_S, took / SHARE)


def count(session: Session) -> None:
    """Count both kinds anew, in the caller's transaction."""
    session.execute(text("delete from popular"))
    for kind, key, title in (("recordings", "recording_key", "title"), ("artists", "artist_key", "artist")):
        statement = COUNT.format(listen_key=key, listen_title=title)
        session.execute(text(statement), {"kind": kind, "kept": KEPT})


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
