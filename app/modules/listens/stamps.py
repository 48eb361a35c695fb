"""When what figures of a listener are made from last changed: kept figures are given only while that is the same.

Who writes roll-ups stamps in the same transaction, and corrections come with the cursor of their feed. While something
of a listener waits for the roll-ups there is no stamp: it must be in the very next answer.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.modules.listens import rollups

Stamp = tuple[object, ...]

READ = text(
    """
    select (select changed_at from stamp where listener_id = :listener),
           (select cursor from feed_cursor where name = 'catalog')
    """
)


def read(session: Session, listener_id: UUID) -> Stamp | None:
    if rollups.is_behind(session, listener_id):
        return None
    return tuple(session.execute(READ, {"listener": listener_id}).one())
