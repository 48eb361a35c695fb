"""The read model of the feed of listens: who played what how often, loved and hid, and what things are called.

A page of events is folded in Python to one row per listener and item, and written set-wise: three statements per
kind, however long the page.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import (
    FeedbackSet,
    FoldedEvent,
    Kind,
    Listened,
    ListenedMany,
    ListenerForgotten,
    PlaycountSet,
    Track,
    Unlistened,
)
from app.modules.recommendations import impressions, outcomes, stamps


class Change(msgspec.Struct):
    """What a page changes of one item in a profile; None leaves as is."""

    listener_id: UUID
    key: UUID
    artist_key: UUID | None = None
    plays: int = 0
    playcount: int | None = None
    value: int | None = None
    last_at: datetime | None = None


class Name(msgspec.Struct):
    key: UUID
    title: str
    artist: str
    artist_key: UUID


@dataclass
class Fold:
    """A page, folded: per kind the changes and names, and who is forgotten before them."""

    changes: dict[Kind, dict[tuple[UUID, UUID], Change]] = field(
        default_factory=lambda: {"recordings": {}, "artists": {}}
    )
    names: dict[Kind, dict[UUID, Name]] = field(default_factory=lambda: {"recordings": {}, "artists": {}})
    forgotten: set[UUID] = field(default_factory=set)
    has_less: bool = False  # something may be played by nobody now

    def add(self, event: FoldedEvent) -> None:
        match event:
            case Listened():
                self._played(event.listener_id, event, 1, event.listened_at)
            case ListenedMany():
                plays, last = Counter(event.places), dict(zip(event.places, event.times, strict=True))
                for place, track in enumerate(event.tracks):
                    self._played(event.listener_id, track, plays[place], datetime.fromtimestamp(last[place], UTC))
            case Unlistened():
                self._count(event.listener_id, event, -1, None)
                self.has_less = True
            case PlaycountSet():
                self._set_total(event)
            case FeedbackSet():
                self._change(event.kind, event.listener_id, event.key).value = event.value
            case ListenerForgotten():
                self.has_less = True
                self.forgotten.add(event.listener_id)
                for changes in self.changes.values():
                    for pair in [pair for pair in changes if pair[0] == event.listener_id]:
                        del changes[pair]

    def _change(self, kind: Kind, listener_id: UUID, key: UUID) -> Change:
        changes = self.changes[kind]
        found = changes.get((listener_id, key))
        if found is None:
            found = changes[listener_id, key] = Change(listener_id, key)
        return found

    def _played(self, listener_id: UUID, of: Listened | Track, by: int, at: datetime) -> None:
        self._count(listener_id, of, by, at)
        self._name_recording(of.recording_key, of.title, of.artist, of.artist_key)
        self._name_artist(of.artist, of.artist_key)

    def _count(self, listener_id: UUID, of: Listened | Track | Unlistened, by: int, at: datetime | None) -> None:
        for change in (
            self._change("recordings", listener_id, of.recording_key),
            self._change("artists", listener_id, of.artist_key),
        ):
            change.plays += by
            if at is not None and (change.last_at is None or at > change.last_at):
                change.last_at = at

    def _set_total(self, event: PlaycountSet) -> None:
        self._name_artist(event.artist, event.artist_key)
        if event.recording_key is None:
            self._change("artists", event.listener_id, event.artist_key).playcount = event.plays
            return
        change = self._change("recordings", event.listener_id, event.recording_key)
        change.playcount, change.artist_key = event.plays, event.artist_key
        self._name_recording(event.recording_key, event.title or "", event.artist, event.artist_key)

    def _name_recording(self, key: UUID, title: str, artist: str, artist_key: UUID) -> None:
        if key not in self.names["recordings"]:
            self.names["recordings"][key] = Name(key, title, artist, artist_key)

    def _name_artist(self, artist: str, key: UUID) -> None:
        if key not in self.names["artists"]:
            self.names["artists"][key] = Name(key, artist, artist, key)

    def count_for_artist(self, listener_id: UUID, artist_key: UUID, plays: int) -> None:
        self._change("artists", listener_id, artist_key).plays += plays


def apply(session: Session, events: Sequence[FoldedEvent]) -> None:
    """Write the effect of a page of the feed of listens."""
    fold = Fold()
    for event in events:
        fold.add(event)
    if fold.forgotten:
        _forget(session, fold.forgotten)
        impressions.forget(session, fold.forgotten)
        stamps.forget(session, fold.forgotten)
    for kind, names in fold.names.items():
        _write_names(session, kind, names.values())
    gained = _write_changes(session, "recordings", fold.changes["recordings"].values())
    for listener_id, artist_key, plays in gained:
        fold.count_for_artist(listener_id, artist_key, plays)
    _write_changes(session, "artists", fold.changes["artists"].values())
    outcomes.note(session, events)
    touched = {listener for changes in fold.changes.values() for listener, _ in changes}
    if fold.has_less and _drop_unplayed(session):
        touched.add(stamps.EVERYONE)
    stamps.touch(session, touched)


def reset(session: Session) -> None:
    """Forget everything that the feed of listens told."""
    session.execute(text("delete from profile_item"))
    session.execute(text("delete from item"))
    stamps.touch(session, [stamps.EVERYONE])


def _rows(rows: Iterable[msgspec.Struct]) -> str:
    return msgspec.json.encode(list(rows)).decode()


def _write_names(session: Session, kind: Kind, names: Iterable[Name]) -> None:
    rows = _rows(names)
    if rows != "[]":
        session.execute(WRITE_NAMES, {"kind": kind, "rows": rows})


# The first name that an item is seen under stays.
WRITE_NAMES = text(
    """
    insert into item (kind, key, title, artist, artist_key, listeners)
    select :kind, key, title, artist, artist_key, 0
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, title text, artist text, artist_key uuid)
    order by key
    on conflict (kind, key) do nothing
    """
)

# Returns what each recording's total gained, for its artist. New values are computed here and written as they are: of
# one feed there is one writer at a time, who holds the row of its cursor.
WRITE_CHANGES = text(
    """
    with change as (
        select r.listener_id, r.key, r.artist_key,
               coalesce(p.plays, 0) + r.plays           as plays,
               coalesce(r.playcount, p.playcount, 0)    as playcount,
               coalesce(r.value, p.value, 0)            as value,
               greatest(p.last_at, r.last_at)           as last_at,
               coalesce(p.plays + p.playcount > 0, false) as was_played,
               coalesce(p.playcount, 0)                 as old_playcount
        from jsonb_to_recordset(cast(:rows as jsonb)) as r (
                 listener_id uuid, key uuid, artist_key uuid,
                 plays bigint, playcount bigint, value smallint, last_at timestamptz)
        left join profile_item p on p.listener_id = r.listener_id and p.kind = :kind and p.key = r.key
    ), written as (
        insert into profile_item (listener_id, kind, key, plays, playcount, value, last_at)
        select listener_id, :kind, key, plays, playcount, value, last_at
        from change
        where plays > 0 or playcount > 0 or value <> 0
        on conflict (listener_id, kind, key) do update
        set plays = excluded.plays, playcount = excluded.playcount, value = excluded.value, last_at = excluded.last_at
    ), emptied as (
        delete from profile_item p
        using change c
        where p.listener_id = c.listener_id and p.kind = :kind and p.key = c.key
          and c.plays <= 0 and c.playcount = 0 and c.value = 0
    ), counted as (
        update item i set listeners = i.listeners + d.gained
        from (
            select key, sum(cast(plays + playcount > 0 as integer) - cast(was_played as integer)) as gained
            from change
            group by key
        ) d
        where i.kind = :kind and i.key = d.key and d.gained <> 0
    )
    select listener_id, artist_key, playcount - old_playcount as gained
    from change
    where artist_key is not null and playcount <> old_playcount
    """
)


def _write_changes(session: Session, kind: Kind, changes: Iterable[Change]) -> list[tuple[UUID, UUID, int]]:
    rows = _rows(changes)
    if rows == "[]":
        return []
    found = session.execute(WRITE_CHANGES, {"kind": kind, "rows": rows}).all()
    return [(row.listener_id, row.artist_key, row.gained) for row in found]


def _forget(session: Session, listeners: Iterable[UUID]) -> None:
    session.execute(
        text(
            """
            with gone as (
                delete from profile_item where listener_id = any(:listeners)
                returning kind, key, plays + playcount > 0 as was_played
            )
            update item i set listeners = i.listeners - lost.listeners
            from (select kind, key, count(*) as listeners from gone where was_played group by kind, key) lost
            where i.kind = lost.kind and i.key = lost.key
            """
        ),
        {"listeners": list(listeners)},
    )


def _drop_unplayed(session: Session) -> bool:
    """Forget the names of what nobody here plays any more; say whether there was any."""
    gone = session.execute(text("delete from item where kind in ('recordings', 'artists') and listeners <= 0"))
    return bool(gone.rowcount)  # type: ignore[attr-defined]


def size(session: Session, listener_id: UUID) -> int:
    found: Any = session.execute(
        text("select count(*) from profile_item where listener_id = :id"), {"id": listener_id}
    ).scalar_one()
    return int(found)
