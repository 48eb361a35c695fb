"""The demo is made from a seed, is the same each time, and has the structure that recommendations live on."""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.contracts.catalog import AUDIO_FEATURES
from app.contracts.identity import artist_key, canonical, identify
from app.contracts.listens import NewListen
from app.datasets.demo import FIRST, GENRES, generate
from app.datasets.readers import Content
from app.datasets.tables import read

NOW = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)
REAL_NAMES = {
    "hetrec_lastfm2k/artists.tsv.gz": "name",
    "lastfm15k/artists.tsv.gz": "artist",
    "spotify_hit_predictor/tracks.tsv.gz": "artist",
}


@pytest.fixture(scope="module")
def demo() -> Content:
    return generate(7, NOW)


def everything(demo: Content) -> Iterable[NewListen]:
    return (listen for listens in demo.listens.values() for listen in listens)


def histories(demo: Content) -> list[list[NewListen]]:
    """Return each listener's listens, without the one that marks the end."""
    return [listens[:-1] if name == FIRST else listens for name, listens in demo.listens.items()]


def genres(demo: Content) -> dict[str, str]:
    return {tagging.artist: tagging.tags[0] for tagging in demo.taggings}


def gini(counts: Iterable[int]) -> float:
    ordered = np.sort(np.array(list(counts)))
    return float(1 - 2 * (np.cumsum(ordered) / ordered.sum()).mean() + 1 / len(ordered))


def test_the_same_seed_and_hour_give_the_same_demo(demo: Content) -> None:
    assert generate(7, NOW + timedelta(minutes=30)) == demo
    assert generate(8, NOW) != demo


def test_it_is_made_in_little_time() -> None:
    started = time.process_time()
    generate(7, NOW)
    assert time.process_time() - started < 3


def test_its_size_is_what_is_said_of_it(demo: Content) -> None:
    heard = Counter((listen.artist, listen.title) for listen in everything(demo))
    assert len(demo.listens) == 200
    assert abs(sum(heard.values()) - 100_000) < 1500
    assert len({artist for artist, _ in heard}) == len(demo.taggings) == 400
    assert 2900 < len(heard) <= 3000
    assert min(len(listens) for listens in demo.listens.values()) > 40
    assert 2800 < len(demo.listens["demo"]) <= 3000


def test_names_are_different_also_to_identity(demo: Content) -> None:
    assert len({artist_key(tagging.artist) for tagging in demo.taggings}) == 400
    pairs = {(listen.artist, listen.title) for listen in everything(demo)}
    assert len({identify(*pair).recording_key for pair in pairs}) == len(pairs)


def test_no_artist_has_the_name_of_a_real_one(demo: Content, data_dir: Path) -> None:
    real = {canonical(name) for file, column in REAL_NAMES.items() for _, (name,) in read(data_dir / file, (column,))}
    assert {canonical(tagging.artist) for tagging in demo.taggings}.isdisjoint(real)


def test_it_spans_two_years_up_to_now_and_never_the_future(demo: Content) -> None:
    times = [listen.listened_at for listen in everything(demo)]
    assert max(times) == NOW.replace(minute=0)
    assert timedelta(days=729) < NOW - min(times) < timedelta(days=732)


def test_a_listener_plays_one_thing_at_a_time(demo: Content) -> None:
    for listens in histories(demo):
        for one, next_one in pairwise(listens):
            assert one.duration_ms
            assert next_one.listened_at - one.listened_at >= timedelta(milliseconds=0.97 * one.duration_ms)


def test_most_listens_of_a_listener_are_of_one_or_two_genres(demo: Content) -> None:
    genre_of = genres(demo)
    shares = []
    for listens in demo.listens.values():
        counted = Counter(genre_of[listen.artist] for listen in listens)
        shares.append(sum(count for _, count in counted.most_common(2)) / len(listens))
    assert np.median(shares) > 0.75
    assert {genre_of[listen.artist] for listen in everything(demo)} == set(GENRES)


def test_every_recording_has_a_sound_and_some_were_played_by_nobody(demo: Content) -> None:
    heard = {(listen.artist, listen.title) for listen in everything(demo)}
    sounds = {(sound.artist, sound.title): sound for sound in demo.sounds}
    assert heard < sounds.keys()
    assert len(sounds) == len(demo.sounds)
    assert 48 <= len(sounds.keys() - heard) < 100
    assert {artist for artist, _ in sounds} == {artist for artist, _ in heard}
    assert all(len(sound.audio) == len(AUDIO_FEATURES) for sound in demo.sounds)


def test_a_genre_has_its_sound(demo: Content) -> None:
    genre_of = genres(demo)
    by_genre = {
        name: np.array([[each.energy, *each.audio] for each in demo.sounds if genre_of[each.artist] == name]).T
        for name in GENRES
    }
    acousticness, tempo = 1 + AUDIO_FEATURES.index("acousticness"), 1 + AUDIO_FEATURES.index("tempo")
    assert by_genre["ambient"][acousticness].mean() > 0.7 > 0.2 > by_genre["metal"][acousticness].mean()
    assert by_genre["metal"][tempo].mean() > by_genre["ambient"][tempo].mean() + 30
    energy, loudness = np.concatenate([each[[0, 2]] for each in by_genre.values()], axis=1)
    assert np.corrcoef(energy, loudness)[0, 1] > 0.8


def test_tastes_drift(demo: Content) -> None:
    genre_of = genres(demo)
    grown = 0
    for listens in demo.listens.values():
        early, late = (
            Counter(genre_of[listen.artist] for listen in part)
            for part in (listens[: len(listens) // 3], listens[-len(listens) // 3 :])
        )
        second = Counter(genre_of[listen.artist] for listen in listens).most_common(2)[-1][0]
        grown += late[second] > early[second]
    assert grown > 0.6 * len(demo.listens)  # by chance a half


def test_plays_have_a_long_tail(demo: Content) -> None:
    by_recording = Counter((listen.artist, listen.title) for listen in everything(demo))
    by_artist = Counter(listen.artist for listen in everything(demo))
    assert 0.45 < gini(by_recording.values()) < 0.8
    assert 0.5 < gini(by_artist.values()) < 0.85
    assert by_artist.most_common(1)[0][1] < 0.06 * by_artist.total()


def test_a_listener_has_hours_of_the_day(demo: Content) -> None:
    hours = np.bincount([listen.listened_at.hour for listen in demo.listens["demo"]], minlength=24)
    around = np.convolve(np.concatenate([hours, hours[:7]]), np.ones(8), mode="valid")
    assert around.max() > 0.75 * hours.sum()  # of a uniform day, 8 hours hold a third


def test_listens_come_in_sessions_that_stay_with_an_artist(demo: Content) -> None:
    gaps, same = [], []
    for listens in histories(demo):
        for one, next_one in pairwise(listens):
            gap_s = (next_one.listened_at - one.listened_at).total_seconds()
            gaps.append(gap_s)
            if gap_s < 1200:
                same.append(one.artist == next_one.artist)
    sessions = 1 + sum(gap_s > 1200 for gap_s in gaps)
    assert 5 < len(gaps) / sessions < 14
    assert not any(600 < gap_s < 2400 for gap_s in gaps)
    assert 0.3 < np.mean(same) < 0.7


def test_everything_says_that_it_is_a_demo(demo: Content) -> None:
    assert all("demo" in tagging.tags for tagging in demo.taggings)
    assert all(name == "demo" or name.startswith("demo-") for name in demo.listens)
