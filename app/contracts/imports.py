"""Bringing a history in from a file: a part of the contract of `listens`.

An import goes from uploading to examining, waits as ready with its preview, runs, and is done; or it is cancelled,
fails, or is undone.
"""

from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from app.kernel.contract import Access, DomainError, command, query

Format = Literal["auto", "listenbrainz", "lastfm", "spotify", "maloja", "koito", "youtube", "rockbox", "itunes", "tsv"]
State = Literal[
    "uploading", "examining", "ready", "running", "done", "cancelled", "failed", "undoing", "undone"
]  # fmt: skip
ENDED: frozenset[State] = frozenset({"done", "cancelled", "failed", "undone"})

MAX_FILE_BYTES = 4_000_000_000
MAX_CHUNK_BYTES = 8_000_000


class ImportCounts(Struct, frozen=True):
    """What was taken so far; `duplicates` were there already."""

    listens: int = 0
    duplicates: int = 0
    skipped: int = 0
    playcounts: int = 0
    feedback: int = 0
    playlists: int = 0
    corrections: int = 0


class TopArtist(Struct, frozen=True):
    artist: str
    plays: int


class SkippedFor(Struct, frozen=True):
    reason: str
    count: int


class ImportPreview(Struct, frozen=True):
    """What a file holds, before anything of it is stored."""

    listens: int
    duplicates: int
    first_listened_at: datetime | None
    last_listened_at: datetime | None
    artists: list[TopArtist]
    skipped: list[SkippedFor]
    playcounts: int
    feedback: int
    playlists: int
    notes: list[str]


class Import(Struct, frozen=True):
    """`progress` is that of the state it is in, 0 to 1."""

    import_id: UUID
    listener_id: UUID
    filename: str
    format: Format
    size: int
    state: State
    progress: float
    counts: ImportCounts
    preview: ImportPreview | None
    error: str | None
    created_at: datetime
    changed_at: datetime


class ReportPart(Struct, frozen=True):
    """A piece of an import's report (CSV); `next` is where the following one begins, None at the end."""

    data: bytes
    next: int | None


class ImportNotFound(DomainError):
    """There is no such import."""

    code, status = "listens.import_not_found", 404


class ImportConflict(DomainError):
    """The import is in a state in which this can't be done."""

    code, status = "listens.import_conflict", 409


class ImportTooLarge(DomainError):
    """A file of at most 4 GB can be imported."""

    code, status = "listens.import_too_large", 413


class Imports(Protocol):
    @command(access=Access.OWNER)
    def begin_import(
        self, listener_id: UUID, filename: str, size: int, format: Format = "auto", timezone: str = "UTC"
    ) -> Import:
        """Announce a file of `size` bytes; `timezone` is that of times without one. Raises ImportTooLarge."""

    @command(access=Access.OWNER, idempotent=True, timeout=30)
    def add_import_data(self, listener_id: UUID, import_id: UUID, offset: int, data: bytes) -> Import:
        """Add the next bytes (at most 8 MB); with the last, examining begins. Raises ImportNotFound, ImportConflict."""

    @command(access=Access.OWNER, idempotent=True)
    def start_import(self, listener_id: UUID, import_id: UUID) -> Import:
        """Take over what was examined. Raises ImportNotFound, ImportConflict."""

    @command(access=Access.OWNER, idempotent=True)
    def cancel_import(self, listener_id: UUID, import_id: UUID) -> Import:
        """Stop; what was taken so far stays until it is undone. Raises ImportNotFound."""

    @command(access=Access.OWNER, idempotent=True)
    def undo_import(self, listener_id: UUID, import_id: UUID) -> Import:
        """Take everything that an ended import brought out again. Raises ImportNotFound, ImportConflict."""

    @query(access=Access.OWNER)
    def get_import(self, listener_id: UUID, import_id: UUID) -> Import:
        """An import as it stands. Raises ImportNotFound."""

    @query(access=Access.OWNER)
    def list_imports(self, listener_id: UUID) -> list[Import]:
        """The listener's imports, newest first."""

    @query(access=Access.OWNER, timeout=10)
    def read_import_report(self, listener_id: UUID, import_id: UUID, offset: int = 0) -> ReportPart:
        """What was taken, skipped and why, row by row, as CSV. Raises ImportNotFound."""

    @command(access=Access.SERVICE, idempotent=True, timeout=60)
    def advance_import(self, import_id: UUID) -> Import:
        """Work on an import for about two seconds, unless a worker is at it already; for those without a worker."""
