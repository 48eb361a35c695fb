"""The rules of names."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.contracts.catalog import (
    Act,
    Artist,
    ArtistPage,
    CatalogEvent,
    Correction,
    Cover,
    Identifier,
    KeptCorrection,
    Recording,
    Scope,
    SearchResult,
    Shown,
    Sound,
    Tagging,
)
from app.contracts.events import FeedPage
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.kernel import context, feed
from app.kernel.clock import Clock
from app.kernel.contract import InvalidRequest
from app.kernel.db import Database
from app.modules.catalog import aliases, corrections, covers, descriptions, names, restoring, search, views

MAX_KEYS = 1000
MAX_FOUND = 100
MAX_RESTORED = 100
MAX_FEED = 50  # an event holds up to some hundred aliases
EVENT = msgspec.json.Decoder(CatalogEvent)


class CatalogService:
    """Implements `app.contracts.catalog.Catalog`."""

    def __init__(self, database: Database, services: Services, clock: Clock, *, has_covers: bool = False) -> None:
        self.database = database
        self.has_covers = has_covers
        self.services = services
        self.clock = clock

    def get_recordings(self, keys: list[UUID]) -> list[Recording]:
        _check(keys)
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select recording_key, title, artist, artist_key, release
                    from recording join unnest(cast(:keys as uuid[])) with ordinality as asked (key, place)
                         on recording_key = asked.key
                    order by asked.place
                    """
                ),
                {"keys": keys},
            ).all()
            return views.tagged_recordings(session, rows)

    def get_artists(self, keys: list[UUID]) -> list[Artist]:
        _check(keys)
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select artist_key, name
                    from artist join unnest(cast(:keys as uuid[])) with ordinality as asked (key, place)
                         on artist_key = asked.key
                    order by asked.place
                    """
                ),
                {"keys": keys},
            ).all()
            return views.tagged_artists(session, rows)

    def get_identifiers(self, keys: list[UUID]) -> list[Identifier]:
        _check(keys)
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    """
                    select distinct on (recording_key) recording_key, mbid
                    from identifier
                    where recording_key = any(:keys)
                    order by recording_key, mbid
                    """
                ),
                {"keys": keys},
            )
            return [Identifier(*row) for row in rows]

    def find_identifiers(self, mbids: list[UUID]) -> list[Identifier]:
        _check(mbids)
        with self.database.begin() as session:
            rows = session.execute(
                text("select recording_key, mbid from identifier where mbid = any(:mbids)"), {"mbids": mbids}
            )
            return [Identifier(*row) for row in rows]

    def find_cover(self, key: UUID) -> Cover | None:
        if not self.has_covers:
            return None
        with self.database.begin() as session:
            return covers.find(session, key, self.clock())

    def get_artist_page(self, key: UUID, limit: int = 50) -> ArtistPage:
        with self.database.begin() as session:
            return views.artist_page(session, context.actor().listener_id, key, max(1, min(limit, MAX_KEYS)))

    def search(self, text: str, limit: int = 20) -> SearchResult:
        count = max(1, min(limit, MAX_FOUND))
        with self.database.begin() as session:
            how = search.mode(session)
            artists = search.find(session, "artist", text, count, how)
            recordings = search.find(session, "recording", text, count, how)
            viewer = context.actor().listener_id
            return SearchResult(views.artists(session, viewer, artists), views.recordings(session, viewer, recordings))

    def search_mode(self) -> Literal["trigram", "prefix"]:
        with self.database.begin() as session:
            return search.mode(session)

    def add_tags(self, taggings: list[Tagging]) -> int:
        with self.database.begin() as session:
            count, tagged = names.tag(session, taggings)
            for kind, keys in tagged.items():
                descriptions.tell(session, kind, sorted(keys))
            return count

    def add_sounds(self, sounds: list[Sound]) -> int:
        with self.database.begin() as session:
            return descriptions.add_sounds(session, sounds)

    def resolve(self, kind: Kind, keys: list[UUID], with_unchanged: bool = False) -> list[Shown]:
        _check(keys)
        with self.database.begin() as session:
            return views.resolve(session, context.actor().listener_id, kind, keys, with_unchanged=with_unchanged)

    def add_correction(self, scope: Scope, act: Act) -> Correction:
        view = corrections.scope_of(scope)
        corrections.check(act)
        with self.database.begin() as session:
            subject, outcome = corrections.words(corrections.plan(session, view, act))
        if scope == "everyone":
            self._record(f"correction.{type(act).__struct_config__.tag}", subject, becomes=outcome)
        with self.database.begin() as session:
            return corrections.add(session, view, act, self.clock())

    def list_corrections(self, scope: Scope, before: datetime | None = None, limit: int = 100) -> list[Correction]:
        view = aliases.EVERYONE if scope == "everyone" else corrections.scope_of(scope)
        with self.database.begin() as session:
            return corrections.read(session, view, before, limit)

    def undo_correction(self, correction_id: UUID) -> None:
        with self.database.begin() as session:
            found = corrections.find(session, correction_id)
        if found.scope == "everyone":
            self._record("correction.undo", found.subject, was=found.outcome)
        with self.database.begin() as session:
            corrections.undo(session, correction_id)

    def _record(self, act: str, subject: str, **details: str) -> None:
        """Write what is done for everyone into the audit; where it can't be written it is not done."""
        self.services.accounts.record_act(act, subject[:200], details)

    def has_traces(self, listener_id: UUID) -> bool:
        with self.database.begin() as session:
            return corrections.has_traces(session, listener_id)

    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        with self.database.begin() as session:
            found = restoring.kept(session, listener_id)
        exported: dict[str, Any] = msgspec.to_builtins({"corrections": found}, str_keys=True)
        return exported

    def restore_corrections(self, listener_id: UUID, corrections: list[KeptCorrection]) -> list[bool]:
        if len(corrections) > MAX_RESTORED:
            raise InvalidRequest(f"restore at most {MAX_RESTORED} corrections at once")
        with self.database.begin() as session:
            return restoring.restore(session, listener_id, corrections)

    def feed(self, after: str, limit: int = 1000) -> FeedPage[CatalogEvent]:
        events, cursor = feed.read(self.database, after, max(1, min(limit, MAX_FEED)))
        return FeedPage([EVENT.decode(event) for event in events], cursor)


def _check(keys: Sequence[UUID]) -> None:
    if len(keys) > MAX_KEYS:
        raise InvalidRequest(f"ask for at most {MAX_KEYS} keys at once")
