"""Experiments: a model tried beside the champion, unseen (shadow), on a share (canary), or against another (ab)."""

import secrets
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.experiments import Experiment, ExperimentState, Mode, Verdict
from app.contracts.listens import Kind
from app.contracts.training import ExperimentNotFound, ExperimentRuns, IllegalMove
from app.kernel.contract import InvalidRequest
from app.modules.training import evidence, registry, trials

COLUMNS = """experiment_id, kind, mode, state, control_id, treatment_id, share, alpha, min_days, min_listeners,
             promotes_itself, verdict, reason, started_at, ended_at"""
TRIED = ("candidate", "retired", "rolled_back")


def start(
    session: Session,
    treatment_id: UUID,
    mode: Mode,
    share: float,
    *,
    control_id: UUID | None,
    promotes_itself: bool,
    alpha: float,
    min_days: int,
    min_listeners: int,
    reason: str,
) -> Experiment:
    """Begin an experiment and tell followers. Raises IllegalMove, ExperimentRuns, InvalidRequest, ModelNotFound."""
    treatment = registry.get(session, treatment_id)
    registry.lock_kind(session, treatment.kind)
    treatment = registry.get(session, treatment_id)
    _check_numbers(mode, share, alpha, min_days, min_listeners)
    if running(session, treatment.kind) is not None:
        raise ExperimentRuns
    champion = registry.champion(session, treatment.kind)
    if champion is None:
        raise IllegalMove(f"there is no champion of {treatment.kind} to compare with; promote this model")
    control = registry.get(session, control_id) if control_id is not None else champion
    if control.kind != treatment.kind or control.model_id == treatment.model_id:
        raise InvalidRequest("an experiment compares two different models of one kind")
    if mode != "ab" and control.model_id != champion.model_id:
        raise InvalidRequest(f"a {mode} is compared with the champion; use ab for another model")
    evidence.explain(session, reason or mode)
    for model in (treatment, control):
        if model.model_id != champion.model_id:
            if model.state not in TRIED:
                raise IllegalMove(f"model {model.number} is {model.state} and can't be tried")
            registry.move(session, model, "shadow" if mode == "shadow" else "canary")
    if treatment.model_id == champion.model_id:
        raise InvalidRequest("the champion is what others are compared with; name it as the control")
    row = session.execute(
        text(
            f"""
            insert into experiment (experiment_id, kind, mode, state, control_id, treatment_id, share, salt, alpha,
                                    min_days, min_listeners, promotes_itself, reason)
            values (:id, :kind, :mode, 'running', :control, :treatment, :share, :salt, :alpha, :min_days,
                    :min_listeners, :promotes_itself, :reason)
            returning {COLUMNS}
            """  # noqa: S608
        ),
        {
            "id": uuid4(),
            "kind": treatment.kind,
            "mode": mode,
            "control": control.model_id,
            "treatment": treatment.model_id,
            "share": share,
            "salt": secrets.token_hex(8),
            "alpha": alpha,
            "min_days": min_days,
            "min_listeners": min_listeners,
            "promotes_itself": promotes_itself,
            "reason": reason,
        },
    ).one()
    trials.announce(session, treatment.kind)
    return Experiment(*row)


def _check_numbers(mode: Mode, share: float, alpha: float, min_days: int, min_listeners: int) -> None:
    most = 0.5 if mode == "ab" else 1.0
    if not 0 < share <= most:
        raise InvalidRequest(f"share is above 0 and at most {most:g}: of an ab each of the two models gets it")
    if not 0 < alpha <= 0.2:
        raise InvalidRequest("alpha is above 0 and at most 0.2")
    if not (0 <= min_days <= 365 and 2 <= min_listeners <= 10_000_000):
        raise InvalidRequest("min_days is from 0 to 365, min_listeners at least 2")


def set_share(session: Session, experiment_id: UUID, share: float) -> Experiment:
    found = _running(session, experiment_id)
    _check_numbers(found.mode, share, found.alpha, found.min_days, found.min_listeners)
    session.execute(
        text("update experiment set share = :share where experiment_id = :id"), {"share": share, "id": experiment_id}
    )
    trials.announce(session, found.kind)
    return get(session, experiment_id)


def stop(session: Session, experiment_id: UUID, reason: str) -> Experiment:
    """End without a decision; one that has ended already stays as it is."""
    found = get(session, experiment_id)
    registry.lock_kind(session, found.kind)
    if get(session, experiment_id).state == "running":
        evidence.explain(session, reason or "stopped")
        trials.release(session, found.kind)
        _end(session, experiment_id, "stopped", "undecided", reason)
        trials.announce(session, found.kind)
    return get(session, experiment_id)


def roll_back(session: Session, experiment_id: UUID, verdict: Verdict, reason: str) -> Experiment:
    """End by taking the treatment out; a shadow, which nobody saw, becomes a candidate again."""
    found = _running(session, experiment_id)
    evidence.explain(session, reason)
    treatment = registry.get(session, found.treatment_id)
    if treatment.state == "canary":
        registry.move(session, treatment, "rolled_back")
    trials.release(session, found.kind)
    _end(session, experiment_id, "rolled_back", verdict, reason)
    trials.announce(session, found.kind)
    return get(session, experiment_id)


def note_verdict(session: Session, experiment_id: UUID, verdict: Verdict, reason: str) -> None:
    session.execute(
        text(
            "update experiment set verdict = :verdict, reason = :reason "
            "where experiment_id = :id and state = 'running' and (verdict, reason) is distinct from (:verdict, :reason)"
        ),
        {"verdict": verdict, "reason": reason, "id": experiment_id},
    )


def running(session: Session, kind: Kind) -> Experiment | None:
    row = session.execute(
        text(f"select {COLUMNS} from experiment where kind = :kind and state = 'running'"),  # noqa: S608
        {"kind": kind},
    ).one_or_none()
    return Experiment(*row) if row is not None else None


def all_running(session: Session) -> list[Experiment]:
    rows = session.execute(text(f"select {COLUMNS} from experiment where state = 'running'"))  # noqa: S608
    return [Experiment(*row) for row in rows]


def get(session: Session, experiment_id: UUID) -> Experiment:
    """Return an experiment. Raises ExperimentNotFound."""
    row = session.execute(
        text(f"select {COLUMNS} from experiment where experiment_id = :id"),  # noqa: S608
        {"id": experiment_id},
    ).one_or_none()
    if row is None:
        raise ExperimentNotFound
    return Experiment(*row)


def listed(session: Session, kind: Kind | None, limit: int) -> list[Experiment]:
    rows = session.execute(
        text(
            f"""
            select {COLUMNS}
            from experiment
            where cast(:kind as text) is null or kind = :kind
            order by started_at desc, experiment_id
            limit :limit
            """  # noqa: S608
        ),
        {"kind": kind, "limit": limit},
    )
    return [Experiment(*row) for row in rows]


def _running(session: Session, experiment_id: UUID) -> Experiment:
    registry.lock_kind(session, get(session, experiment_id).kind)
    found = get(session, experiment_id)
    if found.state != "running":
        raise IllegalMove(f"this experiment has ended: {found.state}")
    return found


def _end(session: Session, experiment_id: UUID, state: ExperimentState, verdict: Verdict, reason: str) -> None:
    values: dict[str, Any] = {"state": state, "verdict": verdict, "reason": reason, "id": experiment_id}
    session.execute(
        text(
            """
            update experiment set state = :state, verdict = :verdict, reason = :reason, ended_at = now()
            where experiment_id = :id and state = 'running'
            """
        ),
        values,
    )
