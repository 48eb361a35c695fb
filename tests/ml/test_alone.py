"""What a listener's own history, and others where they are asked, say about the next recording."""

from pathlib import Path

import pytest

from app.ml.alone import measure_alone
from app.ml.data_files import BadDataFile
from app.ml.evaluate import evaluate
from app.ml.own_history import Crowd, Others, OwnHistory
from app.ml.sessions import Play


def session(number: int, at: int, tracks: list[int], user: int = 0, artist: int | None = None) -> list[Play]:
    return [Play(0, user, number, at + 200 * n, t, t // 10 if artist is None else artist) for n, t in enumerate(tracks)]


def history(*sessions: list[Play]) -> OwnHistory:
    memory = OwnHistory()
    for play in (play for each in sessions for play in each):
        memory.add(play)
    return memory


def ranked(scores: dict[int, float]) -> list[int]:
    return sorted(scores, key=lambda track: (-scores[track], track))


def test_what_followed_before_comes_first_and_the_track_just_played_never() -> None:
    memory = history(session(1, 0, [10, 20, 30]), session(2, 90_000, [40, 50]), session(3, 180_000, [10]))
    scores = memory.scores(180_060)
    assert ranked(scores)[:2] == [20, 30]
    assert 10 not in scores


def test_tracks_of_the_artist_at_hand_come_before_those_of_others() -> None:
    memory = history(session(1, 0, [11]), session(2, 9_000, [21]), session(3, 18_000, [12]), session(4, 27_000, [13]))
    scores = memory.scores(27_060)
    assert scores[11] > scores[12] > scores[21]


def test_an_album_that_is_played_again_goes_on_in_its_order() -> None:
    memory = history(session(1, 0, [11, 12, 13, 14]), session(2, 90_000, [11, 12]))
    oldest = memory.parts(90_300)["artist_oldest"]
    assert ranked(oldest) == [13, 14, 11]


def test_others_are_asked_about_the_latest_artists_of_the_session() -> None:
    crowd = Crowd()
    crowd.add(session(9, 0, [12, 22, 32, 42], user=1))
    memory = history(session(1, 500, [40, 30, 20, 10]))
    assert memory.parts(1200, Others(crowd, []))["others_session"] == {12: 1.0, 22: 1 / 2, 32: 1 / 3}


def test_sessions_are_kept_apart() -> None:
    memory = history(session(1, 0, [10]), session(2, 500, [20]), session(3, 90_000, [10]))
    assert not memory.together[10]
    assert not memory.follows[10]


def test_others_are_a_crowd_without_oneself() -> None:
    mine, theirs = session(1, 0, [10, 20]), session(2, 0, [10, 30], user=1)
    crowd = Crowd()
    crowd.add(mine)
    crowd.add(theirs)
    others = Others(crowd, [mine])
    assert others.successors(mine[:1]) == {30: 1.0}
    assert others.of_artist(2) == {}
    assert others.of_artist(3) == {30: 1.0}
    assert 30 in history(session(5, 900, [10])).scores(960, others)


def repetitive(user: int, at: int, tracks: list[int]) -> list[Play]:
    return [play for n in range(12) for play in session(100 * user + n, at + 86_400 * n, tracks, user=user)]


def test_whoever_repeats_themselves_is_predicted_exactly() -> None:
    hits = measure_alone(repetitive(1, 0, [10, 20, 30, 40, 50, 60]), 20)
    assert (hits.hit_rate, hits.mrr, hits.users) == (1.0, 1.0, 1)
    assert hits.hit_rate_all is None


def test_others_help_only_with_what_they_played_before_the_cut() -> None:
    tracks = [10, 20, 30, 40, 50, 60]
    known, unknown = repetitive(1, 0, tracks), [70, 80, 90, 100, 110, 120]
    # the last fifth is new to the listener, and known to another one
    own = known[:60] + session(200, 2_000_000, unknown, user=1) + session(201, 2_100_000, unknown, user=1)
    before, after = repetitive(2, 0, unknown), repetitive(2, 3_000_000, unknown)
    alone = measure_alone(own + before, 20)
    helped = measure_alone(own + before, 20, has_community=True)
    late = measure_alone(own + after, 20, has_community=True)
    assert helped.users == 2
    assert helped.hit_rate > alone.hit_rate
    assert late.hit_rate == measure_alone(own + after, 20).hit_rate


def test_too_short_a_history_is_not_tested() -> None:
    with pytest.raises(BadDataFile, match="no position"):
        measure_alone(repetitive(1, 0, [10, 20, 30])[:59], 20)


def test_the_same_artist_and_successors_of_others_on_real_data(data_dir: Path) -> None:
    """Weights were chosen on the plays before those that are tested; the bounds say what was measured, less .005."""
    events = data_dir / "30music_events" / "events.tsv.gz"
    own = evaluate("alone", train=[events])
    assert own["users"] == 309
    assert own["hit_rate"] == pytest.approx(0.204, abs=0.005)
    assert own["mrr"] == pytest.approx(0.148, abs=0.003)
    assert evaluate("alone", train=[events], without=["artist"])["hit_rate"] < own["hit_rate"]
    crowd = evaluate("alone", train=[events], community=True)
    assert crowd["parameters"]["community"]
    assert crowd["hit_rate"] == pytest.approx(0.292, abs=0.005)
    assert crowd["mrr"] == pytest.approx(0.201, abs=0.005)
