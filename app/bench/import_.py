"""Importing a history of a million listens, against copying the same rows into a table with the same indexes."""

import io
import json
import random
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.bench.report import against, report
from app.bench.system import System, kill, running_servers, running_system, start_worker, temporary_folder, wait_until
from app.contracts.imports import ENDED
from app.contracts.listens import NewListen
from app.kernel import context
from app.kernel.db import Database, module_url
from app.modules.listens import rollups
from app.modules.listens.validation import row_of

COUNT = 1_000_000
ARTISTS, TITLES = 3_000, 30
SEED = 7
START = 1_100_000_000
CHUNK_BYTES = 4_000_000
PATIENCE_S = 1800.0
NAMES = ("listener_id", "listened_at", "recording_key", "artist_key", "release_key", "artist", "title", "release")
COLUMNS = ", ".join((*NAMES, "duration_ms", "client", "extra", "import_id"))
# modules with the cursors of their followers of listens: names, roll-ups, profiles, sessions
FOLLOWERS = (
    ("catalog", "listens"),
    ("listens", rollups.NAME),
    ("recommendations", "listens"),
    ("recommendations", "latest plays"),
)


def run(count: int = COUNT) -> dict[str, Any]:
    """Measure from the word to start until the last follower has seen the last listen; parsing is in it."""
    with temporary_folder() as folder, running_servers(folder) as servers:
        file = folder / "history.zip"
        write_history(file, count)
        with running_system(servers, folder / "monolith", "monolith") as system, context.acting_as(context.SYSTEM):
            copied = count / _copy(system, count)
            worker = start_worker(system.settings, system.environment)
            try:
                listener = system.services.accounts.ensure_listeners(["importer"])[0].listener_id
                imported, followed = _import(system, listener, file)
            finally:
                kill(worker)
    return report(
        "import",
        [
            against(f"{count:,} listens a second, followers caught up", count / followed, "1/s", copied),
            against("listens a second, stored", count / imported, "1/s", copied),
        ],
    )


def history(count: int) -> Iterator[tuple[int, str, str, str]]:
    """Yield times, artists, titles and releases: a few artists played much, most of them little."""
    chance = random.Random(SEED)
    at = START
    for _ in range(count):
        at += chance.randrange(120, 700)
        artist = int(ARTISTS * chance.random() ** 3)
        title = int(TITLES * chance.random() ** 2)
        yield at, f"Artist {artist}", f"Song {title} of {artist}", f"Release {title // 10} of {artist}"


def write_history(file: Path, count: int) -> None:
    """Write an export in the layout of ListenBrainz."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("user.json", '{"user_id":1,"username":"importer"}')
        lines = io.StringIO()
        for at, artist, title, release in history(count):
            track = {
                "artist_name": artist,
                "track_name": title,
                "release_name": release,
                "additional_info": {"duration_ms": 200_000, "submission_client": "a player"},
            }
            lines.write(json.dumps({"listened_at": at, "track_metadata": track}) + "\n")
        archive.writestr("listens/2004/11.jsonl", lines.getvalue())


def _copy(system: System, count: int) -> float:
    """Return the seconds that COPY takes for the rows as they are stored, into a table with all indexes."""
    now, nobody = datetime.now(UTC), UUID(int=1)
    lines = io.StringIO()
    for at, artist, title, release in history(count):
        row = row_of(nobody, NewListen(datetime.fromtimestamp(at, UTC), artist, title, release), "", now)
        more = (200_000, "a player", '{"submission_client": "a player"}', UUID(int=2))
        lines.write("\t".join(map(str, (*(row[name] for name in NAMES), *more))) + "\n")
    lines.seek(0)
    owner = Database(module_url(system.settings, "listens", "migrate"))
    connection = owner.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("create table copied (like listen including all)")
        connection.commit()
        started = time.perf_counter()
        cursor.copy_expert(f"copy copied ({COLUMNS}) from stdin", lines)
        connection.commit()
        took = time.perf_counter() - started
        cursor.execute("drop table copied")
        connection.commit()
    finally:
        connection.close()
        owner.dispose()
    return took


def _import(system: System, listener: UUID, file: Path) -> tuple[float, float]:
    """Return the seconds until all is stored, and until all is followed."""
    listens, data = system.services.listens, file.read_bytes()
    found = listens.begin_import(listener, file.name, len(data))
    for offset in range(0, len(data), CHUNK_BYTES):
        listens.add_import_data(listener, found.import_id, offset, data[offset : offset + CHUNK_BYTES])
    wait_until(lambda: listens.get_import(listener, found.import_id).state == "ready", within_s=PATIENCE_S)
    started = time.perf_counter()
    listens.start_import(listener, found.import_id)
    wait_until(lambda: listens.get_import(listener, found.import_id).state in ENDED, within_s=PATIENCE_S)
    stored = time.perf_counter() - started
    wait_until(lambda: has_followed(system), within_s=PATIENCE_S)
    return stored, time.perf_counter() - started


def has_followed(system: System) -> bool:
    """Say whether all who follow the listens have seen the last one."""
    return all(_has_followed(system, *each) for each in FOLLOWERS)


def _has_followed(system: System, module: str, follower: str) -> bool:
    database = Database(module_url(system.settings, module), pool_size=1)
    try:
        with database.begin() as session:
            cursor = session.execute(
                text("select cursor from feed_cursor where name = :name"), {"name": follower}
            ).scalar()
    finally:
        database.dispose()
    return cursor is not None and not system.services.listens.feed(cursor, 1).events
