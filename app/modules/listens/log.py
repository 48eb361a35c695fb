"""Writing listens: insert, recognise one play told twice, delete, erase; events in the same transaction."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import (
    FoldedEvent,
    Listened,
    ListenedMany,
    ListenerForgotten,
    ListenNotFound,
    ListensEvent,
    Track,
    Unlistened,
)
from app.kernel import feed
from app.modules.listens import bulk

# One play told by two clients: their clocks and what they call the start differ by some seconds.
SAME_PLAY_S = 30
# A client that tells when a play was submitted may be late by the whole play and a while.
SUBMITTED_LATE_S = 60
# The longest such play that is looked for: it bounds the part of the index that each new listen reads.
REACH_S = 3600

LOCK_SPACE = 0x6C697374  # apart from other advisory locks of the same database
# Locks of that many groups of listeners, since a bulk load of 50,000 listeners would exhaust the server's lock table.
LOCKS = 1024

LOCK = text(
    f"""
    select pg_advisory_xact_lock({LOCK_SPACE}, number)
    from (
        select distinct (hashtextextended(cast(id as text), 0) & {LOCKS - 1})::integer as number
        from unnest(cast(:ids as uuid[])) id
        order by number
    ) ordered
    """  # noqa: S608
)
# The partial index of the log holds the erased alone.
GONE = "from event where payload->>'type' = 'listener_forgotten' and payload->>'listener_id' = any(:ids)"
ERASED = text(f"select cast(payload->>'listener_id' as uuid) {GONE}")

# Which listen of another client a row `r` tells again.
SAME_PLAY = f"""
    select e.listened_at
    from listen e
    where e.listener_id = r.listener_id
      and e.listened_at > r.listened_at - interval '{REACH_S} s'
      and e.listened_at < r.listened_at + interval '{REACH_S} s'
      and e.recording_key = r.recording_key
      and e.duplicate_of is null
      and e.client <> r.client
      and abs(extract(epoch from e.listened_at - r.listened_at)) <
          case when 'submission' in (e.extra->>'listened_at_is', cast(r.extra as jsonb)->>'listened_at_is')
               then greatest(coalesce(r.duration_ms, e.duration_ms) / 1000 + {SUBMITTED_LATE_S}, {SAME_PLAY_S})
               else {SAME_PLAY_S}
          end
    order by abs(extract(epoch from e.listened_at - r.listened_at))
    limit 1
"""  # noqa: S608


def _stored(condition: str = "") -> str:
    """Return the part of a statement that stores the given rows."""
    return f"""
    given as materialized (
        select *
        from jsonb_to_recordset(cast(:rows as jsonb)) as r (
                 number integer, listener_id uuid, listened_at timestamptz, recording_key uuid, artist_key uuid,
                 release_key uuid, artist text, title text, release text, duration_ms integer, client text, extra text,
                 import_id uuid)
        {condition}
    ), stored as (
        insert into listen (listener_id, listened_at, recording_key, artist_key, release_key,
                            artist, title, release, duration_ms, client, extra, import_id, duplicate_of)
        select r.listener_id, r.listened_at, r.recording_key, r.artist_key, r.release_key,
               r.artist, r.title, r.release, r.duration_ms, r.client, cast(r.extra as jsonb), r.import_id,
               same.listened_at
        from given r
        left join lateral ({SAME_PLAY}) same on true
        on conflict do nothing
        returning *
    )
    """  # noqa: S608


# The events of a batch are written beside it: sent back here and there again they would double its time. One statement
# also says whether the listener was erased, of whom nothing may be stored, and whether something waits to be forwarded.
INSERT = text(
    f"""
    with {_stored(f"where not exists (select {GONE})")}, told as (
        insert into event (payload)
        select jsonb_build_object(
                   'type', 'listened', 'listener_id', listener_id, 'listened_at', listened_at,
                   'recording_key', recording_key, 'artist_key', artist_key, 'release_key', release_key,
                   'artist', artist, 'title', title, 'release', release,
                   'recording_mbid', extra->>'recording_mbid',
                   'release_mbid', substring(lower(extra->>'release_mbid')
                                             from '^[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'))
        from stored
        where duplicate_of is null
    )
    select (select count(*) from given)                               as given,
           (select count(*) from stored where duplicate_of is null)   as accepted,
           exists (select from relay join given using (listener_id))  as has_relays
    """  # noqa: S608
)

# Sent together, and still each sees what was committed when it began: the second what others wrote while the first
# waited for them.
LOCK_AND_INSERT = text(f"{LOCK.text};{INSERT.text}")

# A row of the log for many listens of a listener: a row each would cost more than the listens themselves.
PLAYS_PER_EVENT = 5000
_track = itemgetter(
    *("recording_key", "artist_key", "release_key", "artist", "title", "release", "recording_mbid", "release_mbid")
)
# What a listener played around some time: only of that can another listen be a repeat.
AROUND = text(
    f"""
    select distinct listener_id, recording_key
    from listen
    where listener_id = any(:ids)
      and listened_at between cast(:first as timestamptz) - interval '{REACH_S} s'
                          and cast(:last as timestamptz) + interval '{REACH_S} s'
    """  # noqa: S608
)
INSERT_DOUBTFUL = text(
    f"""
    with {_stored()}
    select g.number
    from given g
    left join stored s using (listener_id, listened_at, recording_key)
    where s.listener_id is null or s.duplicate_of is not null
    """  # noqa: S608
)
COUNT_KNOWN = text(
    f"""
    select count(*)
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
             listener_id uuid, listened_at timestamptz, recording_key uuid, duration_ms integer, client text,
             extra text)
    where exists (select from listen e
                  where (e.listener_id, e.listened_at, e.recording_key)
                        = (r.listener_id, r.listened_at, r.recording_key))
       or exists ({SAME_PLAY})
    """  # noqa: S608
)


class Together(msgspec.Struct, frozen=True, tag="listened_together"):
    """What stands in the payload of a row that tells of several listens; the listens are in its column `plays`."""

    listener_id: UUID
    first: int
    last: int


class Played(msgspec.Struct, frozen=True, array_like=True):
    """A listen of such a row as it was written at first."""

    at: int
    recording_key: UUID
    artist_key: UUID
    release_key: UUID | None
    artist: str
    title: str
    release: str | None
    recording_mbid: UUID | None
    release_mbid: UUID | None = None


class PlayedMany(msgspec.Struct, frozen=True, tag="listened_many"):
    """How many listens were told in one row at first."""

    listener_id: UUID
    listens: list[Played]


EVENT = msgspec.json.Decoder(ListensEvent | ListenedMany | PlayedMany)
TOLD = "coalesce(plays, cast(payload as text))"


def folded(events: Sequence[bytes]) -> list[FoldedEvent]:
    """Return the events that rows of the log hold."""
    decoded = (EVENT.decode(event) for event in events)
    return [together(each.listener_id, _of_before(each)) if isinstance(each, PlayedMany) else each for each in decoded]


def _of_before(event: PlayedMany) -> Iterator[tuple[int, tuple[Any, ...]]]:
    return ((at, tuple(track)) for at, *track in map(structs.astuple, event.listens))


def expanded(events: Iterable[FoldedEvent]) -> list[ListensEvent]:
    """Return the events one by one."""
    found: list[ListensEvent] = []
    for event in events:
        if not isinstance(event, ListenedMany):
            found.append(event)
            continue
        tracks = [structs.astuple(track) for track in event.tracks]
        for at, place in zip(event.times, event.places, strict=True):
            found.append(Listened(event.listener_id, datetime.fromtimestamp(at, UTC), *tracks[place]))
    return found


def together(listener_id: UUID, plays: Iterable[tuple[int, tuple[Any, ...]]]) -> ListenedMany:
    """Return one event of many plays, of which some are of the same track."""
    places: dict[tuple[Any, ...], int] = {}
    told = [(at, places.setdefault(track, len(places))) for at, track in sorted(plays, key=itemgetter(0))]
    tracks = [Track(*track) for track in places]
    return ListenedMany(listener_id, tracks, [at for at, _ in told], [place for _, place in told])


def lock_listeners(session: Session, listener_ids: Collection[UUID]) -> set[UUID]:
    """Wait until nobody else writes of these listeners; return those who were erased, of whom nothing may be stored.

    So of two clients that tell one play one is the later, and a submission that was under way when its person was
    erased leaves nothing behind.
    """
    session.execute(LOCK, {"ids": list(listener_ids)})
    return set(session.execute(ERASED, {"ids": [str(each) for each in listener_ids]}).scalars())


class Inserted(NamedTuple):
    """How many rows were looked at (none of an erased listener), how many are new plays, and who wants to hear."""

    given: int
    accepted: int
    has_relays: bool


def insert(session: Session, rows: Sequence[dict[str, Any]], *, is_locked: bool = False) -> Inserted:
    """Store rows of one listener and tell followers; what is known already, by this client or another, is no new play.

    The listener is locked here, unless the caller has done it.
    """
    if not rows:
        return Inserted(0, 0, has_relays=False)
    given = {"rows": msgspec.json.encode(list(rows)).decode(), "ids": [str(rows[0]["listener_id"])]}
    return Inserted(*session.execute(INSERT if is_locked else LOCK_AND_INSERT, given).one())


def insert_many(session: Session, rows: Sequence[dict[str, Any]]) -> set[int]:
    """Store rows and tell followers; return the places of those that were known already, or stand twice among them.

    The listeners are locked by the caller. A recording that its listener has not played around that time can be no
    repeat: such rows are copied as they are, which costs a third.
    """
    known: set[int] = set()
    seen: set[tuple[int, int, datetime]] = set()
    new, doubtful = list[dict[str, Any]](), list[dict[str, Any]]()
    around = _played_around(session, rows)
    for number, row in enumerate(rows):
        pair = row["listener_id"].int, row["recording_key"].int  # a UUID itself is slow to look up
        key = (*pair, row["listened_at"])
        if key in seen:
            known.add(number)
            continue
        seen.add(key)
        if pair in around or not bulk.can_copy(row):
            doubtful.append({**row, "number": number})
        else:
            new.append(row)
    if new:
        bulk.copy_listens(session, new)
    if doubtful:
        given = msgspec.json.encode(doubtful).decode()
        repeats = set(session.execute(INSERT_DOUBTFUL, {"rows": given}).scalars())
        known |= repeats
        new += [row for row in doubtful if row["number"] not in repeats]
    bulk.copy_events(session, _told(new))
    return known


def _played_around(session: Session, rows: Sequence[dict[str, Any]]) -> set[tuple[int, int]]:
    """Return listeners with recordings that they played about when the rows tell of."""
    if not rows:
        return set()
    times = [row["listened_at"] for row in rows]
    given = {"ids": list({row["listener_id"] for row in rows}), "first": min(times), "last": max(times)}
    return {(row.listener_id.int, row.recording_key.int) for row in session.execute(AROUND, given)}


def _told(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[Together, ListenedMany, int]]:
    """Yield what followers are told of rows, and of how many plays each part tells."""
    by_listener: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        by_listener.setdefault(row["listener_id"], []).append(row)
    for listener_id, plays in by_listener.items():
        plays.sort(key=itemgetter("listened_at"))
        for start in range(0, len(plays), PLAYS_PER_EVENT):
            part = plays[start : start + PLAYS_PER_EVENT]
            event = together(listener_id, ((int(row["listened_at"].timestamp()), _track(row)) for row in part))
            yield Together(listener_id, event.times[0], event.times[-1]), event, len(part)


def count_known(session: Session, rows: Sequence[dict[str, Any]]) -> int:
    """Return how many of the rows tell of plays that are stored already."""
    if not rows:
        return 0
    given = msgspec.json.encode(list(rows)).decode()
    return int(session.execute(COUNT_KNOWN, {"rows": given}).scalar_one())


def delete(session: Session, listener_id: UUID, listened_at: datetime, recording_key: UUID) -> None:
    """Delete a listen; what was hidden as a repeat of it comes back. Raises ListenNotFound."""
    lock_listeners(session, [listener_id])
    key = {"listener": listener_id, "at": listened_at, "recording": recording_key}
    gone = session.execute(
        text(
            """
            delete from listen
            where listener_id = :listener and listened_at = :at and recording_key = :recording
            returning artist_key, duplicate_of
            """
        ),
        key,
    ).one_or_none()
    if gone is None:
        raise ListenNotFound
    if gone.duplicate_of is not None:
        return
    feed.append(session, [Unlistened(listener_id, listened_at, recording_key, gone.artist_key)])
    hidden = session.execute(
        text(
            f"""
            delete from listen
            where listener_id = :listener
              and listened_at > cast(:at as timestamptz) - interval '{REACH_S} s'
              and listened_at < cast(:at as timestamptz) + interval '{REACH_S} s'
              and recording_key = :recording and duplicate_of = :at
            returning to_jsonb(listen) as row, inserted_at
            """  # noqa: S608
        ),
        key,
    ).all()
    # Stored again in their order, each finds out anew whose repeat it is: as many as clients told of one play.
    for each in sorted(hidden, key=lambda found: found.inserted_at):
        insert(session, [each.row], is_locked=True)


# What holds a listener's rows. The events of a person go too, but for the one that tells of the erasure.
OF_LISTENERS = (
    *("listen", "playcount", "feedback", "playing_now", "import_mark", "import_run", "relay"),
    *("item_total", "item_month", "quarter_hour"),
)


def has_traces(session: Session, listener_id: UUID) -> bool:
    """Say whether anything of a person is stored."""
    union = " union all ".join(f"select 1 from {table} where listener_id = :id" for table in OF_LISTENERS)  # noqa: S608
    events = "select 1 from event where payload->>'listener_id' = :text and payload->>'type' <> 'listener_forgotten'"
    corrected = "select 1 from alias where scope = :id"
    found = session.execute(
        text(f"select exists ({union} union all {events} union all {corrected})"),
        {"id": listener_id, "text": str(listener_id)},
    )
    return bool(found.scalar_one())


def forget(session: Session, listener_ids: Collection[UUID]) -> None:
    """Erase everything of people, their part of the log included, and tell followers."""
    lock_listeners(session, listener_ids)
    for table in OF_LISTENERS:
        session.execute(
            text(f"delete from {table} where listener_id = any(:ids)"),  # noqa: S608
            {"ids": list(listener_ids)},
        )
    session.execute(
        text("delete from event where payload->>'listener_id' = any(:ids)"), {"ids": [str(i) for i in listener_ids]}
    )
    feed.append(session, [ListenerForgotten(each) for each in listener_ids])


# What a row of the log says of whose listens changed, between which seconds, and of what where it tells of one.
CHANGED = """
    jsonb_build_array(
        payload->>'type', payload->>'listener_id',
        coalesce(cast(payload->>'first' as bigint), cast(payload->'listens'->0->>0 as bigint),
                 cast(extract(epoch from cast(payload->>'listened_at' as timestamptz)) as bigint)),
        coalesce(cast(payload->>'last' as bigint), cast(payload->'listens'->-1->>0 as bigint),
                 cast(extract(epoch from cast(payload->>'listened_at' as timestamptz)) as bigint)),
        payload->>'recording_key')
"""


class Changed(msgspec.Struct, frozen=True, array_like=True):
    """`first` and `last` are UNIX seconds, None where the row is not about listens."""

    type: str
    listener_id: UUID
    first: int | None
    last: int | None
    recording_key: UUID | None = None


CHANGES = msgspec.json.Decoder(Changed)
