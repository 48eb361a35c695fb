"""Covers of releases from the Cover Art Archive: asked for by pages, fetched one by one beside them, kept in bounds."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import Cover
from app.kernel.addresses import OutgoingRefused
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.kernel.outgoing import Outgoing, OutgoingFailed

log = logging.getLogger(__name__)

PATH = "/release/{mbid}/front-250"  # musicbrainz.org/doc/Cover_Art_Archive/API
MOST_BYTES = 500_000  # of one; a front of 250 pixels has about 20 kB
MOST_KEPT = 10_000
TIMEOUT_S = 8.0
NOTED_EVERY = timedelta(hours=1)  # that somebody still looks at a cover
AGAIN_AFTER = timedelta(days=30)  # where there is no cover
FAILED_AFTER = timedelta(minutes=10)
# What a picture begins with: whatever else the archive or somebody on the way sends is not given on.
BEGINNINGS: Mapping[bytes, str] = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def find(session: Session, key: UUID, now: datetime) -> Cover | None:
    """Return a cover that is here; note that it is looked at, or to be fetched."""
    row = session.execute(
        text(
            """
            select s.release_mbid, c.content_type, c.content, c.asked_at
            from cover_source s
            left join cover c using (release_mbid)
            where s.key = :key
            """
        ),
        {"key": key},
    ).one_or_none()
    if row is None:
        return None
    if row.asked_at is None or row.asked_at < now - NOTED_EVERY:
        session.execute(
            text(
                """
                insert into cover (release_mbid, asked_at, due_at) values (:mbid, :now, :now)
                on conflict (release_mbid) do update set asked_at = excluded.asked_at
                """
            ),
            {"mbid": row.release_mbid, "now": now},
        )
    return None if row.content is None else Cover(row.content_type, bytes(row.content))


class Fetching:
    """Called about every second by one process: fetches one cover, so that the archive is never asked in a hurry."""

    def __init__(self, database: Database, outgoing: Outgoing, archive_url: str, clock: Clock) -> None:
        self.database = database
        self.outgoing = outgoing
        self.archive_url = archive_url.rstrip("/")
        self.clock = clock

    def tick(self) -> None:
        now = self.clock()
        with self.database.begin() as session:
            mbid = session.execute(DUE, {"now": now}).scalar()
        if mbid is None:
            return
        content, following = self._fetched(mbid, now)
        with self.database.begin() as session:
            session.execute(
                STORE, {"mbid": mbid, "type": type_of(content), "content": content or None, "following": following}
            )
            session.execute(FORGET, {"kept": MOST_KEPT})

    def _fetched(self, mbid: UUID, now: datetime) -> tuple[bytes, datetime | None]:
        """Return a picture or nothing, and when to ask once more."""
        try:
            reply = self.outgoing.send(
                "GET", self.archive_url + PATH.format(mbid=mbid), timeout_s=TIMEOUT_S, max_bytes=MOST_BYTES
            )
        except (OutgoingFailed, OutgoingRefused) as error:
            log.info("a cover is not there", extra={"release_mbid": str(mbid), "reason": error.message})
            return b"", now + FAILED_AFTER
        if reply.status == 200 and type_of(reply.body):
            return reply.body, None
        is_none = reply.status in {400, 404} or reply.status == 200
        return b"", now + (AGAIN_AFTER if is_none else FAILED_AFTER)


def type_of(content: bytes) -> str | None:
    return next((kind for beginning, kind in BEGINNINGS.items() if content.startswith(beginning)), None)


DUE = text("select release_mbid from cover where due_at <= :now order by due_at limit 1")
STORE = text(
    """
    update cover set content_type = :type, content = :content, due_at = :following where release_mbid = :mbid
    """
)
# Those that nobody looked at for the longest time.
FORGET = text(
    """
    delete from cover
    where release_mbid in (select release_mbid from cover order by asked_at desc offset :kept)
    """
)
