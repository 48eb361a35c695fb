"""What serves a kind now, as followers are told it: the champion, the one before, and the model tried beside it."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.experiments import ServedArm, Trial
from app.contracts.training import ChampionChanged
from app.kernel import feed


def announce(session: Session, kind: str) -> None:
    """Tell followers what serves a kind from the end of this transaction on."""
    champion, previous = _serving(session, kind)
    feed.append(
        session,
        [
            ChampionChanged(
                kind,  # type: ignore[arg-type]
                champion.model_id if champion else None,
                champion.sha256 if champion else None,
                previous,
                _trial(session, kind),
            )
        ],
    )


def end_running(session: Session, kind: str, promoted: UUID | None, reason: str) -> None:
    """End the experiment of a kind whose champion changes: it compared with another one."""
    session.execute(
        text(
            """
            update experiment
            set state = case when treatment_id = :promoted then 'promoted' else 'stopped' end,
                reason = :reason, ended_at = now()
            where kind = :kind and state = 'running'
            """
        ),
        {"kind": kind, "promoted": promoted, "reason": reason},
    )
    release(session, kind, promoted)


def release(session: Session, kind: str, kept: UUID | None = None) -> None:
    """Let the models that were tried be candidates again."""
    session.execute(
        text(
            """
            update model set state = 'candidate'
            where kind = :kind and state in ('shadow', 'canary') and model_id is distinct from cast(:kept as uuid)
            """
        ),
        {"kind": kind, "kept": kept},
    )


def _serving(session: Session, kind: str) -> tuple[Any, str | None]:
    rows = session.execute(
        text(
            """
            select model_id, sha256, state
            from model
            where kind = :kind and state in ('champion', 'retired')
            order by state, promoted_at desc nulls last, number desc
            limit 2
            """
        ),
        {"kind": kind},
    ).all()
    champion = next((row for row in rows if row.state == "champion"), None)
    return champion, next((row.sha256 for row in rows if row.state == "retired"), None)


def _trial(session: Session, kind: str) -> Trial | None:
    row = session.execute(
        text(
            """
            select e.experiment_id, e.mode, e.salt, e.share, t.model_id, t.sha256,
                   c.model_id as control_id, c.sha256 as control_sha256, c.state as control_state
            from experiment e
            join model t on t.model_id = e.treatment_id
            join model c on c.model_id = e.control_id
            where e.kind = :kind and e.state = 'running'
            """
        ),
        {"kind": kind},
    ).one_or_none()
    if row is None:
        return None
    control = None if row.control_state == "champion" else ServedArm(row.control_id, row.control_sha256)
    treatment = ServedArm(row.model_id, row.sha256)
    return Trial(row.experiment_id, row.mode, row.salt, row.share, treatment, control)
