"""The demo: invented listeners with real structure, from a seed.

Genres with neighbours, artists with releases and a long tail, listeners with one or two tastes that drift, sessions in
runs of an artist or a release, hours of the day. Recommendations on it make visible sense, and it can be thrown away.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from app.contracts.catalog import Tagging
from app.contracts.listens import NewListen
from app.datasets.names import Names
from app.datasets.readers import Content

LISTENERS = 200
ARTISTS = 400
RECORDINGS = 3000
LISTENS = 100_000
DAYS = 730
DEMO_LISTENS = 3000

GENRES = {
    "dream pop": ("shoegaze", "reverb"),
    "folk": ("acoustic", "storytelling"),
    "techno": ("electronic", "four on the floor"),
    "ambient": ("electronic", "slow"),
    "jazz": ("improvised", "brass"),
    "hip hop": ("beats", "wordplay"),
    "metal": ("heavy", "guitar"),
    "indie rock": ("guitar", "garage"),
}


@dataclass(frozen=True)
class World:
    """Artists and recordings by number; `taste` is (genres, recordings): how likely a genre's listener plays each."""

    artists: list[str]
    genre_of: NDArray[np.int64]
    recordings: list[tuple[int, str, str, int]]  # artist, title, release, duration in ms
    taste: NDArray[np.float64]
    of_artist: list[NDArray[np.int64]]
    taggings: list[Tagging]


def generate(seed: int, now: datetime) -> Content:
    """Return the demo as of `now`: the same seed and day give the same content."""
    rng = np.random.default_rng(seed)
    world = _world(rng)
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    shares = rng.pareto(1.6, LISTENERS) + 0.3
    counts = np.maximum(20, shares / shares.sum() * LISTENS).astype(int)
    counts[0] = DEMO_LISTENS
    listens = {}
    for number, count in enumerate(counts):
        name = "demo" if number == 0 else f"demo-{number:03}"
        listens[name] = _history(rng, world, int(count), end, first_genre=0 if number == 0 else None)
    return Content(listens=listens, taggings=world.taggings)


def _world(rng: np.random.Generator) -> World:
    names = Names(rng)
    artists = [names.artist() for _ in range(ARTISTS)]
    genre_of = np.arange(ARTISTS) % len(GENRES)
    fame = 1 / (rng.permutation(ARTISTS) + 5.0) ** 0.8  # a long tail
    owners = np.concatenate([np.arange(ARTISTS), rng.choice(ARTISTS, RECORDINGS - ARTISTS, p=fame / fame.sum())])
    owners.sort()
    recordings: list[tuple[int, str, str, int]] = []
    taken: set[tuple[int, str]] = set()
    release = ""
    for number, artist in enumerate(owners):
        if number == 0 or owners[number - 1] != artist or rng.random() < 0.12:
            release = names.release()
        title = names.title()
        while (int(artist), title) in taken:
            title = names.title()
        taken.add((int(artist), title))
        recordings.append((int(artist), title, release, int(np.clip(rng.normal(225, 45), 90, 480)) * 1000))
    hits = 1 / (np.array([_place(owners, n) for n in range(RECORDINGS)]) + 1.0) ** 0.7
    near = _nearness(len(GENRES))
    taste = near[:, genre_of[owners]] * fame[owners] * hits
    taste /= taste.sum(axis=1, keepdims=True)
    of_artist = [np.flatnonzero(owners == artist) for artist in range(ARTISTS)]
    return World(artists, genre_of, recordings, taste, of_artist, _taggings(rng, artists, genre_of))


def _place(owners: NDArray[np.int64], number: int) -> int:
    """Return which of its artist's recordings this is, from 0."""
    return int(number - np.searchsorted(owners, owners[number]))


def _nearness(genres: int) -> NDArray[np.float64]:
    """Return how much a listener of one genre plays each: mostly it, some of its two neighbours on a ring."""
    near = np.full((genres, genres), 0.004)
    for genre in range(genres):
        near[genre, genre] = 1.0
        near[genre, (genre + 1) % genres] = near[genre, (genre - 1) % genres] = 0.08
    return near


def _taggings(rng: np.random.Generator, artists: list[str], genre_of: NDArray[np.int64]) -> list[Tagging]:
    genres = list(GENRES.items())
    found = []
    for artist, genre in zip(artists, genre_of, strict=True):
        name, others = genres[genre]
        found.append(Tagging(artist, None, [name, *(tag for tag in others if rng.random() < 0.7), "demo"]))
    return found


def _history(
    rng: np.random.Generator, world: World, count: int, end: datetime, *, first_genre: int | None
) -> list[NewListen]:
    """Return one listener's listens, in sessions, oldest first."""
    genre = int(rng.integers(len(GENRES))) if first_genre is None else first_genre
    second = (genre + int(rng.integers(1, len(GENRES)))) % len(GENRES)
    weight = rng.beta(2, 5)
    own = world.taste[genre] * (1 - weight) + world.taste[second] * weight
    own = own * rng.gamma(0.6, 1.0, RECORDINGS)  # what this listener happens to know
    own /= own.sum()
    hour = int(rng.choice([8, 13, 18, 20, 22], p=[0.15, 0.1, 0.3, 0.3, 0.15]))
    listens: list[NewListen] = []
    days = DAYS * rng.beta(1.2, 1.0, size=max(2, count // 12))
    while len(listens) < count:
        day = days[int(rng.integers(len(days)))]
        begins = int(rng.normal(hour, 2.5)) % 24
        at = (end - timedelta(days=DAYS)).replace(hour=0) + timedelta(days=int(day), hours=begins)
        at += timedelta(seconds=int(rng.integers(3600)))
        listens += _session(rng, world, own, at, min(count - len(listens), 3 + int(rng.poisson(6))), end)
    by_time = {listen.listened_at: listen for listen in listens}
    return [by_time[at] for at in sorted(by_time)]


def _session(
    rng: np.random.Generator, world: World, own: NDArray[np.float64], at: datetime, length: int, end: datetime
) -> list[NewListen]:
    """Return a session: runs of one artist's recordings, then on to something else of the listener's taste."""
    picks = rng.choice(RECORDINGS, size=length, p=own)
    if rng.random() < 0.6:
        for place in range(1, length):
            if rng.random() < 0.55:
                siblings = world.of_artist[world.recordings[picks[place - 1]][0]]
                picks[place] = siblings[int(rng.integers(len(siblings)))]
    found = []
    for pick in picks:
        artist, title, release, duration_ms = world.recordings[pick]
        if at < end:
            found.append(NewListen(at, world.artists[artist], title, release, duration_ms=duration_ms))
        at += timedelta(milliseconds=duration_ms * float(rng.uniform(0.97, 1.1)))
        at = at.replace(microsecond=0)
    return found
