"""Imports: preview, taking over, the same again, cancelling, undoing, a crash in the middle, and erasure."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.bench.system import Process, kill, start_worker
from app.composition import Container
from app.contracts.catalog import Merge, Rename
from app.contracts.identity import artist_key
from app.contracts.imports import ENDED, Import, ImportConflict, ImportNotFound, ImportTooLarge
from app.contracts.listens import Listens, NewListen
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import DomainError
from app.modules.listens import importer
from tests.modules.listens.conftest import Instance
from tests.support.people import new_person
from tests.support.stack import Stack
from tests.support.waiting import eventually

START = 1_600_000_000


def line(number: int, **more: object) -> str:
    track = {"artist_name": f"Artist {number % 7}", "track_name": f"Song {number % 31}", "release_name": "R"}
    return json.dumps({"listened_at": START + number * 300, "track_metadata": {**track, **more}})


def export_of(count: int, *, extra: str = "", feedback: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", '{"user_id":1,"username":"a"}')
        archive.writestr("listens/2020/9.jsonl", "\n".join(line(n) for n in range(count)) + "\n" + extra)
        archive.writestr("feedback.jsonl", feedback)
    return out.getvalue()


def send(listens: Listens, listener: UUID, data: bytes, *, name: str = "export.zip", part: int = 10_000) -> Import:
    found = listens.begin_import(listener, name, len(data))
    for offset in range(0, len(data), part):
        found = listens.add_import_data(listener, found.import_id, offset, data[offset : offset + part])
    return found


def until(listens: Listens, found: Import, *states: str) -> Import:
    def is_there() -> bool:
        nonlocal found
        found = listens.advance_import(found.import_id)
        return found.state in states

    eventually(is_there, within_s=60)
    return found


def bring(listens: Listens, listener: UUID, data: bytes, name: str = "export.zip") -> Import:
    found = until(listens, send(listens, listener, data, name=name), "ready", *ENDED)
    if found.state != "ready":
        return found
    return until(listens, listens.start_import(listener, found.import_id), *ENDED)


def report(listens: Listens, found: Import) -> list[dict[str, str]]:
    data, offset = b"", 0
    while True:
        part = listens.read_import_report(found.listener_id, found.import_id, offset)
        data += part.data
        if part.next is None:
            return list(csv.DictReader(io.StringIO(data.decode())))
        offset = part.next


def test_a_file_is_looked_at_before_anything_is_stored(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [NewListen(datetime.fromtimestamp(START, UTC), "Artist 0", "Song 0")], "a player")
    found = until(listens, send(listens, listener, export_of(100, extra="{broken\n")), "ready")
    preview = found.preview
    assert preview is not None
    assert (found.format, preview.listens, preview.duplicates) == ("listenbrainz", 100, 1)
    assert preview.first_listened_at == datetime.fromtimestamp(START, UTC)
    assert preview.last_listened_at == datetime.fromtimestamp(START + 99 * 300, UTC)
    assert [each.plays for each in preview.artists] == [15, 15, 14, 14, 14]
    assert [(each.count, "JSON" in each.reason) for each in preview.skipped] == [(1, True)]
    assert listens.summary(listener).plays == 1


def test_what_is_taken_is_counted_reported_and_told(listens: Listens, listener: UUID) -> None:
    found = bring(listens, listener, export_of(100, extra="{broken\n"))
    assert found.state == "done"
    assert (found.counts.listens, found.counts.skipped, found.counts.duplicates) == (100, 1, 0)
    assert listens.summary(listener).plays == 100
    rows = report(listens, found)
    assert len(rows) == 101
    assert [row["outcome"] for row in rows].count("taken") == 100
    (skipped,) = (row for row in rows if row["outcome"] == "skipped")
    assert skipped["place"] == "listens/2020/9.jsonl:101"
    assert skipped["reason"]


def test_the_same_file_again_adds_nothing(listens: Listens, listener: UUID) -> None:
    said = {"recording_msid": str(uuid4()), "score": 1, "artist_name": "Artist 1", "track_name": "Song 1"}
    data = export_of(50, feedback=json.dumps(said))
    assert bring(listens, listener, data).counts.feedback == 1
    again = bring(listens, listener, data)
    assert (again.counts.listens, again.counts.feedback, again.counts.duplicates) == (0, 0, 51)
    assert listens.summary(listener).plays == 50


def test_an_import_is_undone_as_a_whole(listens: Listens, listener: UUID) -> None:
    """A listen that a player told before stays; one that the import hid as its repeat comes back."""
    own = NewListen(datetime.fromtimestamp(START + 5, UTC), "Artist 0", "Song 0")
    listens.submit(listener, [own], "a player")
    said = {"recording_msid": str(uuid4()), "score": -1, "artist_name": "Artist 1", "track_name": "Song 1"}
    found = bring(listens, listener, export_of(60, feedback=json.dumps(said)))
    assert (found.counts.listens, found.counts.duplicates) == (59, 1)
    later = NewListen(datetime.fromtimestamp(START + 303, UTC), "Artist 1", "Song 1")
    listens.submit(listener, [later], "another player")
    assert listens.summary(listener).plays == 60
    until(listens, listens.undo_import(listener, found.import_id), "undone")
    assert {each.client for each in listens.history(listener).listens} == {"a player", "another player"}
    assert listens.get_feedback(listener) == []
    assert listens.undo_import(listener, found.import_id).state == "undone"


def test_an_import_that_is_cancelled_stores_no_more(
    listens: Listens, listener: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = until(listens, send(listens, listener, export_of(20)), "ready")
    listens.start_import(listener, found.import_id)
    assert listens.cancel_import(listener, found.import_id).state == "cancelled"
    assert listens.advance_import(found.import_id).counts.listens == listens.summary(listener).plays
    with pytest.raises(ImportConflict):
        listens.start_import(listener, found.import_id)


def test_a_crash_between_batches_loses_and_repeats_nothing(own: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "BATCH", 10)
    listens, listener = own.listens, uuid4()
    found = until(listens, send(listens, listener, export_of(95)), "ready")
    listens.start_import(listener, found.import_id)
    service = own.wired.service
    work = service.importer  # type: ignore[attr-defined]
    append, calls = work.files.append, 0

    def crash(*args: object) -> int:
        """Write the report, and die before the batch is committed."""
        nonlocal calls
        calls += 1
        end = append(*args)
        if calls == 4:
            raise KeyboardInterrupt
        return int(end)

    monkeypatch.setattr(work.files, "append", crash)
    with pytest.raises(KeyboardInterrupt):
        listens.advance_import(found.import_id)
    assert listens.get_import(listener, found.import_id).counts.listens == 30
    done = until(listens, found, *ENDED)
    assert (done.state, done.counts.listens, done.counts.duplicates) == ("done", 95, 0)
    assert listens.summary(listener).plays == 95
    assert len(report(listens, done)) == 95


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\data\\my.zip", "a\0b.zip", "", "x" * 500])
def test_a_name_of_a_file_is_only_shown(listens: Listens, listener: UUID, name: str) -> None:
    found = listens.begin_import(listener, name, 10)
    assert "/" not in found.filename
    assert "\\" not in found.filename
    assert 0 < len(found.filename) <= 100


def test_a_file_that_is_none_fails_with_one_line(listens: Listens, listener: UUID) -> None:
    found = bring(listens, listener, b"this is no history at all", "notes.txt")
    assert found.state == "failed"
    assert found.error
    assert "\n" not in found.error
    assert listens.summary(listener).plays == 0


def test_uploads_go_on_where_they_stopped(listens: Listens, listener: UUID) -> None:
    data = export_of(30)
    found = listens.begin_import(listener, "a.zip", len(data))
    listens.add_import_data(listener, found.import_id, 0, data[:100])
    listens.add_import_data(listener, found.import_id, 0, data[:200])
    with pytest.raises(ImportConflict):
        listens.add_import_data(listener, found.import_id, 300, data[300:])
    with pytest.raises(ImportConflict):
        listens.add_import_data(listener, found.import_id, 200, data[200:] + b"more")
    listens.add_import_data(listener, found.import_id, 200, data[200:])
    again = listens.add_import_data(listener, found.import_id, 200, data[200:])
    assert again.state in {"examining", "ready"}
    assert until(listens, found, "ready").preview is not None


def test_sizes_have_bounds(listens: Listens, listener: UUID) -> None:
    for size in (0, -1, 4_000_000_001):
        with pytest.raises(ImportTooLarge):
            listens.begin_import(listener, "a.zip", size)


def test_somebody_elses_import_is_not_there(services: Container) -> None:
    one, other = new_person(services), new_person(services)
    with acting_as(one.actor):
        found = services.listens.begin_import(one.listener_id, "a.zip", 10)
    with acting_as(other.actor):
        for act in ("get_import", "start_import", "cancel_import", "undo_import", "read_import_report"):
            with pytest.raises(ImportNotFound):
                getattr(services.listens, act)(other.listener_id, found.import_id)
            with pytest.raises(DomainError):
                getattr(services.listens, act)(one.listener_id, found.import_id)


def test_an_erased_person_leaves_no_file(services: Container, stack: Stack) -> None:
    person = new_person(services)
    with acting_as(SYSTEM):
        found = until(services.listens, send(services.listens, person.listener_id, export_of(10)), "ready")
        home = stack.settings.data_dir / "imports"
        assert list(home.glob(f"{found.import_id}*"))
        receipt = services.accounts.create_erasure_receipt(person.listener_id)
        services.accounts.delete_listener(person.listener_id)
        eventually(lambda: services.accounts.get_erasure(receipt).is_complete, within_s=40)
        assert not list(home.glob(f"{found.import_id}*"))


@pytest.fixture
def killable(loopback: Stack) -> Iterator[Process]:
    process = start_worker(loopback.settings, loopback.environment)
    yield process
    kill(process)


def test_a_worker_takes_over_what_a_killed_one_left(loopback: Stack, killable: Process, worker: Process) -> None:
    listens, listener = loopback.services.listens, uuid4()
    with acting_as(SYSTEM):
        found = send(listens, listener, export_of(30_000), part=4_000_000)
        eventually(lambda: listens.get_import(listener, found.import_id).state == "ready", within_s=60)
        listens.start_import(listener, found.import_id)
        eventually(lambda: listens.get_import(listener, found.import_id).progress > 0, within_s=60, every_s=0.02)
        kill(killable)
        eventually(lambda: listens.get_import(listener, found.import_id).state == "done", within_s=90)
        done = listens.get_import(listener, found.import_id)
        assert (done.counts.listens, done.counts.duplicates) == (30_000, 0)
        assert listens.summary(listener).plays == 30_000


def test_an_own_export_brings_everything_back(services: Container, tmp_path: Path) -> None:
    from app.modules.accounts.export import chunks

    one, other = new_person(services), new_person(services)
    with acting_as(SYSTEM):
        listens = services.listens
        given = [
            NewListen(
                datetime.fromtimestamp(START + n * 400_000, UTC),
                f"Artist {n % 5}",
                f"Song {n % 9} (feat. Somebody)",
                "A release",
                release_artist="Various",
                duration_ms=200_000,
                extra={"media_player": "mpv"},
            )
            for n in range(60)
        ]
        listens.submit(one.listener_id, given, "a player")
        first = listens.history(one.listener_id).listens[0]
        listens.set_feedback(one.listener_id, "recordings", first.recording_key, 1)
        listens.set_feedback(one.listener_id, "artists", first.artist_key, -1)
        services.playlists.create_playlist(one.listener_id, "Mine", "About it", True)
        keys = [artist_key(f"Artist {n}") for n in range(3)]
        eventually(lambda: len(services.catalog.get_artists(keys)) == 3)
        with acting_as(one.actor):
            services.catalog.add_correction("me", Merge("artists", [keys[0]], keys[1]))
            services.catalog.add_correction("me", Rename("artists", keys[2], "Another name"))
        eventually(lambda: listens.top(one.listener_id, "artists").total == 4)
        data = b"".join(chunks(services, one.listener_id))
        done = bring(listens, other.listener_id, data)
        assert done.state == "done"
        assert (done.counts.listens, done.counts.feedback, done.counts.playlists) == (60, 2, 1)
        assert done.counts.corrections == 2

        def seen(who: UUID) -> object:
            history = listens.history(who, limit=1000).listens
            return (
                [(e.listened_at, e.recording_key, e.release_key, e.artist, e.title, e.duration_ms) for e in history],
                [(f.kind, f.key, f.value) for f in sorted(listens.get_feedback(who), key=lambda f: f.kind)],
                listens.top(who, "releases").items,
                listens.activity(who),
                [(p.name, p.description, p.is_public) for p in services.playlists.list_playlists(who)],
            )

        eventually(lambda: seen(other.listener_id) == seen(one.listener_id))
        assert listens.top(other.listener_id, "artists").items == listens.top(one.listener_id, "artists").items
