"""The listens that wait to be sent to other services: rows written in the transaction of the listen.

A row that was sent stays for as long as its listen counts as new: one that is deleted and put back is not sent again.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.modules.listens.peers import Play

# Forwarded is what was played lately: Last.fm takes nothing older, and what comes from long ago is an import.
NEW_S = 14 * 86_400
GIVE_UP_AFTER = timedelta(days=7)
# What was under way when its worker died, or ended without an answer, may still be under way for that long.
SETTLED_AFTER = timedelta(seconds=60)
PULLED = "pull:"  # how the client of a listen begins that was fetched from elsewhere

QUEUE = text(
    f"""
    insert into relay_item (relay_id, listener_id, listened_at, recording_key, queued_at)
    select r.relay_id, l.listener_id, l.listened_at, l.recording_key, :now
    from relay r
    join listen l on l.listener_id = r.listener_id
                 and l.listened_at between :first and :last
                 and l.xmin = cast(pg_current_xact_id() as xid)
    where r.listener_id = any(:listeners)
      and r.is_enabled
      and r.direction in ('push', 'both')
      and l.duplicate_of is null
      and l.import_id is null
      and l.client not like '{PULLED}%'
      and l.listened_at > cast(:now as timestamptz) - interval '{NEW_S} s'
    order by l.listened_at
    on conflict do nothing
    """  # noqa: S608
)
CLAIM = text(
    """
    with taken as (
        select item_id from relay_item
        where relay_id = :relay
          and state = any(:states)
          and (state = 'waiting' or :settled >= sent_at)
        order by item_id
        limit :limit
    ), claimed as (
        update relay_item i set state = 'sending', sent_at = :now
        from taken where i.item_id = taken.item_id
        returning i.item_id, i.listener_id, i.listened_at, i.recording_key
    )
    select c.item_id, l.listened_at, l.artist, l.title, l.release, l.duration_ms, l.client, l.extra
    from claimed c
    join listen l using (listener_id, listened_at, recording_key)
    order by c.item_id
    """
)
TOLD = text(
    """
    select i.item_id, l.listened_at, l.artist, l.title, l.release, l.duration_ms, l.client, l.extra
    from relay_item i
    join listen l using (listener_id, listened_at, recording_key)
    where i.relay_id = :relay
      and i.state in ('sending', 'uncertain', 'sent')
      and i.listened_at between :first and :last
    """
)
DROP_DELETED = text(
    """
    delete from relay_item i
    where relay_id = :relay
      and state <> 'sent'
      and not exists (
          select from listen l
          where (l.listener_id, l.listened_at, l.recording_key) = (i.listener_id, i.listened_at, i.recording_key))
    """
)


def queue(session: Session, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Let the listens that this transaction stored wait for each relay of their listener: one look, seldom more."""
    if rows:
        times = [row["listened_at"] for row in rows]
        listeners = {row["listener_id"] for row in rows}
        session.execute(QUEUE, {"listeners": list(listeners), "first": min(times), "last": max(times), "now": now})


def claim(session: Session, relay_id: UUID, states: Collection[str], limit: int, now: datetime) -> list[Play]:
    """Take the oldest listens in these states to be sent; those deleted meanwhile are dropped."""
    session.execute(DROP_DELETED, {"relay": relay_id})
    found = session.execute(
        CLAIM,
        {
            "relay": relay_id,
            "states": list(states),
            "limit": limit,
            "now": now,
            "settled": now - SETTLED_AFTER if "uncertain" in states and "waiting" not in states else now,
        },
    )
    return [_play(each) for each in found]


def _play(row: Row[Any]) -> Play:
    named = (row.artist, row.title, row.release)
    return Play(row.item_id, row.listened_at, *named, row.duration_ms, row.client, row.extra or {})


def done(session: Session, items: Collection[int]) -> None:
    """Note what arrived."""
    session.execute(text("update relay_item set state = 'sent' where item_id = any(:items)"), {"items": list(items)})


def purge(session: Session, relay_id: UUID, now: datetime) -> None:
    """Forget what was sent and can't be queued again, being too old."""
    session.execute(
        text("delete from relay_item where relay_id = :relay and state = 'sent' and listened_at < :before"),
        {"relay": relay_id, "before": now - timedelta(seconds=NEW_S) - timedelta(days=1)},
    )


def told(session: Session, relay_id: UUID, first: datetime, last: datetime) -> list[Play]:
    """Return the listens of a time that were sent, or may have been."""
    found = session.execute(TOLD, {"relay": relay_id, "first": first, "last": last})
    return [_play(each) for each in found]


def put_back(session: Session, items: Collection[int], *, is_uncertain: bool) -> None:
    session.execute(
        text("update relay_item set state = :state where item_id = any(:items)"),
        {"items": list(items), "state": "uncertain" if is_uncertain else "waiting"},
    )


def bury(session: Session, reasons: Mapping[int, str]) -> None:
    """Give up on listens, each for its reason."""
    session.execute(
        text(
            """
            update relay_item i set state = 'dead', reason = r.reason
            from unnest(cast(:items as bigint[]), cast(:reasons as text[])) as r (item_id, reason)
            where i.item_id = r.item_id
            """
        ),
        {"items": list(reasons), "reasons": list(reasons.values())},
    )


def give_up(session: Session, relay_id: UUID, reason: str, now: datetime) -> None:
    """Give up on what has waited for a week."""
    session.execute(
        text(
            """
            update relay_item set state = 'dead', reason = :reason
            where relay_id = :relay and state in ('waiting', 'uncertain') and queued_at <= :before
            """
        ),
        {"relay": relay_id, "reason": f"not taken for 7 days: {reason}", "before": now - GIVE_UP_AFTER},
    )


def revive(session: Session, relay_id: UUID, now: datetime) -> None:
    """Let what was given up wait again, as if it were new; whether it arrived meanwhile is to be asked."""
    session.execute(
        text(
            """
            update relay_item
            set state = case when sent_at is null then 'waiting' else 'uncertain' end, reason = '', queued_at = :now
            where relay_id = :relay and state = 'dead'
            """
        ),
        {"relay": relay_id, "now": now},
    )
