"""The part of the service that imports files."""

from collections.abc import Callable
from uuid import UUID

from app.contracts.imports import Format, Import, ImportConflict, ReportPart, State
from app.kernel.clock import Clock
from app.kernel.contract import DomainError, InvalidRequest
from app.kernel.db import Database
from app.modules.listens import imports, log, periods
from app.modules.listens.bell import IMPORT
from app.modules.listens.importer import Importer
from app.modules.listens.validation import clean_name

ADVANCE_S = 2.0


class ImportsPart:
    """Base of the service, which sets these."""

    database: Database
    clock: Clock
    importer: Importer
    ring: Callable[[str], None]

    def begin_import(
        self, listener_id: UUID, filename: str, size: int, format: Format = "auto", timezone: str = "UTC"
    ) -> Import:
        periods.zone(timezone)
        name = clean_name(filename.replace("\\", "/").rpartition("/")[2]) or "a file"
        with self.database.begin() as session:
            if log.lock_listeners(session, [listener_id]):
                raise InvalidRequest("this account was deleted")
            return imports.begin(session, listener_id, name, size, format, timezone, self.clock())

    def add_import_data(self, listener_id: UUID, import_id: UUID, offset: int, data: bytes) -> Import:
        with self.database.begin() as session:
            found = imports.find(session, listener_id, import_id)
        if found.state != "uploading":
            if found.state in {"examining", "ready"} and offset + len(data) == found.size:
                return found  # the last part, told again
            raise ImportConflict(f"this import is {found.state}")
        if self.importer.files.add(import_id, offset, data, found.size) < found.size:
            return found
        with self.database.begin() as session:
            found = imports.turn(session, listener_id, import_id, ["uploading"], "examining", self.clock())
        self.ring(IMPORT)
        return found

    def start_import(self, listener_id: UUID, import_id: UUID) -> Import:
        with self.database.begin() as session:
            found = imports.turn(session, listener_id, import_id, ["ready"], "running", self.clock())
        self.ring(IMPORT)
        return found

    def cancel_import(self, listener_id: UUID, import_id: UUID) -> Import:
        with self.database.begin() as session:
            found = imports.find(session, listener_id, import_id)
            if found.state in {"done", "failed", "undone", "undoing"}:
                return found
            states: list[State] = ["uploading", "examining", "ready", "running"]
            found = imports.turn(session, listener_id, import_id, states, "cancelled", self.clock())
        self.importer.files.drop_upload(import_id)
        return found

    def undo_import(self, listener_id: UUID, import_id: UUID) -> Import:
        with self.database.begin() as session:
            found = imports.find(session, listener_id, import_id)
            if found.state == "undone":
                return found
            found = imports.turn(session, listener_id, import_id, imports.ENDED, "undoing", self.clock())
        self.ring(IMPORT)
        return found

    def get_import(self, listener_id: UUID, import_id: UUID) -> Import:
        with self.database.begin() as session:
            return imports.find(session, listener_id, import_id)

    def list_imports(self, listener_id: UUID) -> list[Import]:
        with self.database.begin() as session:
            return imports.listed(session, listener_id)

    def read_import_report(self, listener_id: UUID, import_id: UUID, offset: int = 0) -> ReportPart:
        with self.database.begin() as session:
            imports.find(session, listener_id, import_id)
            end = imports.report_bytes(session, import_id)
        return self.importer.files.read(import_id, offset, end)

    def advance_import(self, import_id: UUID) -> Import:
        self.importer.advance(import_id, for_s=ADVANCE_S)
        with self.database.begin() as session:
            return imports.get(session, import_id)

    def advance_imports(self) -> None:
        """Work on every import that waits, one after the other. Not part of the contract: the worker calls it."""
        with self.database.begin() as session:
            waiting = imports.waiting(session)
        for import_id in waiting:
            try:
                self.importer.advance(import_id)
            except DomainError:
                continue  # it is gone, or something is away: the next ring tries again

    def tend_imports(self) -> None:
        """Ring for imports that nobody works on. Not part of the contract: the tick calls it."""
        with self.database.begin() as session:
            is_idle = imports.is_idle(session, self.clock())
        if is_idle:
            self.ring(IMPORT)

    def sweep_imports(self) -> None:
        """Remove files that no import needs any more. Not part of the contract: the tick calls it now and then."""
        with self.database.begin() as session:
            known, working = imports.known(session)
        self.importer.files.sweep(known, working)
