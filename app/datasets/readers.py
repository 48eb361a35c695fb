"""Readers of the data sets: everything is read and checked before anything is loaded."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from app.contracts.catalog import AUDIO_FEATURES, AUDIO_GREATEST, Sound, Tagging
from app.contracts.identity import canonical
from app.contracts.listens import NewListen
from app.datasets.registry import BadDataset
from app.datasets.tables import find, read, whole

T = TypeVar("T")

OLDEST = 1_033_430_400  # 2002-10-01, as far back as listens are accepted
MOST_PLAYS = 100_000_000  # as the contract of listens has it
LONGEST_NAME = 1000


@dataclass
class Content:
    """What a data set holds, by listener's name. A play count is (artist, title or None, plays)."""

    listens: dict[str, list[NewListen]] = field(default_factory=dict)
    playcounts: dict[str, list[tuple[str, str | None, int]]] = field(default_factory=dict)
    taggings: list[Tagging] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return sorted(set(self.listens) | set(self.playcounts))


def read_30music(path: Path, now: datetime) -> Content:
    """Read listens with timestamps; artists and recordings are numbers and are named after them."""
    file = find(path, "events.tsv")
    newest = int(now.timestamp())
    listens: dict[str, list[NewListen]] = defaultdict(list)
    for line, (user, ts, track, artist) in read(file, ("user", "ts", "track", "artist")):
        for column, value in (("user", user), ("track", track), ("artist", artist)):
            whole(file, line, column, value)
        at = datetime.fromtimestamp(whole(file, line, "ts", ts, least=OLDEST, most=newest), UTC)
        listens[f"30music-{user}"].append(NewListen(at, f"Artist {artist}", f"Track {track}"))
    return Content(listens=_some(file, listens))


def read_hetrec(path: Path, now: datetime) -> Content:
    """Read play counts of artists with names. The tags in this folder say nothing of which artist they are for."""
    names = _names(_beside(path, "artists.tsv"), "artistID", "name")
    file = find(path, "user_artists.tsv")
    return Content(playcounts=_playcounts(file, names, ("userID", "artistID", "plays"), "hetrec-lastfm2k"))


def read_lightgcn(path: Path, now: datetime) -> Content:
    """Read the training part of the split; its items have names in a file of their own."""
    names = _names(_beside(path, "items.tsv"), "item", "name")
    file = find(path, "train.tsv")
    return Content(playcounts=_playcounts(file, names, ("user", "item", "plays"), "lastfm-lightgcn"))


def read_hit_predictor(path: Path, _now: datetime) -> Content:
    """Read how recordings sound; who played them is not in it. Features that are not all there are left out wholly."""
    file = find(path, "tracks.tsv")
    sounds = []
    for line, (title, artist, energy, *features) in read(file, ("track", "artist", "energy", *AUDIO_FEATURES)):
        try:
            value = float(energy)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise BadDataset(f"{file.name}, line {line}: energy is {energy[:40]!r}, not a number from 0 to 1")
        if "\0" not in title + artist and len(title) <= LONGEST_NAME and len(artist) <= LONGEST_NAME:
            sounds.append(Sound(artist, title, value, _audio(features)))
    return Content(sounds=sounds)


def _audio(features: list[str]) -> list[float]:
    try:
        values = [float(feature) for feature in features]
    except ValueError:
        return []
    return values if all(abs(value) < AUDIO_GREATEST for value in values) else []  # neither nan nor inf is below


def _beside(path: Path, name: str) -> Path:
    return find(path.parent if path.is_file() else path, name)


def _names(file: Path, key: str, name: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for line, (number, said) in read(file, (key, name)):
        whole(file, line, key, number)
        if number in names:
            raise BadDataset(f"{file.name}, line {line}: {key} {number} has a name already")
        if not canonical(said) or "\0" in said or len(said) > LONGEST_NAME:
            raise BadDataset(f"{file.name}, line {line}: {said[:40]!r} can't be a name")
        names[number] = said
    return names


def _playcounts(
    file: Path, names: dict[str, str], columns: tuple[str, str, str], prefix: str
) -> dict[str, list[tuple[str, str | None, int]]]:
    found: dict[str, list[tuple[str, str | None, int]]] = defaultdict(list)
    for line, (user, item, plays) in read(file, columns):
        whole(file, line, columns[0], user)
        if item not in names:
            raise BadDataset(f"{file.name}, line {line}: {columns[1]} {item[:40]!r} has no name")
        count = whole(file, line, columns[2], plays, least=1, most=MOST_PLAYS)
        found[f"{prefix}-{user}"].append((names[item], None, count))
    return _some(file, found)


def _some(file: Path, found: dict[str, T]) -> dict[str, T]:
    if not found:
        raise BadDataset(f"{file.name}: there are no rows")
    return dict(found)


READERS: dict[str, Callable[[Path, datetime], Content]] = {
    "30music": read_30music,
    "hetrec-lastfm2k": read_hetrec,
    "lastfm-lightgcn": read_lightgcn,
    "spotify-hit-predictor": read_hit_predictor,
}
