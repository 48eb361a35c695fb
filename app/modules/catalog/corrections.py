"""The rules of corrections: who may make which, what they must name, and how they are kept."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.accounts import ListenerErased
from app.contracts.catalog import (
    Act,
    AlreadyCorrected,
    ArtistNotFound,
    CircularCorrection,
    Corrected,
    Correction,
    CorrectionNotFound,
    CorrectionsForgotten,
    CorrectionUndone,
    InvalidCorrection,
    Merge,
    ReassignArtist,
    RecordingNotFound,
    Rename,
    Scope,
    SplitArtist,
)
from app.contracts.identity import EmptyName, artist_key, canonical, recording_key
from app.kernel import context, feed
from app.kernel.contract import Forbidden, InvalidRequest
from app.modules.catalog import facts
from app.modules.catalog.aliases import EVERYONE, group, keys_of, layers_of, lock, refresh, shown
from app.modules.catalog.resolving import (
    Facts,
    Stored,
    artist_edges,
    recording_edges,
    ways_of,
)

MAX_PAGE = 1000
MAX_LISTED = 200  # characters of what a correction was about, in lists and in the audit


def scope_of(scope: Scope) -> UUID:
    """Return the view that the actor may correct. Raises Forbidden, InvalidRequest."""
    actor = context.actor()
    if scope == "everyone":
        if not actor.is_admin:
            raise Forbidden("only administrators correct for everyone; you can correct for yourself")
        return EVERYONE
    if actor.listener_id is None:
        raise InvalidRequest("only a person has a view of their own")
    return actor.listener_id


def check(act: Act) -> None:
    """Raise InvalidCorrection for an act that says nothing, or names what can't be a name."""
    match act:
        case Merge(sources=sources, target=target):
            if not sources or len(set(sources)) < len(sources):
                raise InvalidCorrection("name at least one source, each once")
            if target in sources:
                raise CircularCorrection("it is the same already")
        case Rename(name=name):
            _check_name(name)
        case SplitArtist(names=names):
            for name in names:
                _check_name(name)
            if len(names) < 2 or len({artist_key(name) for name in names}) < len(names):
                raise InvalidCorrection("name at least two artists, each once")
        case ReassignArtist(artist=name):
            _check_name(name)


def _check_name(name: str) -> None:
    try:
        artist_key(name)
        name.encode()
    except (EmptyName, UnicodeEncodeError):
        raise InvalidCorrection("a name is not empty, and is valid Unicode") from None
    if "\0" in name or len(name) > 1000 or not canonical(name):
        raise InvalidCorrection("a name has at most 1000 characters and no NUL")


def named_by(act: Act) -> tuple[list[UUID], list[UUID]]:
    """Return the artists and recordings that an act names, which must be known."""
    match act:
        case Merge(kind="artists"):
            return [*act.sources, act.target], []
        case Merge():
            return [], [*act.sources, act.target]
        case Rename(kind="artists"):
            return [act.key], []
        case Rename():
            return [], [act.key]
        case SplitArtist():
            return [act.artist_key], []
        case ReassignArtist():
            return [], [act.recording_key]


def facts_of(session: Session, act: Act) -> Facts:
    """Return what is known of all that an act names. Raises ArtistNotFound, RecordingNotFound."""
    artists, recordings = named_by(act)
    made: list[UUID] = []  # by the act, where they are not known
    match act:
        case SplitArtist():
            made = [artist_key(name) for name in act.names]
        case ReassignArtist():
            made = [artist_key(act.artist)]
    found = Facts(facts.artists(session, [*artists, *made]), facts.recordings(session, recordings))
    if not found.artists.keys() >= set(artists):
        raise ArtistNotFound
    if not found.recordings.keys() >= set(recordings):
        raise RecordingNotFound
    return found


def plan(session: Session, scope: UUID, act: Act) -> Stored:
    """Return an act with its facts, ready to be kept. Raises what `Catalog.add_correction` says."""
    stored = Stored(act, facts_of(session, act))
    if isinstance(act, ReassignArtist):
        fact = stored.facts.recordings[act.recording_key]
        try:
            if recording_key(act.artist, fact.title) == act.recording_key:
                raise InvalidCorrection("it is by that artist already")
        except EmptyName:
            raise InvalidCorrection("this recording has no title to go by") from None
    fit(session, scope, stored)
    return stored


def fit(session: Session, scope: UUID, stored: Stored) -> None:
    """Raise AlreadyCorrected or CircularCorrection for an act that does not go with those that hold."""
    act = stored.act
    _check_free(session, scope, act)
    rows, _ = group(session, {scope}, keys_of(stored))
    artists, recordings = ways_of(layers_of(rows, scope)[:1])
    for key, targets in artist_edges(act):
        if key in artists.next:
            raise AlreadyCorrected(key=str(artists.ends(key)[0]))
        if not artists.take(key, targets):
            raise CircularCorrection
    for key, target in recording_edges(stored):
        if key in recordings.next:
            raise AlreadyCorrected(key=str(recordings.ends(key)[0]))
        if not recordings.take(key, [target]):
            raise CircularCorrection


def _check_free(session: Session, scope: UUID, act: Act) -> None:
    """Refuse a new name for what is shown as something else."""
    if isinstance(act, Rename):
        lines = shown(session, None if scope == EVERYONE else scope, act.kind, [act.key]).get(act.key)
        if lines and lines[0].to_key != act.key:
            raise AlreadyCorrected(f"this is shown as {lines[0].name}; rename that", key=str(lines[0].to_key))


def words(stored: Stored) -> tuple[str, str]:
    """Return in names what an act is about, and what becomes of it."""
    known = stored.facts
    match stored.act:
        case Merge(kind="artists") as act:
            subject, outcome = ", ".join(known.artists[key] for key in act.sources), known.artists[act.target]
        case Merge() as act:
            subject = ", ".join(_recording(known, key) for key in act.sources)
            outcome = _recording(known, act.target)
        case Rename() as act:
            subject = known.artists[act.key] if act.kind == "artists" else _recording(known, act.key)
            outcome = act.name
        case SplitArtist() as act:
            subject, outcome = known.artists[act.artist_key], ", ".join(act.names)
        case ReassignArtist() as act:
            subject, outcome = _recording(known, act.recording_key), act.artist
    return _short(subject), _short(outcome)


def _recording(known: Facts, key: UUID) -> str:
    return f"{known.recordings[key].title} by {known.recordings[key].artist}"


def _short(said: str) -> str:
    return said if len(said) <= MAX_LISTED else said[: MAX_LISTED - 1] + "…"


def add(session: Session, scope: UUID, act: Act, now: datetime) -> Correction:
    """Keep a correction, work out what it changes, and tell of it."""
    begin(session, scope)
    return keep(session, scope, plan(session, scope, act), now)


def begin(session: Session, scope: UUID) -> None:
    """Let nobody else change corrections until the end of the transaction. Raises Forbidden for an erased person."""
    lock(session)
    if scope != EVERYONE and _is_erased(session, scope):
        raise Forbidden("this account was deleted")


def keep(session: Session, scope: UUID, stored: Stored, now: datetime) -> Correction:
    act = stored.act
    subject, outcome = words(stored)
    made = Correction(uuid.uuid4(), "everyone" if scope == EVERYONE else "me", act, subject, outcome, now)
    keys = keys_of(stored)
    session.execute(
        text(
            """
            insert into correction (correction_id, scope, act, facts, keys, subject, outcome, created_at)
            values (:id, :scope, cast(:act as jsonb), cast(:facts as jsonb), :keys, :subject, :outcome, :now)
            """
        ),
        {
            "id": made.correction_id,
            "scope": scope,
            "act": msgspec.json.encode(act).decode(),
            "facts": msgspec.json.encode(stored.facts).decode(),
            "keys": keys,
            "subject": subject,
            "outcome": outcome,
            "now": now,
        },
    )
    refresh(session, scope, keys, Corrected, made.correction_id)
    return made


def _is_erased(session: Session, listener_id: UUID) -> bool:
    return bool(
        session.execute(
            text(
                """
                select exists (
                    select from event
                    where payload->>'listener_id' = :id and payload->>'type' = 'listener_forgotten'
                )
                """
            ),
            {"id": str(listener_id)},
        ).scalar_one()
    )


def read(session: Session, scope: UUID, before: datetime | None, limit: int) -> list[Correction]:
    """Return the corrections of a view, newest first."""
    rows = session.execute(
        text(
            """
            select correction_id, scope, act::text as act, subject, outcome, created_at
            from correction
            where scope = :scope and (cast(:before as timestamptz) is null or created_at < :before)
            order by created_at desc, number desc
            limit :limit
            """
        ),
        {"scope": scope, "before": before, "limit": max(1, min(limit, MAX_PAGE))},
    )
    return [_correction(row) for row in rows]


def _correction(row: Any) -> Correction:
    scope: Scope = "everyone" if row.scope == EVERYONE else "me"
    act: Act = msgspec.json.decode(row.act, type=Act)
    return Correction(row.correction_id, scope, act, row.subject, row.outcome, row.created_at)


def find(session: Session, correction_id: UUID) -> Correction:
    """Return a correction that the actor may undo. Raises CorrectionNotFound, Forbidden."""
    row = session.execute(
        text(
            """
            select correction_id, scope, act::text as act, subject, outcome, created_at
            from correction
            where correction_id = :id
            """
        ),
        {"id": correction_id},
    ).one_or_none()
    actor = context.actor()
    if row is None or (row.scope not in (EVERYONE, actor.listener_id) and actor.kind != "service"):
        raise CorrectionNotFound
    if row.scope == EVERYONE and not actor.is_admin:
        raise Forbidden("only administrators undo what holds for everyone")
    return _correction(row)


def undo(session: Session, correction_id: UUID) -> None:
    """Forget a correction and work out what is left. Raises CorrectionNotFound."""
    lock(session)
    gone = session.execute(
        text("delete from correction where correction_id = :id returning scope, keys"), {"id": correction_id}
    ).one_or_none()
    if gone is None:
        raise CorrectionNotFound
    refresh(session, gone.scope, gone.keys, CorrectionUndone, correction_id)


def has_traces(session: Session, listener_id: UUID) -> bool:
    """Say whether a correction of a person is left."""
    found = session.execute(
        text(
            """
            select exists (select 1 from correction where scope = :id union all select 1 from alias where scope = :id)
            """
        ),
        {"id": listener_id},
    )
    return bool(found.scalar_one())


def forget_erased(session: Session, events: Sequence[ListenerErased]) -> None:
    """Forget the corrections of people that accounts erased, and tell followers."""
    if not events:
        return
    lock(session)
    ids = [event.listener_id for event in events]
    for table in ("correction", "alias"):
        session.execute(text(f"delete from {table} where scope = any(:ids)"), {"ids": ids})  # noqa: S608
    session.execute(
        text("delete from event where payload->>'listener_id' = any(:ids)"), {"ids": [str(each) for each in ids]}
    )
    feed.append(session, [CorrectionsForgotten(each) for each in ids])
