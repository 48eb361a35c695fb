"""The read model of the feed of training: which model serves each kind."""

from collections.abc import Sequence

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
            insert into champion (kind, model_id, sha256)
            select * from unnest(cast(:kinds as text[]), cast(:ids as uuid[]), cast(:hashes as text[]))
            on conflict (kind) do update set model_id = excluded.model_id, sha256 = excluded.sha256
            """
        ),
        {
            "kinds": [event.kind for event in serving],
            "ids": [str(event.model_id) for event in serving],
            "hashes": [event.sha256 for event in serving],
        },
    )


def reset(session: Session) -> None:
    """Keep what serves: the feed read again from its beginning ends with the same word."""
