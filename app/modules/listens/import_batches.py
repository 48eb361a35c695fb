"""Taking a batch of a history file over: its listens, totals, loves and playlists, and a report row for each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.identity import EmptyName, artist_key, identify
from app.contracts.imports import Import, ImportCounts, ImportPreview, SkippedFor, TopArtist
from app.contracts.listens import FeedbackSet, Kind, NewPlaycount
from app.kernel import feed
from app.modules.listens import log
from app.modules.listens import playcounts as totals
from app.modules.listens.formats import Count, Fix, Item, Mix, Opinion, Play, Skipped
from app.modules.listens.validation import Rejected, row_of

TAKEN, KNOWN, SKIPPED = "taken", "there already", "skipped"
TOP_ARTISTS = 5
MOST_REASONS = 30
ReportRow = tuple[str, ...]


@dataclass
class Batch:
    """Items of a file: the rows of its listens, and for each item what the report says."""

    items: Sequence[Item]
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)  # which item each row is of
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    def report(self) -> list[ReportRow]:
        return [_report_row(item, *outcome) for item, outcome in zip(self.items, self.outcomes, strict=True)]


def prepared(items: Sequence[Item], found: Import, client: str, now: datetime) -> Batch:
    """Return a batch with its listens checked."""
    batch = Batch(items)
    for place, item in enumerate(items):
        outcome = (TAKEN, "")
        if isinstance(item, Play):
            try:
                row = row_of(found.listener_id, item.listen, client, now)
            except Rejected as error:
                outcome = (SKIPPED, str(error))
            else:
                row["import_id"] = found.import_id
                batch.rows.append(row)
                batch.places.append(place)
        elif isinstance(item, Skipped):
            outcome = (SKIPPED, item.reason)
        batch.outcomes.append(outcome)
    return batch


def store(session: Session, batch: Batch, found: Import, client: str, now: datetime) -> None:
    """Store what the batch holds for `listens` and note the outcomes. Each item stored before changes nothing."""
    for number in log.insert_many(session, batch.rows):
        batch.outcomes[batch.places[number]] = (KNOWN, "")
    _store_counts(session, batch, found, client)
    for place, item in enumerate(batch.items):
        if isinstance(item, Opinion):
            batch.outcomes[place] = _store_opinion(session, item, found, now)


def _store_counts(session: Session, batch: Batch, found: Import, client: str) -> None:
    counts = [(place, item) for place, item in enumerate(batch.items) if isinstance(item, Count)]
    given = [NewPlaycount(found.listener_id, item.artist, item.title or None, item.plays) for _, item in counts]
    valid, rejected = totals.checked(given)
    for each in rejected:
        batch.outcomes[counts[each.index][0]] = (SKIPPED, each.reason)
    totals.put(session, [row for _, row in valid], client)


def _store_opinion(session: Session, item: Opinion, found: Import, now: datetime) -> tuple[str, str]:
    """Store a love or hate where nothing was said of the item yet."""
    kind: Kind = "recordings" if item.title else "artists"
    try:
        key = identify(item.artist, item.title).recording_key if item.title else artist_key(item.artist)
    except EmptyName:
        return SKIPPED, "artist or title is empty"
    stored = session.execute(
        text(
            """
            insert into feedback (listener_id, kind, key, value, at, import_id)
            values (:listener, :kind, :key, :value, :at, :import_id)
            on conflict do nothing
            """
        ),
        {
            "listener": found.listener_id,
            "kind": kind,
            "key": key,
            "value": item.value,
            "at": item.at or now,
            "import_id": found.import_id,
        },
    )
    if not stored.rowcount:  # type: ignore[attr-defined]
        return KNOWN, ""
    feed.append(session, [FeedbackSet(found.listener_id, kind, key, item.value)])
    return TAKEN, ""


def counted(counts: ImportCounts, batch: Batch) -> ImportCounts:
    """Return the counts with a batch added."""
    found: Counter[str] = Counter()
    names = {Play: "listens", Count: "playcounts", Opinion: "feedback", Mix: "playlists", Fix: "corrections"}
    for item, (outcome, _) in zip(batch.items, batch.outcomes, strict=True):
        if isinstance(item, Skipped) and item.what != "listen":
            continue  # told in the report; what is counted as left out is listens
        name = {SKIPPED: "skipped", KNOWN: "duplicates"}.get(outcome) or names[type(item)]
        found[name] += 1
    return structs.replace(counts, **{name: getattr(counts, name) + number for name, number in found.items()})


def _report_row(item: Item, outcome: str, reason: str) -> ReportRow:
    at = artist = title = ""
    if isinstance(item, Play):
        at, artist, title = _moment(item.listen.listened_at), item.listen.artist, item.listen.title
    elif isinstance(item, Count | Opinion):
        artist, title = item.artist, item.title
    elif isinstance(item, Mix):
        title = item.name
    return item.place, outcome, reason, at, artist, title


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat()[:19]}Z"


class Preview:
    """What a file holds, added up item by item."""

    def __init__(self) -> None:
        self.listens = self.playcounts = self.feedback = self.playlists = self.duplicates = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.artists: Counter[UUID] = Counter()
        self.names: dict[UUID, str] = {}
        self.skipped: Counter[str] = Counter()

    def add(self, batch: Batch) -> None:
        for item, (outcome, reason) in zip(batch.items, batch.outcomes, strict=True):
            if outcome == SKIPPED:
                self.skipped[reason] += 1
            elif isinstance(item, Count):
                self.playcounts += 1
            elif isinstance(item, Opinion):
                self.feedback += 1
            elif isinstance(item, Mix):
                self.playlists += 1
        self.listens += len(batch.rows)
        for row in batch.rows:
            self.artists[row["artist_key"]] += 1
            self.names.setdefault(row["artist_key"], row["artist"])
        times = [row["listened_at"] for row in batch.rows]
        if times:
            self.first = min([*times, self.first] if self.first else times)
            self.last = max([*times, self.last] if self.last else times)

    def result(self, notes: Sequence[str]) -> ImportPreview:
        return ImportPreview(
            listens=self.listens,
            duplicates=self.duplicates,
            first_listened_at=self.first,
            last_listened_at=self.last,
            artists=[TopArtist(self.names[key], plays) for key, plays in self.artists.most_common(TOP_ARTISTS)],
            skipped=[SkippedFor(reason, count) for reason, count in self.skipped.most_common(MOST_REASONS)],
            playcounts=self.playcounts,
            feedback=self.feedback,
            playlists=self.playlists,
            notes=list(notes)[:20],
        )
