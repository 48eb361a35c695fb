"""Models: registered once per content, judged at the gate, one champion of each kind."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind
from app.contracts.training import GateResult, IllegalMove, Model, ModelNotFound, NothingToRollBackTo
from app.ml.artefact import read_manifest, size_bytes
from app.modules.training import evidence, trials

log = logging.getLogger(__name__)

COLUMNS = """model_id, kind, number, state, sha256, bytes, metrics, run_id, snapshot_id, created_at, promoted_at"""


def lock_kind(session: Session, kind: str) -> None:
    """Let one transaction at a time change which models a kind has."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('models of ' || :kind))"), {"kind": kind})


def register(
    session: Session,
    kind: Kind,
    sha256: str,
    size: int,
    metrics: dict[str, float | None],
    run_id: UUID | None,
    snapshot_id: str | None,
) -> tuple[Model, bool]:
    """Add a model, or return the one with the same bytes; the second value tells whether it is new."""
    lock_kind(session, kind)
    row = session.execute(
        text(
            f"""
            insert into model (model_id, kind, number, state, sha256, bytes, metrics, run_id, snapshot_id)
            select :id, :kind, coalesce(max(number), 0) + 1, 'registered', :sha256, :bytes, cast(:metrics as jsonb),
                   :run, :snapshot
            from model where kind = :kind
            on conflict on constraint model_bytes do nothing
            returning {COLUMNS}
            """  # noqa: S608
        ),
        {
            "id": uuid4(),
            "kind": kind,
            "sha256": sha256,
            "bytes": size,
            "metrics": msgspec.json.encode(metrics).decode(),
            "run": run_id,
            "snapshot": snapshot_id,
        },
    ).one_or_none()
    if row is not None:
        return Model(*row), True
    return _one(session, "kind = :kind and sha256 = :sha256", kind=kind, sha256=sha256), False


def judge(session: Session, model: Model, results: Sequence[GateResult]) -> bool:
    """Make a new model a candidate, or reject it; say which. Why is in the log of moves."""
    refused = [result for result in results if not result.is_passed]
    evidence.explain(session, "; ".join(f"{r.rule}: {r.reason}" for r in refused) or "passed the gate")
    move(session, model, "rejected" if refused else "candidate")
    log.info("model judged", extra={**_facts(model), "rules_not_met": [result.rule for result in refused]})
    return not refused


def enter_imported(session: Session, folder: Path) -> Model:
    """Add a model of another instance, verified before, as a candidate; one that is known stays as it is."""
    manifest = read_manifest(folder)
    metrics = {
        str(name): float(value) if isinstance(value, int | float) else None
        for name, value in dict(manifest.get("metrics") or {}).items()
    }
    model, is_new = register(session, manifest["kind"], folder.name, size_bytes(folder), metrics, None, None)
    if is_new:
        move(session, model, "candidate")
    return get(session, model.model_id)


def promote(session: Session, model_id: UUID, reason: str) -> Model:
    """Make a model its kind's champion and tell followers. Raises ModelNotFound, IllegalMove."""
    lock_kind(session, get(session, model_id).kind)
    model = get(session, model_id)
    if model.state == "champion":
        return model
    if model.state == "registered":
        move(session, model, "candidate")
        model = get(session, model_id)
    _check(session, model, "champion")
    evidence.explain(session, reason)
    trials.end_running(session, model.kind, model.model_id, reason or "the champion changed")
    if (old := champion(session, model.kind)) is not None:
        move(session, old, "retired")
    return _crown(session, model, reason)


def roll_back(session: Session, kind: Kind, reason: str) -> Model:
    """Let the champion before serve again and tell followers. Raises NothingToRollBackTo."""
    lock_kind(session, kind)
    current = champion(session, kind)
    before = previous(session, kind)
    if current is None or before is None:
        raise NothingToRollBackTo
    evidence.explain(session, reason)
    trials.end_running(session, kind, None, "the champion was rolled back")
    move(session, current, "rolled_back")
    return _crown(session, before, reason)


def quarantine(session: Session, model: Model, reason: str) -> None:
    """Take a model out for good; where it served or was tried, the one before serves, and followers are told."""
    lock_kind(session, model.kind)
    model = get(session, model.model_id)
    if model.state in {"quarantined", "archived"}:
        return
    evidence.explain(session, reason)
    move(session, model, "quarantined")
    log.error("model quarantined", extra={**_facts(model), "was": model.state, "reason": reason})
    if model.state in {"champion", "shadow", "canary"}:
        trials.end_running(session, model.kind, None, "a model of it was quarantined")
        before = previous(session, model.kind) if model.state == "champion" else None
        if before is not None:
            _crown(session, before, f"model {model.number} was quarantined")
        else:
            trials.announce(session, model.kind)


def archive(session: Session, model_id: UUID, reason: str) -> Model:
    """Note that a model's files go. Raises ModelNotFound, IllegalMove."""
    lock_kind(session, get(session, model_id).kind)
    model = get(session, model_id)
    if model.state == "archived":
        return model
    _check(session, model, "archived")
    before = previous(session, model.kind)
    if before is not None and before.model_id == model_id:
        raise IllegalMove(f"model {model.number} is the one that a roll-back would return to")
    evidence.explain(session, reason)
    move(session, model, "archived")
    return get(session, model_id)


def previous(session: Session, kind: Kind) -> Model | None:
    """Return the model that served a kind before its champion, None where there is none."""
    row = session.execute(
        text(
            f"""
            select {COLUMNS}
            from model
            where kind = :kind and state = 'retired'
            order by promoted_at desc, number desc
            limit 1
            """  # noqa: S608
        ),
        {"kind": kind},
    ).one_or_none()
    return Model(*row) if row is not None else None


def _crown(session: Session, model: Model, reason: str) -> Model:
    move(session, model, "champion")
    session.execute(
        text("update model set promoted_at = clock_timestamp() where model_id = :id"), {"id": model.model_id}
    )
    trials.announce(session, model.kind)
    log.info("champion changed", extra={**_facts(model), "reason": reason})
    return get(session, model.model_id)


def _check(session: Session, model: Model, to_state: str) -> None:
    is_allowed = session.execute(
        text(
            """
            select exists (
                select from allowed_move where subject = 'model' and from_state = :old and to_state = :new
            )
            """
        ),
        {"old": model.state, "new": to_state},
    ).scalar_one()
    if not is_allowed:
        raise IllegalMove(f"a model that is {model.state} can't become {to_state}")


def move(session: Session, model: Model, state: str) -> None:
    session.execute(
        text("update model set state = :state where model_id = :id"), {"state": state, "id": model.model_id}
    )


def _facts(model: Model) -> dict[str, Any]:
    return {"kind": model.kind, "model": str(model.model_id), "number": model.number, "sha256": model.sha256}


def get(session: Session, model_id: UUID) -> Model:
    """Return a model. Raises ModelNotFound."""
    return _one(session, "model_id = :id", id=model_id)


def listed(session: Session, kind: Kind | None) -> list[Model]:
    rows = session.execute(
        text(
            f"""
            select {COLUMNS}
            from model
            where cast(:kind as text) is null or kind = :kind
            order by created_at desc, kind, number desc
            """  # noqa: S608
        ),
        {"kind": kind},
    )
    return [Model(*row) for row in rows]


def champions(session: Session) -> list[Model]:
    rows = session.execute(text(f"select {COLUMNS} from model where state = 'champion' order by kind"))  # noqa: S608
    return [Model(*row) for row in rows]


def of_bytes(session: Session, sha256: str) -> list[Model]:
    """Return the models with these bytes: one for each kind at most."""
    rows = session.execute(text(f"select {COLUMNS} from model where sha256 = :sha"), {"sha": sha256})  # noqa: S608
    return [Model(*row) for row in rows]


def is_known(session: Session, sha256: str) -> bool:
    found = session.execute(text("select exists (select from model where sha256 = :sha)"), {"sha": sha256})
    return bool(found.scalar_one())


def champion(session: Session, kind: str) -> Model | None:
    """Return the model that serves a kind, None where there is none."""
    return next((model for model in champions(session) if model.kind == kind), None)


def _one(session: Session, where: str, **values: Any) -> Model:
    row: Row[Any] | None = session.execute(
        text(f"select {COLUMNS} from model where {where}"),  # noqa: S608
        values,
    ).one_or_none()
    if row is None:
        raise ModelNotFound
    return Model(*tuple(row))
