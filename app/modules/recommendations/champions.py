"""The read model of the feed of training: which model serves each kind, which before, and what is tried beside it."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.training import ChampionChanged


def apply(session: Session, events: Sequence[ChampionChanged]) -> None:
    """Note the last word on each kind."""
    latest = {event.kind: event for event in events}
    gone = [kind for kind, event in latest.items() if event.model_id is None]
    serving = [event for event in latest.values() if event.model_id is not None]
    session.execute(text("delete from champion where kind = any(:kinds)"), {"kinds": gone})
    session.execute(
        text(
            """
            insert into champion (kind, model_id, sha256, previous_sha256, trial)
            select kind, model_id, sha256, previous_sha256, nullif(trial, 'null')
            from jsonb_to_recordset(cast(:rows as jsonb)) as r (
                kind text, model_id uuid, sha256 text, previous_sha256 text, trial jsonb)
            on conflict (kind) do update
            set model_id = excluded.model_id, sha256 = excluded.sha256, previous_sha256 = excluded.previous_sha256,
                trial = excluded.trial
            """
        ),
        {"rows": msgspec.json.encode(serving).decode()},
    )


def reset(session: Session) -> None:
    """Keep what serves: the feed read again from its beginning ends with the same word."""
