"""The audit: append-only, names looked up when it is read."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.contracts.accounts import AuditEntry
from app.kernel.contract import InvalidRequest
from app.modules.accounts.names import check_text
from app.modules.accounts.parts import Part, write_audit

MAX_PAGE = 1000
MAX_DETAILS_BYTES = 4096


class Audit(Part):
    def record_act(self, act: str, subject: str = "", details: dict[str, Any] | None = None) -> None:
        check_text(act, what="act", longest=100)
        encoded = msgspec.json.encode(details)
        if len(encoded) > MAX_DETAILS_BYTES or b"\\u0000" in encoded:
            raise InvalidRequest("details: at most 4 kB, without NUL characters")
        if len(subject) > 200 or "\0" in subject:
            raise InvalidRequest("subject: at most 200 characters, without NUL characters")
        with self.database.begin() as session:
            subject_id = _as_id(subject)
            said = "" if subject_id else subject
            write_audit(session, self.clock(), act, subject_id=subject_id, subject=said, details=details)

    def list_audit(self, before: datetime | None = None, limit: int = 100) -> list[AuditEntry]:
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select
                        a.at,
                        coalesce(who.name, cast(a.actor_id as text), a.actor)            as actor,
                        a.act,
                        coalesce(whom.name, cast(a.subject_id as text), a.subject)       as subject,
                        a.details
                    from audit a
                    left join listener who  on who.listener_id = a.actor_id
                    left join listener whom on whom.listener_id = a.subject_id
                    where cast(:before as timestamptz) is null or a.at < :before
                    order by a.at desc, a.audit_id desc
                    limit :limit
                    """
                ),
                {"before": before, "limit": max(1, min(limit, MAX_PAGE))},
            ).all()
        return [AuditEntry(*row) for row in rows]


def _as_id(subject: str) -> UUID | None:
    """Return a subject that is an id as one: where it is a listener's, the name is looked up when the audit is read."""
    try:
        return UUID(subject)
    except ValueError:
        return None
