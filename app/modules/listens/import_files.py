"""The files of imports: what was uploaded, and the report. Their names are ours, so no upload names a path."""

import csv
import io
import os
import time
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from app.contracts.imports import MAX_CHUNK_BYTES, ImportConflict, ReportPart

PART_BYTES = 4_000_000
HEADER = ("place", "outcome", "reason", "listened_at", "artist", "title")
LEFT_OVER_S = 3600
REPORT_KEPT_S = 90 * 86_400
FORMULA = "=+-@\t\r"  # what a spreadsheet would run


class ImportFiles:
    def __init__(self, home: Path) -> None:
        self.home = home

    def upload(self, import_id: UUID) -> Path:
        return self.home / f"{import_id}.upload"

    def report(self, import_id: UUID) -> Path:
        return self.home / f"{import_id}.csv"

    def add(self, import_id: UUID, offset: int, data: bytes, size: int) -> int:
        """Write the next bytes of an upload; return how many there are then. Raises ImportConflict."""
        if len(data) > MAX_CHUNK_BYTES or offset + len(data) > size:
            raise ImportConflict("more bytes than announced")
        self.home.mkdir(parents=True, exist_ok=True)
        with open(os.open(self.upload(import_id), os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            there = file.seek(0, os.SEEK_END)
            if not 0 <= offset <= there:
                raise ImportConflict(f"{there} bytes are here; go on from there")
            file.seek(offset)
            file.write(data)
            file.truncate()
        return offset + len(data)

    def append(self, import_id: UUID, at: int, rows: Iterable[tuple[str, ...]]) -> int:
        """Write rows of the report behind byte `at`, where an attempt before came to; return where they end."""
        lines = io.StringIO()
        writer = csv.writer(lines)
        if at == 0:
            writer.writerow(HEADER)
        writer.writerows([_harmless(cell) for cell in row] for row in rows)
        self.home.mkdir(parents=True, exist_ok=True)
        with open(os.open(self.report(import_id), os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            file.truncate(at)
            file.seek(at)
            file.write(lines.getvalue().encode("utf-8", "replace"))
            return file.tell()

    def read(self, import_id: UUID, offset: int, end: int) -> ReportPart:
        """Return a part of the report, of its first `end` bytes."""
        try:
            with self.report(import_id).open("rb") as file:
                file.seek(max(0, offset))
                data = file.read(max(0, min(PART_BYTES, end - offset)))
        except OSError:
            return ReportPart(b"", None)
        following = offset + len(data)
        return ReportPart(data, following if data and following < end else None)

    def drop_upload(self, import_id: UUID) -> None:
        self.upload(import_id).unlink(missing_ok=True)

    def has_orphans(self, known: Iterable[UUID]) -> bool:
        """Say whether a file is left of an import that is gone."""
        names = {str(each) for each in known}
        return any(file.stem not in names for file in self.home.glob("*"))

    def sweep(self, known: Iterable[UUID], working: Iterable[UUID]) -> None:
        """Remove the files of imports that are gone, uploads that nobody works on, and old reports."""
        known_names, working_names = {str(each) for each in known}, {str(each) for each in working}
        for file in self.home.glob("*"):
            is_upload = file.suffix == ".upload"
            try:
                age = time.time() - file.stat().st_mtime
                if (
                    file.stem not in known_names
                    or (is_upload and file.stem not in working_names and age > LEFT_OVER_S)
                    or (not is_upload and age > REPORT_KEPT_S)
                ):
                    file.unlink(missing_ok=True)
            except OSError:
                continue


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell and cell[0] in FORMULA else cell
