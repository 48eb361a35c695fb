"""The demo: invented listeners with real structure, from a seed.

Genres with neighbours, artists with releases and a long tail, listeners with one or two tastes that drift, sessions in
runs of an artist or a release, hours of the day. Recommendations on it make visible sense, and it can be thrown away.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.contracts.catalog import Sound, Tagging
from app.contracts.listens import NewListen
from app.datasets.names import Names
from app.datasets.readers import Content

LISTENERS = 200
ARTISTS = 400
RECORDINGS = 3000
LISTENS = 100_000
DAYS = 730
DEMO_LISTENS = 3000  # of the listener whom a new user signs in as
FEWEST, MOST = 60, 2500  # listens of the others
UNPLAYED = 48  # recordings that nobody played, beside the few that chance leaves

# Its listens are loaded first, and the last of them is at the very end: from it a later load knows when the demo
# was made.
FIRST = "demo-001"

# How loud a genre is, 0 to 1; its recordings lie around that.
ENERGIES = {
    "dream pop": 0.4,
    "folk": 0.3,
    "jazz": 0.45,
    "hip hop": 0.65,
    "techno": 0.8,
    "ambient": 0.15,
    "metal": 0.9,
    "indie rock": 0.7,
}
# What else a genre sounds like: danceability, speechiness, acousticness, instrumentalness, valence, beats a minute.
CHARACTERS = {
    "dream pop": (0.45, 0.04, 0.3, 0.35, 0.35, 112),
    "folk": (0.5, 0.04, 0.8, 0.1, 0.45, 104),
    "jazz": (0.55, 0.05, 0.65, 0.6, 0.6, 122),
    "hip hop": (0.75, 0.28, 0.15, 0.05, 0.55, 94),
    "techno": (0.7, 0.07, 0.05, 0.8, 0.4, 130),
    "ambient": (0.3, 0.04, 0.85, 0.9, 0.2, 84),
    "metal": (0.35, 0.1, 0.03, 0.3, 0.3, 142),
    "indie rock": (0.55, 0.05, 0.1, 0.1, 0.6, 126),
}
GENRES = {
    "dream pop": ("shoegaze", "reverb"),
    "folk": ("acoustic", "storytelling"),
    "jazz": ("improvised", "brass"),
    "hip hop": ("beats", "wordplay"),
    "techno": ("electronic", "four on the floor"),
    "ambient": ("electronic", "slow"),
    "metal": ("heavy", "guitar"),
    "indie rock": ("guitar", "garage"),
}
NEIGHBOUR, STRANGER = (
    0.06,
    0.003,
)  # how much of a genre's listening goes to the next ones on the ring, and to the others

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Track:
    artist: int
    title: str
    release: str
    duration_s: int


@dataclass(frozen=True)
class World:
    """What there is to hear; `taste` is (genres, recordings): how likely a session of a genre plays each.

    An artist's recordings are next to each other, a release's too: `artist_ends` and `release_ends` tell where they
    end.
    """

    artists: list[str]
    tracks: list[Track]
    taste: Floats
    artist_ends: list[int]
    release_ends: list[int]
    taggings: list[Tagging]
    sounds: list[Sound]


@dataclass(frozen=True)
class Taste:
    """What one listener plays: `early` and `late` are (genres, recordings), cumulated; the genres drift too."""

    early: Floats
    late: Floats
    early_genres: Floats
    late_genres: Floats
    hour: float


def generate(seed: int, now: datetime) -> Content:
    """Return the demo as of the hour of `now`: the same seed and hour give the same content."""
    rng = np.random.default_rng(seed)
    world = _world(rng)
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    listens = {
        name: _history(rng, world, count, end, first_genre=0 if name == "demo" else None)
        for name, count in _sizes(rng).items()
    }
    listens[FIRST].append(_listen(world, 0, int(end.timestamp())))
    return Content(listens=listens, taggings=world.taggings, sounds=world.sounds)


def _sizes(rng: np.random.Generator) -> dict[str, int]:
    """Return how much each listener plays: many a little, few a lot."""
    shares = rng.lognormal(0, 0.9, LISTENERS - 1)
    sizes = shares
    for _ in range(20):  # clipping takes from the sum: scale again until it settles
        sizes = np.clip(sizes * (LISTENS - DEMO_LISTENS) / sizes.sum(), FEWEST, MOST)
    others = {f"demo-{number:03}": int(size) for number, size in enumerate(sizes, 1)}
    return {FIRST: others.pop(FIRST), "demo": DEMO_LISTENS, **others}


def _world(rng: np.random.Generator) -> World:
    names = Names(rng)
    artists = [names.artist() for _ in range(ARTISTS)]
    genre_of = np.arange(ARTISTS) % len(GENRES)
    fame = 1 / (rng.permutation(ARTISTS) + 4.0)  # a long tail
    owning = fame**0.5 / (fame**0.5).sum()  # the known have more recordings, and more plays of each
    owners = np.concatenate([np.arange(ARTISTS), rng.choice(ARTISTS, RECORDINGS - ARTISTS, p=owning)])
    owners.sort()
    tracks = _tracks(rng, names, owners)
    starts = np.searchsorted(owners, owners)
    hits = np.empty(RECORDINGS)
    for first, end in pairwise([*np.unique(starts), RECORDINGS]):
        hits[first:end] = 1 / (rng.permutation(end - first) + 1.5)  # some of an artist's are known to all
        hits[first:end] /= hits[first:end].sum()
    taste = _nearness()[:, genre_of[owners]] * fame[owners] * hits
    return World(
        artists,
        tracks,
        taste / taste.sum(axis=1, keepdims=True),
        np.searchsorted(owners, owners, side="right").tolist(),
        _release_ends(tracks),
        _taggings(rng, artists, genre_of),
        [*_sounds(artists, tracks, genre_of), *_sounds(artists, _unplayed(tracks), genre_of)],
    )


def _tracks(rng: np.random.Generator, names: Names, owners: Numbers) -> list[Track]:
    """Return the recordings by artist, on releases of about nine; titles differ within an artist."""
    tracks: list[Track] = []
    titles: set[str] = set()
    release = ""
    for number, owner in enumerate(owners):
        is_first = number == 0 or owners[number - 1] != owner
        if is_first or rng.random() < 0.11:
            release = names.release()
        titles = set() if is_first else titles
        while (title := names.title()) in titles:
            pass
        titles.add(title)
        tracks.append(Track(int(owner), title, release, int(np.clip(rng.normal(225, 45), 90, 480))))
    return tracks


def _release_ends(tracks: list[Track]) -> list[int]:
    ends = [len(tracks)] * len(tracks)
    for number in range(len(tracks) - 2, -1, -1):
        same = tracks[number].release == tracks[number + 1].release
        ends[number] = ends[number + 1] if same else number + 1
    return ends


def _nearness() -> Floats:
    """Return (genres, genres): how much a session of one genre plays each; they lie on a ring."""
    near = np.full((len(GENRES), len(GENRES)), STRANGER)
    for genre in range(len(GENRES)):
        near[genre, genre] = 1.0
        near[genre, (genre + 1) % len(GENRES)] = near[genre, genre - 1] = NEIGHBOUR
    return near


def _taggings(rng: np.random.Generator, artists: list[str], genre_of: Numbers) -> list[Tagging]:
    genres = list(GENRES.items())
    found = []
    for artist, genre in zip(artists, genre_of, strict=True):
        name, others = genres[genre]
        found.append(Tagging(artist, None, [name, *(tag for tag in others if rng.random() < 0.7), "demo"]))
    return found


def _unplayed(tracks: list[Track]) -> list[Track]:
    """Return recordings of known artists that no taste holds, so that nobody plays them; drawn apart."""
    rng = np.random.default_rng(UNPLAYED)
    names = Names(rng)
    taken = {(track.artist, track.title) for track in tracks}
    found = []
    for artist in sorted(rng.choice(ARTISTS, UNPLAYED, replace=False).tolist()):
        while (artist, title := names.title()) in taken:
            pass
        found.append(Track(artist, title, names.release(), 225))
    return found


def _sounds(artists: list[str], tracks: list[Track], genre_of: Numbers) -> list[Sound]:
    """Return how each recording sounds; drawn apart, so that the rest of the demo is what it was without."""
    rng = np.random.default_rng(len(tracks))
    genres = genre_of[[track.artist for track in tracks]]
    drawn = np.clip(np.array(list(ENERGIES.values()))[genres] + rng.normal(0, 0.1, len(tracks)), 0.02, 0.98)
    character = np.array([CHARACTERS[genre] for genre in ENERGIES])[genres].T
    noise = rng.normal(0, 1, (6, len(tracks)))
    dance, speech, acoustic, instrumental, valence = np.clip(
        character[:5] + noise[:5] * np.array([[0.1], [0.02], [0.1], [0.15], [0.12]]), 0.01, 0.99
    )
    loudness = 18 * drawn - 22 + rng.normal(0, 1.5, len(tracks))
    liveness = np.clip(0.18 + rng.normal(0, 0.07, len(tracks)), 0.02, 0.98)
    tempo = character[5] + 10 * noise[5]
    audio = np.stack([dance, loudness, speech, acoustic, instrumental, liveness, valence, tempo], axis=1)
    return [
        Sound(artists[track.artist], track.title, round(energy, 3), features)
        for track, energy, features in zip(tracks, drawn.tolist(), audio.round(3).tolist(), strict=True)
    ]


def _taste(rng: np.random.Generator, world: World, first_genre: int | None) -> Taste:
    """Invent a listener: what they happen to know of each genre, and how that changes over the two years."""
    genre = int(rng.integers(len(GENRES))) if first_genre is None else first_genre
    second = (genre + int(rng.integers(1, len(GENRES)))) % len(GENRES)
    weights = np.full((2, len(GENRES)), 0.02)
    weights[:, genre] = 1.0
    weights[:, second] = np.sort(rng.uniform(0.0, 0.8, 2))  # grows on them
    by_artist = rng.gamma(0.5, 1.0, (2, ARTISTS))
    by_artist[1] = 0.6 * by_artist[0] + 0.4 * by_artist[1]
    owners = [track.artist for track in world.tracks]
    known = by_artist[:, owners] * rng.gamma(0.5, 1.0, RECORDINGS)
    early, late = (np.cumsum(world.taste * each, axis=1) for each in known)
    hour = rng.choice([8, 13, 18, 20, 22], p=[0.15, 0.1, 0.3, 0.3, 0.15]) + rng.normal(0, 0.7)
    return Taste(early, late, weights[0] / weights[0].sum(), weights[1] / weights[1].sum(), float(hour))


def _history(
    rng: np.random.Generator, world: World, count: int, end: datetime, *, first_genre: int | None
) -> list[NewListen]:
    """Return one listener's listens before `end`, in sessions, oldest first."""
    taste = _taste(rng, world, first_genre)
    midnight = int((end - timedelta(days=DAYS)).replace(hour=0).timestamp())
    last = int(end.timestamp())
    listens: list[NewListen] = []
    at = 0
    for day, length in _sessions(rng, count):
        begins = int((rng.normal(taste.hour, 2.2) % 24) * 3600)
        at = max(midnight + day * 86_400 + begins, at + 2400)  # what is nearer than that is one session
        picks = _picks(rng, world, taste, day / DAYS, length)
        for pick, pace in zip(picks, rng.uniform(0.97, 1.06, length).tolist(), strict=True):
            if at >= last:
                return listens
            listens.append(_listen(world, pick, at))
            at += int(world.tracks[pick].duration_s * pace) + 1
    return listens


def _sessions(rng: np.random.Generator, count: int) -> list[tuple[int, int]]:
    """Return day and length of sessions of `count` listens; some days have several, later days a few more."""
    lengths = 3 + rng.poisson(6, size=count // 3 + 1)
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), count)) + 1]
    lengths[-1] -= lengths.sum() - count
    days = rng.permutation(DAYS + 1)[: max(1, int(len(lengths) * 0.8))]
    chosen = np.sort(rng.choice(days, len(lengths), p=(days + DAYS) / (days + DAYS).sum()))
    return list(zip(chosen.tolist(), lengths.tolist(), strict=True))


def _picks(rng: np.random.Generator, world: World, taste: Taste, passed: float, length: int) -> list[int]:
    """Return the recordings of a session in one mood: now and then a release, else runs of an artist and what is near.

    `passed` is how much of the two years has, from 0 to 1.
    """
    chance, which, begin = rng.random(3).tolist()
    known = taste.late if chance < passed else taste.early
    weights = np.cumsum(taste.early_genres * (1 - passed) + taste.late_genres * passed)
    mood = known[min(int(np.searchsorted(weights, which)), len(GENRES) - 1)]
    drawn = np.minimum(np.searchsorted(mood, rng.random(length) * mood[-1]), RECORDINGS - 1).tolist()
    first = drawn[0]
    picks = [*range(first, min(world.release_ends[first], first + length))] if begin < 0.15 else [first]
    for pick, stays, place in zip(drawn, *rng.random((2, length)).tolist(), strict=True):
        if len(picks) == length:
            break
        left = world.artist_ends[picks[-1]] - picks[-1] - 1
        picks.append(picks[-1] + 1 + int(place * left) if stays < 0.4 and left else pick)
    return picks


def _listen(world: World, number: int, at: int) -> NewListen:
    track = world.tracks[number]
    return NewListen(
        datetime.fromtimestamp(at, UTC),
        world.artists[track.artist],
        track.title,
        track.release,
        duration_ms=track.duration_s * 1000,
    )
