"""What corrections should show, counted from the raw plays by names alone: slow, with nothing of the code in it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.contracts.identity import artist_key, recording_key

Recording = tuple[str, str]  # artist and title


@dataclass(frozen=True)
class Said:
    """A correction by names; `then` are the artists, the recording or the new name."""

    what: str  # artists, recordings, split, reassign, name of artist, name of recording
    of: tuple[str, ...]
    then: tuple[str, ...]


@dataclass
class View:
    """How one listener sees plays: their own corrections before everyone's."""

    layers: Sequence[Sequence[Said]]
    known: Iterable[Recording]
    artists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    recordings: dict[Recording, Recording] = field(default_factory=dict)
    said: set[Recording] = field(default_factory=set)

    def __post_init__(self) -> None:
        for layer in self.layers:
            for each in layer:
                if each.what in {"artists", "split"}:
                    self._artist(each.of[0], each.then)
                elif each.what == "recordings":
                    self._recording((each.of[0], each.of[1]), (each.then[0], each.then[1]))
                elif each.what == "reassign":
                    self._recording((each.of[0], each.of[1]), (each.then[0], each.of[1]))
        self.said = set(self.recordings)
        named = [pair for layer in self.layers for each in layer for pair in self._pairs(each)]
        for pair in sorted({*self.known, *named}, key=lambda pair: recording_key(*pair)):
            if pair not in self.said and pair[0] in self.artists:
                self._recording(pair, (self.ends(pair[0])[0], pair[1]))

    @staticmethod
    def _pairs(each: Said) -> list[Recording]:
        if each.what == "recordings":
            return [(each.of[0], each.of[1]), (each.then[0], each.then[1])]
        if each.what == "reassign":
            return [(each.of[0], each.of[1]), (each.then[0], each.of[1])]
        return []

    def _artist(self, source: str, then: tuple[str, ...]) -> None:
        if source not in self.artists and not any(self._leads(self.artists, each, source) for each in then):
            self.artists[source] = then

    def _recording(self, source: Recording, then: Recording) -> None:
        ways = {key: (target,) for key, target in self.recordings.items()}
        if source not in ways and source != then and not self._leads(ways, then, source):
            self.recordings[source] = then

    def _leads(self, ways: dict, start: object, wanted: object) -> bool:  # type: ignore[type-arg]
        return start == wanted or any(self._leads(ways, each, wanted) for each in ways.get(start, ()))

    def ends(self, artist: str) -> list[str]:
        found = [end for each in self.artists.get(artist, ()) for end in self.ends(each)] or [artist]
        return list(dict.fromkeys(found))

    def shown(self, pair: Recording) -> tuple[Recording, list[str]]:
        """Return the recording that one is shown as, and the artists whose plays its plays are."""
        by = pair[0]
        while pair in self.recordings:
            is_said = pair in self.said
            pair = self.recordings[pair]
            by = pair[0] if is_said else by
        return pair, self.ends(by)

    def count(self, plays: Iterable[Recording]) -> tuple[Counter[UUID], Counter[UUID]]:
        """Return plays by recording and by artist."""
        recordings: Counter[UUID] = Counter()
        artists: Counter[UUID] = Counter()
        for pair in plays:
            recording, credited = self.shown(pair)
            recordings[recording_key(*recording)] += 1
            artists.update(artist_key(artist) for artist in credited)
        return recordings, artists

    def name_of_artist(self, artist: str) -> str:
        return self._renamed("name of artist", (artist,)) or artist

    def _renamed(self, what: str, of: tuple[str, ...]) -> str:
        for layer in self.layers:
            for each in reversed(layer):
                if each.what == what and each.of == of:
                    return each.then[0]
        return ""
