"""A log of millions of listens, copied in: one listener's history among those of many others."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from app.contracts.identity import identify, release_key
from app.kernel.db import Database
from app.modules.listens import rollups

ARTISTS, TITLES = 20_000, 30
OWN_ARTISTS = 3_000  # of a listener
PER_LISTENER = 5_000
YEARS = 10
SESSION, PLAY_S = 12, 220
COLUMNS = (
    "listener_id, listened_at, recording_key, artist_key, release_key, artist, title, release, duration_ms, client"
)
CHUNK = 200_000
SEED = 11


@dataclass(frozen=True)
class Catalogue:
    """What can be played, as the columns of a row behind its time."""

    columns: list[str]
    artists: int

    @classmethod
    def made(cls, artists: int = ARTISTS) -> "Catalogue":
        columns = []
        for artist in range(artists):
            name = f"Artist {artist}"
            for number in range(TITLES):
                title, release = f"Song {number} of {artist}", f"Release {number // 10} of {artist}"
                identity = identify(name, title)
                keys = f"{identity.recording_key}\t{identity.artist_key}\t{release_key(name, release)}"
                columns.append(f"{keys}\t{name}\t{title}\t{release}\t200000\tbench")
        return cls(columns, artists)


def history(catalogue: Catalogue, listener_id: UUID, count: int, seed: int, until: datetime) -> list[str]:
    """Return the rows of a listener: a few artists much, most of them little."""
    chance = np.random.default_rng((SEED, seed))
    seconds = _times(chance, count, int(until.timestamp()))
    artists = (chance.integers(ARTISTS) + OWN_ARTISTS * chance.random(count) ** 4).astype(np.int64) % catalogue.artists
    items = artists * TITLES + (TITLES * chance.random(count) ** 3).astype(np.int64)
    stamps = np.datetime_as_string(seconds.astype("datetime64[s]"))
    who = str(listener_id)
    return [f"{who}\t{at}Z\t{catalogue.columns[item]}\n" for at, item in zip(stamps, items.tolist(), strict=True)]


def _times(chance: np.random.Generator, count: int, finish: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return when, in order: sessions of a dozen plays, in the evening more than at night."""
    sessions = -(-count // SESSION)
    days = finish // 86_400 - YEARS * 365 + chance.integers(0, YEARS * 365, sessions)
    starts = days * 86_400 + (chance.normal(17, 5, sessions) % 24 * 3600).astype(np.int64)
    times = (starts[:, None] + np.arange(SESSION) * PLAY_S + chance.integers(0, 20, (sessions, SESSION))).ravel()[
        :count
    ]
    found = np.unique(np.minimum(times, finish))
    while len(found) < count:
        more = chance.integers(found[0], finish, count - len(found))
        found = np.unique(np.concatenate([found, more]))
    return found


def copy(owner: Database, rows: Iterator[list[str]]) -> None:
    """Copy rows into the log's table, without events."""
    connection = owner.engine.raw_connection()
    try:
        cursor = connection.cursor()
        for lines in rows:
            cursor.copy_expert(f"copy listen ({COLUMNS}) from stdin", io.StringIO("".join(lines)))
            connection.commit()
    finally:
        connection.close()


def others(catalogue: Catalogue, listeners: Sequence[UUID], total: int, until: datetime) -> Iterator[list[str]]:
    """Yield the rows of other listeners in pieces, `total` of them together."""
    lines: list[str] = []
    for number, listener in enumerate(listeners):
        share = total // len(listeners) + (number < total % len(listeners))
        lines += history(catalogue, listener, share, number + 1, until)
        if len(lines) >= CHUNK:
            yield lines
            lines = []
    yield lines


def multiply(owner: Database, listeners: Sequence[UUID], copies: int) -> list[UUID]:
    """Let the server copy the listens of listeners to others, some seconds later; return those."""
    with owner.dedicated() as connection:
        for start in range(0, len(listeners), 50):
            connection.execute(MULTIPLY, {"listeners": list(listeners[start : start + 50]), "copies": copies})
    return [UUID(md5(f"{one}{n}".encode()).hexdigest()) for one in listeners for n in range(1, copies + 1)]  # noqa: S324


MULTIPLY = text(
    f"""
    insert into listen ({COLUMNS})
    select cast(md5(concat(listener_id, n)) as uuid), listened_at + n * interval '7 s',
           {COLUMNS.split(", ", 2)[2]}
    from generate_series(1, :copies) n, listen
    where listener_id = any(:listeners)
    """  # noqa: S608
)
# The rows that following would have left, each table in one statement; a test compares them with a recount.
ROLL_UPS = (
    f"""
    insert into item_total (listener_id, recording_key, release_key, artist_key, artist, title, release, plays,
                            first_at, last_at)
    select listener_id, recording_key, coalesce(release_key, '{rollups.NO_RELEASE}'),
           cast(min(cast(artist_key as text)) as uuid), max(artist), max(title), max(release), count(*),
           min(listened_at), max(listened_at)
    from listen
    where duplicate_of is null and listener_id = any(:listeners)
    group by 1, 2, 3
    """,  # noqa: S608
    f"""
    insert into item_month (listener_id, month, item_id, plays, first_at, last_at, recording_key, release_key,
                            artist_key)
    select listener_id, month, item_id, plays, m.first_at, m.last_at, recording_key, release_key, artist_key
    from (
        select listener_id, cast(date_trunc('month', listened_at at time zone 'UTC') as date) as month, recording_key,
               coalesce(release_key, '{rollups.NO_RELEASE}') as release_key, count(*) as plays,
               min(listened_at) as first_at, max(listened_at) as last_at
        from listen
        where duplicate_of is null and listener_id = any(:listeners)
        group by 1, 2, 3, 4
    ) m
    join (
        select item_id, listener_id, recording_key, release_key, artist_key
        from item_total
        where listener_id = any(:listeners)
    ) i using (listener_id, recording_key, release_key)
    """,  # noqa: S608
    f"""
    insert into quarter_hour (listener_id, at, plays)
    select listener_id, date_bin('{rollups.QUARTER_S} s', listened_at, timestamptz '2000-01-01 00:00+00'), count(*)
    from listen
    where duplicate_of is null and listener_id = any(:listeners)
    group by 1, 2
    """,  # noqa: S608
)


def roll_up(database: Database, listeners: Sequence[UUID]) -> None:
    """Write the roll-ups of listeners who have none yet, some at a time, so that it is done in memory."""
    for start in range(0, len(listeners), 100):
        with database.begin() as session:
            session.execute(text("set local work_mem = '256MB'"))
            for statement in ROLL_UPS:
                session.execute(text(statement), {"listeners": list(listeners[start : start + 100])})


def settle(owner: Database) -> None:
    """Do what autovacuum does to tables that live a while."""
    with owner.dedicated() as connection:
        for table in ("listen", *rollups.TABLES):
            connection.execute(text(f"vacuum analyze {table}"))


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
