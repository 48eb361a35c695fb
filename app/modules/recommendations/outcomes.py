"""What came of what was shown: clicks, plays, love and hide within a day; and their sums by model, without persons."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.experiments import ArmSums, ExperimentSums
from app.contracts.listens import FeedbackSet, FoldedEvent, Kind, Listened, ListenedMany, Track

WINDOW = timedelta(hours=24)
BEFORE = timedelta(days=14)
PRIOR = 20.0  # showings' worth of the mean, for those who were shown little: the variance of one over that of people


class Outcome(msgspec.Struct):
    listener_id: UUID
    kind: Kind
    key: UUID
    at: datetime
    opinion: int | None = None


def note(session: Session, events: Sequence[FoldedEvent]) -> None:
    """Note plays and opinions of what was shown within a day before; what an import brings of older times is none."""
    now = datetime.now(UTC)
    outcomes: list[Outcome] = []

    def played(listener_id: UUID, of: Listened | Track, at: datetime) -> None:
        if at > now - 2 * WINDOW:
            outcomes.append(Outcome(listener_id, "recordings", of.recording_key, at))
            outcomes.append(Outcome(listener_id, "artists", of.artist_key, at))

    for event in events:
        if isinstance(event, Listened):
            played(event.listener_id, event, event.listened_at)
        elif isinstance(event, ListenedMany) and event.times[-1] > (now - 2 * WINDOW).timestamp():
            for at, place in zip(event.times, event.places, strict=True):
                played(event.listener_id, event.tracks[place], datetime.fromtimestamp(at, UTC))
        elif isinstance(event, FeedbackSet):
            outcomes.append(Outcome(event.listener_id, event.kind, event.key, now, event.value))
    if outcomes:
        session.execute(NOTE, {"rows": msgspec.json.encode(outcomes).decode(), "window": WINDOW})


# An item may have been shown under the key of a correction. Of several showings of a day the first counts.
NOTE = text(
    """
    with outcome as (
        select r.listener_id, r.kind, coalesce(a.to_key, r.key) as shown_key, r.key, r.at, r.opinion
        from jsonb_to_recordset(cast(:rows as jsonb)) as r (
            listener_id uuid, kind text, key uuid, at timestamptz, opinion smallint)
        left join alias a on a.kind = r.kind and a.from_key = r.key and a.place = 0
                         and a.scope in (r.listener_id, cast('00000000-0000-0000-0000-000000000000' as uuid))
    ), met as (
        select i.listener_id, i.kind, i.key, i.shelf, i.day,
               min(o.at) filter (where o.opinion is null)                              as played_at,
               (array_agg(o.opinion order by o.at desc) filter (where o.opinion is not null))[1] as opinion
        from outcome o
        join impression i on i.listener_id = o.listener_id and i.kind = o.kind and i.key in (o.key, o.shown_key)
                         and i.shown_at between o.at - :window and o.at
        group by i.listener_id, i.kind, i.key, i.shelf, i.day
    )
    update impression i
    set played_at = coalesce(i.played_at, met.played_at), opinion = coalesce(met.opinion, i.opinion)
    from met
    where i.listener_id = met.listener_id and i.kind = met.kind and i.key = met.key and i.shelf = met.shelf
      and i.day = met.day
    """
)


def note_click(session: Session, listener_id: UUID, kind: Kind, key: UUID, now: datetime) -> None:
    session.execute(
        text(
            """
            update impression set clicked_at = :now
            where listener_id = :listener and kind = :kind and key = :key and clicked_at is null
              and shown_at > :since
            """
        ),
        {"listener": listener_id, "kind": kind, "key": key, "now": now, "since": now - WINDOW},
    )


def sums(
    session: Session, kind: Kind, control: str, treatment: str, since: datetime, until: datetime | None
) -> ExperimentSums:
    """Return the sums of both models' listeners; one who came from one arm to the other counts in the last."""
    rows = session.execute(
        SUMS,
        {
            "kind": kind,
            "control": control,
            "treatment": treatment,
            "since": since,
            "until": until,
            "before": since - BEFORE,
            "prior": PRIOR,
        },
    ).mappings()
    found = {row["model"]: ArmSums(**{name: row[name] for name in ArmSums.__struct_fields__}) for row in rows}
    return ExperimentSums(found.get(control, ArmSums()), found.get(treatment, ArmSums()))


SUMS = text(
    """
    with shown as (
        select listener_id, model, shown_at, shown_at >= :since and model in (:control, :treatment) as is_now,
               played_at, clicked_at, opinion
        from impression
        where kind = :kind and day >= cast(:before as date) and shown_at >= :before
          and shown_at < coalesce(cast(:until as timestamptz), 'infinity')
          and (shown_at < :since or model in (:control, :treatment))
    ), arm as (
        select distinct on (listener_id) listener_id, model
        from shown
        where is_now
        order by listener_id, shown_at desc
    ), listener as (
        select a.listener_id, a.model,
               count(*) filter (where s.is_now)                                    as shown,
               count(s.played_at) filter (where s.is_now)                          as played,
               count(s.clicked_at) filter (where s.is_now)                         as clicked,
               count(*) filter (where s.is_now and s.opinion > 0)                  as loved,
               count(*) filter (where s.is_now and s.opinion < 0)                  as hidden,
               count(*) filter (where not s.is_now)                                as was_shown,
               count(s.played_at) filter (where not s.is_now)                      as was_played
        from arm a
        join shown s on s.listener_id = a.listener_id and (not s.is_now or s.model = a.model)
        group by a.listener_id, a.model
    ), rate as (
        select cast(sum(played + was_played) as double precision) / sum(shown + was_shown) as rate from listener
    ), value as (
        select l.*, (played - rate * shown) / (shown + :prior) as y, (was_played - rate * was_shown)
                    / (was_shown + :prior) as x, cast(shown as double precision) / (shown + :prior) as weight
        from listener l, rate
    )
    select model, count(*) as listeners, sum(y) as y, sum(y * y) as yy, sum(x) as x, sum(x * x) as xx,
           sum(x * y) as xy, sum(weight) as weight, sum(shown)::bigint as impressions, sum(clicked)::bigint as clicks,
           sum(played)::bigint as plays, sum(loved)::bigint as loves, sum(hidden)::bigint as hides
    from value
    group by model
    """
)
