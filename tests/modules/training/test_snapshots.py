"""A snapshot holds what holds: the same plays are the same snapshot, and nobody's name is in it."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.contracts.accounts import ListenerErased
from app.contracts.identity import identify
from app.contracts.listens import NewPlaycount
from app.contracts.training import SnapshotNotFound
from app.host import secrets
from app.ml.signature import sign
from app.modules.listens.service import forget_erased
from app.modules.training import snapshot_files
from app.modules.training.erasures import note
from app.modules.training.plays import Plays
from tests.support.line import START, Line


def taken(line: Line) -> Plays:
    return line.training.snapshots.read(line.snapshot().snapshot_id)


def plays_of(plays: Plays, artist: str, title: str) -> int:
    key = identify(artist, title).recording_key.bytes
    return int((plays.listens[:, 2] == plays.keys.index(key)).sum()) if key in plays.keys else 0


def test_the_same_plays_are_the_same_snapshot(line: Line) -> None:
    line.two_tastes(3)
    first = line.snapshot()
    listener = uuid4()
    line.listen(listener, [("Gone again", "Song")])
    other = line.snapshot()
    line.services.listens.delete_listen(listener, START, identify("Gone again", "Song").recording_key)
    again = line.snapshot()
    assert other.snapshot_id != first.snapshot_id == again.snapshot_id
    assert (first.rows, first.listeners, first.recordings) == (again.rows, again.listeners, again.recordings)


def test_a_snapshot_that_goes_on_equals_one_from_the_beginning(line: Line) -> None:
    line.two_tastes(2)
    line.snapshot()
    listener = uuid4()
    line.listen(listener, [("Later", "One"), ("Later", "Two")])
    line.services.listens.set_playcounts([NewPlaycount(listener, "Later", "One", 7)], "library")
    line.services.listens.set_feedback(listener, "artists", identify("Later", "One").artist_key, -1)
    goes_on = line.snapshot()
    with line.database("training").begin() as session:
        session.connection().exec_driver_sql("delete from snapshot")
    assert line.snapshot().snapshot_id == goes_on.snapshot_id


def test_a_snapshot_reads_back_what_was_played(line: Line) -> None:
    artist, listener = f"Artist {uuid4()}", uuid4()
    line.listen(listener, [(artist, "One"), (artist, "Two"), (artist, "One")])
    line.services.listens.set_playcounts(
        [NewPlaycount(listener, artist, "One", 7), NewPlaycount(listener, artist, None, 9)], "library"
    )
    line.services.listens.set_feedback(listener, "recordings", identify(artist, "Two").recording_key, 1)
    plays = taken(line)
    assert (plays_of(plays, artist, "One"), plays_of(plays, artist, "Two")) == (2, 1)
    key = plays.keys.index(identify(artist, "One").artist_key.bytes)
    counted = plays.playcounts[plays.playcounts[:, 3] == key]
    assert sorted(counted[:, (1, 4)].tolist()) == [[0, 7], [1, 9]]
    loved = plays.keys.index(identify(artist, "Two").recording_key.bytes)
    assert plays.feedback[plays.feedback[:, 2] == loved][:, (1, 3)].tolist() == [[0, 1]]


def test_the_last_word_on_a_total_or_an_opinion_holds(line: Line) -> None:
    artist, listener = f"Artist {uuid4()}", uuid4()
    identity = identify(artist, "One")
    for plays_told, value in ((7, 1), (3, -1), (5, 0)):
        line.services.listens.set_playcounts([NewPlaycount(listener, artist, "One", plays_told)], "library")
        line.services.listens.set_feedback(listener, "recordings", identity.recording_key, value)
        taken(line)
    plays = taken(line)
    key = plays.keys.index(identity.recording_key.bytes)
    assert plays.playcounts[plays.playcounts[:, 2] == key][:, 4].tolist() == [5]
    assert not (plays.feedback[:, 2] == key).any()


def test_an_erased_person_is_in_no_later_snapshot(line: Line) -> None:
    artist, listener = f"Artist {uuid4()}", uuid4()
    line.listen(listener, [(artist, "One")])
    before = taken(line)
    assert plays_of(before, artist, "One") == 1
    with line.database("listens").begin() as session:
        forget_erased(session, [ListenerErased(listener)])
    after = taken(line)
    assert plays_of(after, artist, "One") == 0
    assert len(after.people) == len(before.people) - 1


def test_no_name_and_no_listener_is_in_the_files(line: Line) -> None:
    artist, listener = f"Artist {uuid4()}", uuid4()
    line.listen(listener, [(artist, "A title of its own")])
    snapshot = line.snapshot()
    home = line.settings.data_dir / "snapshots"
    for file in (*(home / snapshot.snapshot_id).iterdir(), *(home / "files").iterdir()):
        content = file.read_bytes()
        assert not any(secret in content for secret in (artist.encode(), b"A title of its own", listener.bytes))


def test_a_damaged_file_is_found_and_replaced_by_the_next_snapshot(line: Line) -> None:
    line.listen(uuid4(), [(f"Artist {uuid4()}", "One")])
    snapshot = line.snapshot()
    assert line.services.training.verify_snapshot(snapshot.snapshot_id).is_intact
    file = max((line.settings.data_dir / "snapshots" / "files").iterdir(), key=lambda each: each.stat().st_mtime)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1  # one bit of one byte
    file.write_bytes(content)
    check = line.services.training.verify_snapshot(snapshot.snapshot_id)
    assert (check.is_intact, check.damaged_files) == (False, [file.name])
    assert line.snapshot().snapshot_id == snapshot.snapshot_id
    assert line.services.training.verify_snapshot(snapshot.snapshot_id).is_intact


def manifest_of(line: Line, snapshot_id: str) -> Path:
    return line.settings.data_dir / "snapshots" / snapshot_id / "manifest.json"


def test_a_forged_manifest_is_found_and_nothing_is_made_of_it(line: Line, tmp_path: Path) -> None:
    line.listen(uuid4(), [(f"Artist {uuid4()}", "One")])
    snapshot = line.snapshot()
    file = manifest_of(line, snapshot.snapshot_id)
    # what no hash covers: where the next snapshot goes on reading
    forged = json.loads(file.read_text()) | {"feed_cursor": ""}
    file.write_text(json.dumps(forged))
    check = line.services.training.verify_snapshot(snapshot.snapshot_id)
    assert (check.is_intact, check.damaged_files) == (False, ["signature.json"])
    assert "signature.json" in str(line.train("artists", snapshot.snapshot_id).error)
    secrets.ensure(tmp_path, [])
    sign(file.parent, (tmp_path / "secrets" / "model_signing_key").read_text())  # somebody else's key
    assert line.services.training.verify_snapshot(snapshot.snapshot_id).damaged_files == ["signature.json"]
    assert line.snapshot().snapshot_id == snapshot.snapshot_id
    assert line.services.training.verify_snapshot(snapshot.snapshot_id).is_intact


def erase(line: Line, listener: UUID) -> None:
    """Take a listener out of every snapshot, as the followers of erasures do."""
    pseudonyms = line.services.listens.pseudonyms_of([listener])
    with line.database("listens").begin() as session:
        forget_erased(session, [ListenerErased(listener)])
    with line.database("training").begin() as session:
        note(session, pseudonyms)
    line.training.erasures.apply()


def test_what_takes_the_place_of_a_snapshot_is_signed_anew_and_says_why(empty_line: Line) -> None:
    line = empty_line
    line.two_tastes(2)
    gone = uuid4()
    line.listen(gone, [("Rock band 1", "Song 1")])
    old = line.snapshot()
    signature = manifest_of(line, old.snapshot_id).with_name("signature.json").read_text()
    erase(line, gone)
    (new,) = line.services.training.list_snapshots()
    assert (new.parent_id, new.reason, new.rows) == (old.snapshot_id, "a person was erased", old.rows - 1)
    assert line.services.training.verify_snapshot(new.snapshot_id).is_intact
    said = json.loads(manifest_of(line, new.snapshot_id).read_text())
    assert (said["parent"], said["reason"]) == (old.snapshot_id, "a person was erased")
    assert manifest_of(line, new.snapshot_id).with_name("signature.json").read_text() != signature


def test_a_run_on_a_damaged_snapshot_fails_and_says_so(line: Line) -> None:
    line.listen(uuid4(), [(f"Artist {uuid4()}", "One")])
    snapshot = line.snapshot()
    file = line.settings.data_dir / "snapshots" / snapshot.snapshot_id / "manifest.json"
    kept = file.read_bytes()
    file.write_bytes(kept.replace(b'"rows"', b'"wors"', 1))
    failed = line.train("artists", snapshot.snapshot_id)
    file.write_bytes(kept)
    assert failed.state == "failed"
    assert "manifest.json" in str(failed.error)


def test_a_beginning_finds_a_snapshot(line: Line) -> None:
    line.listen(uuid4(), [(f"Artist {uuid4()}", "One")])
    snapshot = line.snapshot()
    assert line.services.training.get_snapshot(snapshot.snapshot_id[:16]) == snapshot
    assert line.services.training.list_snapshots()[0] == snapshot
    for unknown in ("0" * 16, "", "%", snapshot.snapshot_id + "0"):
        with pytest.raises(SnapshotNotFound):
            line.services.training.get_snapshot(unknown)


def test_a_deleted_listen_is_one_play_less(line: Line) -> None:
    artist, listener = f"Artist {uuid4()}", uuid4()
    line.listen(listener, [(artist, "One")])
    line.listen(listener, [(artist, "One")], days=1)
    assert plays_of(taken(line), artist, "One") == 2
    line.services.listens.delete_listen(listener, START + timedelta(days=1), identify(artist, "One").recording_key)
    assert plays_of(taken(line), artist, "One") == 1


def segments(line: Line, snapshot_id: str) -> set[str]:
    content = snapshot_files.content_of(line.settings.data_dir / "snapshots", snapshot_id)
    return {name for name, _ in snapshot_files.names_of(content)}


def test_only_what_is_new_is_written_and_the_rest_is_shared(empty_line: Line) -> None:
    line = empty_line
    for _ in range(100):
        line.listen(uuid4(), [(f"Artist {n}", f"Song {uuid4()}") for n in range(20)])
    first = line.snapshot()
    assert first.new_bytes == first.bytes
    line.listen(uuid4(), [("Another", "Song")])
    second = line.snapshot()
    assert second.rows == first.rows + 1
    assert len(segments(line, first.snapshot_id) - segments(line, second.snapshot_id)) == 0
    assert second.new_bytes < first.bytes / 10
    third = line.snapshot()
    assert third.snapshot_id == second.snapshot_id


def test_an_older_snapshot_stays_as_it_was_and_can_be_trained_on(empty_line: Line) -> None:
    line = empty_line
    line.two_tastes(4)
    old = line.snapshot()
    before = line.training.snapshots.read(old.snapshot_id)
    for _ in range(3):
        line.listen(uuid4(), [(f"Later {n}", "Song") for n in range(30)])
        line.snapshot()
    after = line.training.snapshots.read(old.snapshot_id)
    assert before.people == after.people
    assert (before.listens == after.listens).all()
    run = line.train("recordings", old.snapshot_id)
    assert (run.state, run.snapshot_id) == ("done", old.snapshot_id)


def test_the_oldest_snapshots_go_and_what_a_champion_was_trained_on_stays(empty_line: Line) -> None:
    line = empty_line
    line.training.snapshots.kept = 2
    line.two_tastes(4)
    served = line.train("recordings").snapshot_id
    taken = []
    for number in range(4):
        line.listen(uuid4(), [(f"Artist {number}", "Song")])
        taken.append(line.snapshot().snapshot_id)
    assert [each.snapshot_id for each in line.services.training.list_snapshots()] == [*reversed(taken[-2:]), served]
    home = line.settings.data_dir / "snapshots"
    needed = {name for each in (*taken[-2:], served) for name in segments(line, each or "")}
    assert {file.name for file in (home / "files").iterdir()} == needed


def test_many_small_snapshots_hold_what_one_would(empty_line: Line) -> None:
    """Whatever the segments, what is undone, counted anew or forgotten on the way is what holds at the end."""
    line = empty_line
    people = [uuid4() for _ in range(6)]
    for step in range(8):
        for number, person in enumerate(people):
            line.listen(person, [(f"Artist {step}", f"Song {number}")], days=step)
        line.services.listens.set_playcounts([NewPlaycount(people[0], "Counted", "One", step + 1)], "library")
        line.services.listens.set_feedback(people[1], "artists", identify("Artist 1", "x").artist_key, step % 3 - 1)
        if step:
            at = START + timedelta(days=step - 1)
            line.services.listens.delete_listen(people[2], at, identify(f"Artist {step - 1}", "Song 2").recording_key)
        if step == 5:
            with line.database("listens").begin() as session:
                forget_erased(session, [ListenerErased(people[3])])
            people.pop(3)
        last = line.snapshot()
    with line.database("training").begin() as session:
        session.connection().exec_driver_sql("delete from snapshot")
    shutil.rmtree(line.settings.data_dir / "snapshots")
    again = line.snapshot()
    assert again.snapshot_id == last.snapshot_id
    assert (again.rows, again.listeners, again.artists) == (last.rows, last.listeners, last.artists)
