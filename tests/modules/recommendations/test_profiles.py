"""The read model of the feed: replayed it is the same, and the forgotten are gone from it."""

from uuid import UUID, uuid4

from sqlalchemy import text

from app.contracts.accounts import ListenerErased
from app.contracts.identity import identify
from app.contracts.listens import Kind, Listened, NewPlaycount
from app.kernel import feed
from app.modules.listens.service import forget_erased
from tests.support.line import START, Line

Profile = dict[tuple[str, UUID], tuple[int, int, int]]


def fresh(name: str = "Artist") -> str:
    return f"{name} {uuid4()}"


def profile(line: Line, listener_id: UUID) -> Profile:
    """Return (plays, total, opinion) by kind and key, after everything was followed."""
    line.follow()
    with line.database("recommendations").begin() as session:
        rows = session.execute(
            text("select kind, key, plays, playcount, value from profile_item where listener_id = :id"),
            {"id": listener_id},
        ).all()
    return {(row.kind, row.key): (row.plays, row.playcount, row.value) for row in rows}


def listeners_of(line: Line, kind: Kind, key: UUID) -> int | None:
    line.follow()
    with line.database("recommendations").begin() as session:
        found: int | None = session.execute(
            text("select listeners from item where kind = :kind and key = :key"), {"kind": kind, "key": key}
        ).scalar_one_or_none()
    return found


def state(line: Line) -> list[list[tuple[object, ...]]]:
    tables = ("profile_item", "item", "champion")
    with line.database("recommendations").begin() as session:
        return [
            [tuple(row) for row in session.execute(text(f"select * from {table} order by 1, 2, 3")).all()]
            for table in tables
        ]


def test_listens_count_for_the_recording_and_the_artist(line: Line) -> None:
    listener, artist = uuid4(), fresh()
    line.listen(listener, [(artist, "One"), (artist, "Two"), (artist, "One")])
    one, two = identify(artist, "One"), identify(artist, "Two")
    assert profile(line, listener) == {
        ("recordings", one.recording_key): (2, 0, 0),
        ("recordings", two.recording_key): (1, 0, 0),
        ("artists", one.artist_key): (3, 0, 0),
    }
    assert line.services.recommendations.profile_size(listener) == 3


def test_a_deleted_listen_leaves_nothing_behind(line: Line) -> None:
    listener, artist = uuid4(), fresh()
    line.listen(listener, [(artist, "One")])
    key = identify(artist, "One")
    assert listeners_of(line, "recordings", key.recording_key) == 1
    line.services.listens.delete_listen(listener, START, key.recording_key)
    assert profile(line, listener) == {}
    assert listeners_of(line, "recordings", key.recording_key) is None
    assert listeners_of(line, "artists", key.artist_key) is None


def test_totals_replace_each_other_and_count_for_the_artist(line: Line) -> None:
    listener, artist = uuid4(), fresh()
    key = identify(artist, "One")
    for plays in (7, 3):
        line.services.listens.set_playcounts([NewPlaycount(listener, artist, "One", plays)], "library")
        line.follow()
    line.services.listens.set_playcounts([NewPlaycount(listener, artist, None, 5)], "library")
    assert profile(line, listener) == {
        ("recordings", key.recording_key): (0, 3, 0),
        ("artists", key.artist_key): (3, 5, 0),
    }
    assert listeners_of(line, "artists", key.artist_key) == 1


def test_an_opinion_taken_back_leaves_nothing_behind(line: Line) -> None:
    listener, key = uuid4(), uuid4()
    line.services.listens.set_feedback(listener, "artists", key, -1)
    assert profile(line, listener) == {("artists", key): (0, 0, -1)}
    line.services.listens.set_feedback(listener, "artists", key, 0)
    assert profile(line, listener) == {}


def test_listeners_are_counted_once_each(line: Line) -> None:
    artist = fresh()
    for _ in range(3):
        line.listen(uuid4(), [(artist, "One"), (artist, "One")])
        line.follow()
    assert listeners_of(line, "recordings", identify(artist, "One").recording_key) == 3


def test_a_forgotten_listener_is_gone_also_within_one_page(line: Line) -> None:
    artist, gone, stays = fresh(), uuid4(), uuid4()
    line.follow()
    line.listen(stays, [(artist, "One")])
    line.listen(gone, [(artist, "One"), (artist, "Only theirs")])
    before = profile(line, gone)
    with line.database("listens").begin() as session:
        forget_erased(session, [ListenerErased(gone)])
        # listens stores nothing of the erased; a follower keeps the order of what it is told all the same
        key = identify(artist, "After")
        feed.append(session, [Listened(gone, START, key.recording_key, key.artist_key, None, artist, "After", None)])
    after = profile(line, gone)
    assert before
    assert set(after) == {
        ("recordings", identify(artist, "After").recording_key),
        ("artists", identify(artist, "After").artist_key),
    }
    assert listeners_of(line, "recordings", identify(artist, "Only theirs").recording_key) is None
    assert listeners_of(line, "recordings", identify(artist, "One").recording_key) == 1


def test_a_replay_from_zero_gives_the_same_state(line: Line) -> None:
    rock, _ = line.two_tastes(3)
    artist = fresh()
    for number, listener in enumerate(rock):
        line.follow()
        line.listen(listener, [(artist, f"Song {n}") for n in range(4)], days=5)
        line.services.listens.set_playcounts(
            [NewPlaycount(listener, artist, "Song 1", 4 + number), NewPlaycount(listener, artist, None, 9)], "library"
        )
        line.services.listens.set_feedback(listener, "recordings", identify(artist, "Song 1").recording_key, 1)
    line.follow()
    line.services.listens.set_feedback(rock[0], "recordings", identify(artist, "Song 1").recording_key, 0)
    line.services.listens.set_playcounts([NewPlaycount(rock[0], artist, "Song 1", 2)], "library")
    line.follow()
    followed = state(line)
    for follower in line.services.wire("recommendations").followers:
        follower.replay()
    line.follow()
    assert state(line) == followed
    with line.database("recommendations").begin() as session:
        wrong = session.execute(
            text(
                """
                select i.kind, i.key
                from item i
                left join profile_item p on p.kind = i.kind and p.key = i.key and p.plays + p.playcount > 0
                group by i.kind, i.key, i.listeners
                having count(p.key) <> i.listeners
                """
            )
        ).all()
    assert wrong == []


def test_an_export_holds_what_is_kept(line: Line) -> None:
    listener, artist = uuid4(), fresh()
    line.listen(listener, [(artist, "One")])
    line.follow()
    exported = line.services.recommendations.export_listener(listener)["profile"]
    assert [(item["kind"], item["title"], item["plays"]) for item in exported] == [
        ("artists", artist, 1),
        ("recordings", "One", 1),
    ]
