"""Learning names: from the feed of listens, and from data sets with tags."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import Tagging
from app.contracts.identity import EmptyName, artist_key, canonical, identify, split_guests
from app.contracts.listens import FoldedEvent, Kind, Listened, ListenedMany, PlaycountSet, Track, Unlistened
from app.modules.catalog import aliases
from app.modules.catalog.resolving import RecordingFacts
from app.modules.catalog.search import folded

SEARCHED = 300  # characters of a name that search looks at

# The name seen first stays; a release is filled in where it was missing.
ARTISTS = text(
    """
    insert into artist (artist_key, name, search_text, plays)
    select key, name, search_text, plays
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, name text, search_text text, plays bigint)
    on conflict (artist_key) do update set plays = artist.plays + excluded.plays
    """
)
RECORDINGS = text(
    """
    insert into recording (recording_key, artist_key, title, artist, release, search_text, plays)
    select key, artist_key, title, artist, release, search_text, plays
    from jsonb_to_recordset(cast(:rows as jsonb))
             as r (key uuid, artist_key uuid, title text, artist text, release text, search_text text, plays bigint)
    on conflict (recording_key) do update
        set plays = recording.plays + excluded.plays, release = coalesce(recording.release, excluded.release)
    """
)
IDENTIFIERS = text(
    """
    insert into identifier (mbid, recording_key)
    select mbid, key from jsonb_to_recordset(cast(:rows as jsonb)) as r (mbid uuid, key uuid)
    on conflict do nothing
    """
)
# Of a recording or release whose covers could be several, the first that was told stays.
RELEASES = text(
    """
    insert into cover_source (key, release_mbid)
    select key, release_mbid from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, release_mbid uuid)
    on conflict do nothing
    """
)
FEWER = text(
    """
    with gone as (
        select key, sum(plays)::bigint as plays
        from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, plays bigint)
        group by key
    ), artists as (
        update artist set plays = greatest(0, artist.plays - gone.plays) from gone where artist_key = gone.key
    )
    update recording set plays = greatest(0, recording.plays - gone.plays) from gone where recording_key = gone.key
    """
)


def learn(session: Session, events: Sequence[FoldedEvent]) -> None:
    """Take in a page of the feed. Nothing is kept of who played."""
    found = Names()
    gone: list[dict[str, Any]] = []
    identifiers: dict[UUID, UUID] = {}
    releases: dict[UUID, UUID] = {}

    def of(what: Listened | Track, plays: int) -> None:
        found.recording(what.recording_key, what.artist_key, what.artist, what.title, what.release, plays)
        if what.recording_mbid is not None:
            identifiers.setdefault(what.recording_mbid, what.recording_key)
        if what.release_mbid is not None:
            for key in filter(None, (what.recording_key, what.release_key)):
                releases.setdefault(key, what.release_mbid)

    for event in events:
        match event:
            case Listened():
                of(event, 1)
            case ListenedMany():
                plays = Counter(event.places)
                for place, track in enumerate(event.tracks):
                    of(track, plays[place])
            # a total counts once: whose it is and what it was before is not the catalog's to keep
            case PlaycountSet(recording_key=UUID() as key, title=str() as title):
                found.recording(key, event.artist_key, event.artist, title, None, 1)
            case PlaycountSet():
                found.artist(event.artist_key, event.artist, 1)
            case Unlistened():
                gone += [{"key": event.recording_key, "plays": 1}, {"key": event.artist_key, "plays": 1}]
    found.store(session)
    found.correct(session)
    if identifiers:
        rows = _json({"mbid": mbid, "key": identifiers[mbid]} for mbid in sorted(identifiers))
        session.execute(IDENTIFIERS, {"rows": rows})
    if releases:
        rows = _json({"key": key, "release_mbid": releases[key]} for key in sorted(releases))
        session.execute(RELEASES, {"rows": rows})
    if gone:
        session.execute(FEWER, {"rows": _json(gone)})


class Names:
    """Rows to store, each key once: PostgreSQL refuses to update one twice in a statement."""

    def __init__(self) -> None:
        self.artists: dict[UUID, dict[str, Any]] = {}
        self.recordings: dict[UUID, dict[str, Any]] = {}

    def artist(self, key: UUID, name: str, plays: int) -> None:
        row = self.artists.get(key)
        if row is None:
            name, _ = split_guests(name)  # a key stands for the artist alone
            self.artists[key] = row = {"key": key, "name": name, "search_text": _searched(name), "plays": 0}
        row["plays"] += plays

    def recording(self, key: UUID, artist: UUID, name: str, title: str, release: str | None, plays: int) -> None:
        self.artist(artist, name, plays)
        row = self.recordings.get(key)
        if row is None:
            self.recordings[key] = row = {
                "key": key,
                "artist_key": artist,
                "title": title,
                "artist": name,
                "release": release,
                "search_text": _searched(f"{title} {name}"),
                "plays": 0,
            }
        row["plays"] += plays
        row["release"] = row["release"] or release

    def store(self, session: Session) -> None:
        # in the order of keys: two writers that meet wait for each other instead of locking each other out
        for statement, rows in ((ARTISTS, self.artists), (RECORDINGS, self.recordings)):
            if rows:
                session.execute(statement, {"rows": _json(rows[key] for key in sorted(rows))})

    def correct(self, session: Session) -> None:
        """Let corrections of artists hold for recordings that were not known when they were made."""
        if self.recordings:
            aliases.learned(
                session,
                {
                    key: RecordingFacts(row["title"], row["artist"], row["artist_key"])
                    for key, row in self.recordings.items()
                },
            )


def _searched(name: str) -> str:
    return folded(name)[:SEARCHED]


def _json(rows: Iterable[dict[str, Any]]) -> str:
    return msgspec.json.encode(list(rows)).decode()


def tag(session: Session, taggings: Sequence[Tagging]) -> tuple[int, dict[Kind, set[UUID]]]:
    """Name items and tag them; return how many tags were new, and of what. A name that is empty is passed over."""
    found, rows = Names(), []
    kinds: dict[UUID, Kind] = {}
    for tagging in taggings:
        try:
            if tagging.title is None:
                key = artist_key(tagging.artist)
                kinds[key] = "artists"
                found.artist(key, tagging.artist, 0)
            else:
                identity = identify(tagging.artist, tagging.title)
                key = identity.recording_key
                kinds[key] = "recordings"
                found.recording(key, identity.artist_key, tagging.artist, tagging.title, None, 0)
        except EmptyName:
            continue
        rows += [{"key": key, "tag": name} for each in tagging.tags if (name := canonical(each)[:100])]
    found.store(session)
    found.correct(session)
    stored = session.execute(
        text(
            """
            insert into tag (key, tag)
            select key, tag from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, tag text)
            on conflict do nothing
            returning key
            """
        ),
        {"rows": _json(rows)},
    )
    keys = stored.scalars().all()
    tagged: dict[Kind, set[UUID]] = {}
    for key in keys:
        tagged.setdefault(kinds[key], set()).add(key)
    return len(keys), tagged


def forget_derived(session: Session) -> None:
    """Empty what the feed gave, before a replay; tags came from data sets and stay, with the names they are on."""
    session.execute(
        text(
            "delete from recording where not exists (select from tag where key = recording_key)"
            " and not exists (select from sound where sound.recording_key = recording.recording_key)"
        )
    )
    session.execute(
        text(
            """
            delete from artist
            where not exists (select from tag where key = artist_key)
              and not exists (select from recording where recording.artist_key = artist.artist_key)
            """
        )
    )
    session.execute(text("delete from identifier"))
    session.execute(text("delete from cover_source"))
    session.execute(text("update recording set plays = 0"))
    session.execute(text("update artist set plays = 0"))
