"""A person's export: what every module knows of them, in one JSON file, read through the contracts."""

import tempfile
from collections.abc import Iterator
from typing import IO
from uuid import UUID

import msgspec

from app.contracts.services import Services

PAGE = 1000
IN_MEMORY_BYTES = 4 * 1024 * 1024


def write_export(services: Services, listener_id: UUID) -> IO[bytes]:
    """Return an open file with the export, at its end; large ones lie on disk until it is closed."""
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - the response closes it
    try:
        for chunk in _chunks(services, listener_id):
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    return file


def _chunks(services: Services, listener_id: UUID) -> Iterator[bytes]:
    parts = {
        "accounts": services.accounts.export_listener(listener_id),
        "listens": services.listens.export_listener(listener_id),
        "recommendations": services.recommendations.export_listener(listener_id),
        "playlists": services.playlists.export_listener(listener_id),
    }
    yield msgspec.json.encode(parts)[:-1] + b',"history":['
    before: str | None = None
    while True:  # a page a call, as many as the listener has
        page = services.listens.history(listener_id, before=before, limit=PAGE)
        if page.listens:
            yield (b"," if before else b"") + msgspec.json.encode(page.listens)[1:-1]
        before = page.next
        if before is None:
            break
    yield b"]}"
