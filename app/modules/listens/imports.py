"""Imports as rows: their states, and who may do what in which."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.imports import (
    MAX_FILE_BYTES,
    Import,
    ImportConflict,
    ImportCounts,
    ImportNotFound,
    ImportPreview,
    ImportTooLarge,
    State,
)

COLUMNS = """
    import_id, listener_id, filename, format, size, state, progress, counts::text, preview::text, error, created_at,
    changed_at
"""
COUNTS = msgspec.json.Decoder(ImportCounts)
PREVIEW = msgspec.json.Decoder(ImportPreview)
KEPT = 200  # imports of a listener that are listed
ENDED: tuple[State, ...] = ("done", "cancelled", "failed")
IDLE_AFTER = timedelta(seconds=5)


def begin(
    session: Session, listener_id: UUID, filename: str, size: int, format: str, timezone: str, now: datetime
) -> Import:
    """Raises ImportTooLarge."""
    if not 0 < size <= MAX_FILE_BYTES:
        raise ImportTooLarge("the file is empty" if size <= 0 else "")
    import_id = uuid4()
    session.execute(
        text(
            """
            insert into import_run (import_id, listener_id, filename, format, timezone, size, state, created_at,
                                    changed_at)
            values (:id, :listener, :filename, :format, :timezone, :size, 'uploading', :now, :now)
            """
        ),
        {
            "id": import_id,
            "listener": listener_id,
            "filename": filename,
            "format": format,
            "timezone": timezone,
            "size": size,
            "now": now,
        },
    )
    return find(session, listener_id, import_id)


def find(session: Session, listener_id: UUID, import_id: UUID) -> Import:
    """Raises ImportNotFound, for another's import as well."""
    row = session.execute(
        text(f"select {COLUMNS} from import_run where import_id = :id and listener_id = :listener"),  # noqa: S608
        {"id": import_id, "listener": listener_id},
    ).one_or_none()
    if row is None:
        raise ImportNotFound
    return _import(row)


def get(session: Session, import_id: UUID) -> Import:
    """Return an import of anybody. Raises ImportNotFound."""
    row = session.execute(
        text(f"select {COLUMNS} from import_run where import_id = :id"),  # noqa: S608
        {"id": import_id},
    ).one_or_none()
    if row is None:
        raise ImportNotFound
    return _import(row)


def listed(session: Session, listener_id: UUID) -> list[Import]:
    rows = session.execute(
        text(
            f"""
            select {COLUMNS} from import_run
            where listener_id = :listener
            order by created_at desc, import_id
            limit {KEPT}
            """  # noqa: S608
        ),
        {"listener": listener_id},
    )
    return [_import(row) for row in rows]


def waiting(session: Session) -> list[UUID]:
    """Return the imports that there is work on, the oldest first."""
    return list(
        session.execute(
            text(
                """
                select import_id from import_run
                where state in ('examining', 'running', 'undoing')
                order by created_at
                """
            )
        ).scalars()
    )


def turn(
    session: Session, listener_id: UUID, import_id: UUID, states: Sequence[State], state: State, now: datetime
) -> Import:
    """Go from one of `states` to `state`; being there already is fine. Raises ImportNotFound, ImportConflict."""
    turned = session.execute(
        text(
            """
            update import_run
            set state = :state, changed_at = :now, error = null, progress = 0
            where import_id = :id and listener_id = :listener and state = any(:states)
            """
        ),
        {"id": import_id, "listener": listener_id, "states": list(states), "state": state, "now": now},
    )
    found = find(session, listener_id, import_id)
    if not turned.rowcount and found.state != state:  # type: ignore[attr-defined]
        raise ImportConflict(f"this import is {found.state}")
    return found


def note(session: Session, import_id: UUID, was: State, now: datetime, **changes: Any) -> bool:
    """Change columns of an import that is still in the state `was`; False when it is not, and its work not wanted.

    Names of columns come from this module only.
    """
    columns = "".join(f", {name} = :{name}" for name in changes)
    changed = session.execute(
        text(
            f"update import_run set changed_at = :now{columns} where import_id = :id and state = :was"  # noqa: S608
        ),
        {"id": import_id, "was": was, "now": now, **changes},
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def _import(row: Any) -> Import:
    fields = dict(row._mapping)
    fields["counts"] = COUNTS.decode(fields["counts"])
    fields["preview"] = PREVIEW.decode(fields["preview"]) if fields["preview"] else None
    return Import(**fields)


def report_bytes(session: Session, import_id: UUID) -> int:
    return int(
        session.execute(
            text("select report_bytes from import_run where import_id = :id"), {"id": import_id}
        ).scalar_one()
    )


def is_idle(session: Session, now: datetime) -> bool:
    """Say whether an import waits that nobody has moved of late."""
    found = session.execute(
        text(
            """
            select 1 from import_run
            where state in ('examining', 'running', 'undoing') and changed_at < :since
            limit 1
            """
        ),
        {"since": now - IDLE_AFTER},
    ).one_or_none()
    return found is not None


def known(session: Session) -> tuple[list[UUID], list[UUID]]:
    """Return all imports, and those whose upload is still needed."""
    rows = session.execute(text("select import_id, state from import_run")).all()
    needed = {"uploading", "examining", "ready", "running"}
    return [row.import_id for row in rows], [row.import_id for row in rows if row.state in needed]
