"""What most listeners played: counted now and then, without any person in it, and holding nobody up."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from app.contracts.identity import artist_key, identify
from app.contracts.listens import ListenerListens, NewPlaycount
from app.modules.listens import popular, rollups
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import play


@pytest.fixture
def quiet(own: Instance) -> Instance:
    """Nobody else's listens, which other tests left."""
    with own.database.begin() as session:
        for table in ("listen", "playcount", "popular", *rollups.TABLES):
            session.execute(text(f"delete from {table}"))
    return own


def refresh(own: Instance) -> None:
    own.follow()
    popular.refresh(own.database)


def test_listeners_count_and_not_their_plays(quiet: Instance) -> None:
    fan, others = uuid4(), [uuid4() for _ in range(3)]
    quiet.listens.load(
        [
            ListenerListens(fan, [play(n * 60, "Obsession", "Grace") for n in range(50)]),
            *(ListenerListens(each, [play(0, "Hit"), play(60, "Hit")]) for each in others),
        ],
        "set",
    )
    quiet.listens.set_playcounts([NewPlaycount(fan, "Ada", "Hit", 1), NewPlaycount(uuid4(), "Grace", None, 1)], "set")
    assert quiet.listens.popular("recordings") == []
    refresh(quiet)
    recordings = quiet.listens.popular("recordings")
    assert [(item.title, item.listeners) for item in recordings] == [("Hit", 4), ("Obsession", 1)]
    assert (recordings[0].key, recordings[0].artist_key) == identify("Ada", "Hit")[:2]
    artists = quiet.listens.popular("artists")
    assert [(item.title, item.listeners) for item in artists] == [("Ada", 4), ("Grace", 2)]
    assert artists[1].key == artist_key("Grace")
    assert len(quiet.listens.popular("recordings", 1)) == 1


def test_hidden_repeats_do_not_count(quiet: Instance) -> None:
    listener = uuid4()
    quiet.listens.submit(listener, [play(0)], "phone")
    quiet.listens.submit(listener, [play(5)], "desktop")
    refresh(quiet)
    with quiet.database.begin() as session:
        assert session.execute(text("select plays from popular where kind = 'recordings'")).scalars().all() == [1]


def test_a_tick_counts_when_something_changed_and_pauses_in_proportion(quiet: Instance) -> None:
    counter = popular.PopularCounter(quiet.database)
    quiet.listens.submit(uuid4(), [play(0, "First")])
    quiet.follow()
    counter.tick()
    assert [item.title for item in quiet.listens.popular("recordings")] == ["First"]
    quiet.listens.submit(uuid4(), [play(0, "Second")])
    quiet.follow()
    counter.tick()
    assert [item.title for item in quiet.listens.popular("recordings")] == ["First"]
    counter._next = 0.0  # the pause is over
    quiet.follow()
    counter.tick()
    assert {item.title for item in quiet.listens.popular("recordings")} == {"First", "Second"}


def test_counting_holds_no_feed_back(quiet: Instance) -> None:
    """A transaction that only reads has no id, and so the feeds of the whole server go on beside it."""
    quiet.listens.submit(uuid4(), [play(0)])
    with quiet.database.begin() as session:
        popular._count(session, "recordings")
        assert session.execute(text("select pg_current_xact_id_if_assigned()")).scalar() is None


def test_the_list_is_bounded(quiet: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popular, "KEPT", 3)
    quiet.listens.submit(uuid4(), [play(n * 60, f"Song {n}") for n in range(9)])
    refresh(quiet)
    assert len(quiet.listens.popular("recordings", 3)) == 3
    with quiet.database.begin() as session:
        assert session.execute(text("select count(*) from popular where kind = 'recordings'")).scalar() == 3
