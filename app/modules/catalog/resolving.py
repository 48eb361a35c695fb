"""What corrections amount to: from the acts that hold to what each key is shown as. Pure, so that an undo is exact.

An act says that some key is another one: an edge. Edges are taken from the strongest to the weakest (a listener's own,
everyone's, those that follow from artists), each in the order they were made, unless their key has a stronger one or
they would close a circle. A key is shown as the end of its way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, takewhile
from uuid import UUID

from msgspec import Struct

from app.contracts.catalog import Act, Alias, Merge, ReassignArtist, Rename, SplitArtist
from app.contracts.identity import EmptyName, artist_key, recording_key, split_guests
from app.contracts.listens import Kind


class RecordingFacts(Struct, frozen=True):
    title: str
    artist: str
    artist_key: UUID


class Facts(Struct, frozen=True):
    """What things are called without corrections."""

    artists: dict[UUID, str]
    recordings: dict[UUID, RecordingFacts]


class Stored(Struct, frozen=True):
    """An act with the facts of what it names, as they were when it was made."""

    act: Act
    facts: Facts


@dataclass(frozen=True)
class Resolved:
    """`owners` has for each aliased key the artist (or, of an artist, itself) whose acts decide over it."""

    aliases: dict[tuple[Kind, UUID], list[Alias]] = field(default_factory=dict)
    owners: dict[tuple[Kind, UUID], UUID] = field(default_factory=dict)


class Ways:
    """Edges without circles, and where they end."""

    def __init__(self) -> None:
        self.next: dict[UUID, tuple[UUID, ...]] = {}

    def take(self, key: UUID, targets: Sequence[UUID]) -> bool:
        """Take an edge; return False where its key has one already or it would close a circle."""
        if key in self.next or self.would_circle(key, targets):
            return False
        self.next[key] = tuple(targets)
        return True

    def would_circle(self, key: UUID, targets: Iterable[UUID]) -> bool:
        return key in self._passed(targets)

    def ends(self, key: UUID) -> list[UUID]:
        """Return the ends of the ways from a key, the main one first; the key itself where it has no edge."""
        return [each for each in self._passed([key]) if each not in self.next]

    def way(self, key: UUID) -> list[UUID]:
        """Return what is passed by the main way, the key first and its end last."""
        found = [key]
        while found[-1] in self.next:
            found.append(self.next[found[-1]][0])
        return found

    def _passed(self, keys: Iterable[UUID]) -> dict[UUID, None]:
        passed: dict[UUID, None] = {}
        waiting = list(keys)[::-1]
        while waiting:
            key = waiting.pop()
            if key not in passed:
                passed[key] = None
                waiting += self.next.get(key, ())[::-1]
        return passed


def bare(name: str) -> str:
    """Return an artist's name as its key has it, without guests."""
    return split_guests(name)[0]


def artist_edges(act: Act) -> list[tuple[UUID, list[UUID]]]:
    """Return which artists an act says are which."""
    match act:
        case Merge(kind="artists"):
            return [(source, [act.target]) for source in act.sources]
        case SplitArtist():
            keys = [artist_key(name) for name in act.names]
            return [(act.artist_key, keys if act.credit == "all" else keys[:1])]
    return []


def recording_edges(stored: Stored) -> list[tuple[UUID, UUID]]:
    """Return which recordings an act says are which."""
    match stored.act:
        case Merge(kind="recordings") as act:
            return [(source, act.target) for source in act.sources]
        case ReassignArtist() as act:
            return [(act.recording_key, recording_key(act.artist, stored.facts.recordings[act.recording_key].title))]
    return []


def with_targets(stored: Stored) -> Facts:
    """Return the facts that an act brings, those of what it makes included."""
    artists, recordings = dict(stored.facts.artists), dict(stored.facts.recordings)
    match stored.act:
        case SplitArtist(names=names):
            artists |= {artist_key(name): bare(name) for name in names if artist_key(name) not in artists}
        case ReassignArtist() as act:
            by = artist_key(act.artist)
            artists.setdefault(by, bare(act.artist))
            title = recordings[act.recording_key].title
            recordings.setdefault(recording_key(act.artist, title), RecordingFacts(title, artists[by], by))
    return Facts(artists, recordings)


def ways_of(layers: Iterable[Sequence[Stored]]) -> tuple[Ways, Ways]:
    """Return where artists and recordings go by the acts alone: the strongest layer first, in each the oldest act."""
    artists, recordings = Ways(), Ways()
    for stored in chain.from_iterable(layers):
        for key, targets in artist_edges(stored.act):
            artists.take(key, targets)
        for key, target in recording_edges(stored):
            recordings.take(key, [target])
    return artists, recordings


def resolve(layers: Sequence[Sequence[Stored]], known: Mapping[UUID, RecordingFacts]) -> Resolved:
    """Return the mapping that layers of acts amount to, as `ways_of` takes them.

    `known` are the recordings of the artists in them: one of an artist that is another now is the recording of the
    same title by that one.
    """
    facts = Facts({}, dict(known))
    for stored in chain.from_iterable(layers):
        brought = with_targets(stored)
        facts.artists.update(brought.artists)
        facts.recordings.update(brought.recordings)
    artists, recordings = ways_of(layers)
    explicit = set(recordings.next)
    made: dict[UUID, RecordingFacts] = {}
    for key in sorted(facts.recordings):
        fact = facts.recordings[key]
        if fact.artist_key in artists.next and key not in explicit:
            by = artists.ends(fact.artist_key)[0]
            target = recording_key_of(facts.artists[by], fact.title)
            if target is not None and target != key and recordings.take(key, [target]):
                made.setdefault(target, RecordingFacts(fact.title, facts.artists[by], by))
    names = _names(layers)
    for (kind, key), name in list(names.items()):
        # what follows from its artist takes a recording's new name along
        way = recordings.way(key) if kind == "recordings" else []
        for passed in takewhile(lambda each: each not in explicit, way):
            names.setdefault((kind, passed), name)
    found = Resolved()
    for key in {*artists.next, *(key for kind, key in names if kind == "artists")}:
        found.aliases["artists", key] = [
            Alias("artists", key, end, names.get(("artists", end)) or facts.artists[end], place)
            for place, end in enumerate(artists.ends(key))
        ]
        found.owners["artists", key] = key
    for key in {*recordings.next, *(key for kind, key in names if kind == "recordings")}:
        fact = facts.recordings.get(key) or made[key]
        found.aliases["recordings", key] = [_recording(key, fact, recordings.way(key), explicit, facts, names)]
        found.owners["recordings", key] = fact.artist_key
    return found


def recording_key_of(artist: str, title: str) -> UUID | None:
    try:
        return recording_key(artist, title)
    except EmptyName:  # a title that is nothing once it is normalised
        return None


def _names(layers: Sequence[Sequence[Stored]]) -> dict[tuple[Kind, UUID], str]:
    """Return the new names: of the strongest layer that gives one, the last."""
    names: dict[tuple[Kind, UUID], str] = {}
    for stored in chain.from_iterable(reversed(layer) for layer in layers):
        if isinstance(stored.act, Rename):
            names.setdefault((stored.act.kind, stored.act.key), stored.act.name)
    return names


def _recording(
    key: UUID,
    fact: RecordingFacts,
    way: list[UUID],
    explicit: set[UUID],
    facts: Facts,
    names: Mapping[tuple[Kind, UUID], str],
) -> Alias:
    end = way[-1]
    name = names.get(("recordings", end)) or facts.recordings.get(end, fact).title
    # the last one that somebody said it is; what follows from artists is by whoever these are now
    said = [after for before, after in pairwise(way) if before in explicit]
    credited = facts.recordings[said[-1]] if said else fact
    if credited.artist_key == fact.artist_key:
        return Alias("recordings", key, end, name)
    return Alias("recordings", key, end, name, artist_key=credited.artist_key, artist=credited.artist)
