"""The rules of playlists."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.accounts import ListenerErased
from app.contracts.playlists import (
    EditConflict,
    Entry,
    Export,
    Format,
    InvalidPlaylist,
    NewEntry,
    Playlist,
    PlaylistNotFound,
    PlaylistWithEntries,
    Weekly,
)
from app.contracts.services import Services
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.db import Database
from app.modules.playlists import exports, weekly
from app.modules.playlists.library import MusicServers
from app.modules.playlists.library_push import Pushes, wanted
from app.modules.playlists.limits import check, check_span, entries_of

COLUMNS = """
    playlist_id, owner_id, name, description, is_public, kind, week, jsonb_array_length(entries) as entry_count,
    created_at, updated_at, revision
"""
ENTRIES = msgspec.json.Decoder(list[Entry])

Edit = Callable[[list[Entry]], list[Entry]]


class PlaylistsService(Pushes):
    """Implements `app.contracts.playlists.Playlists`."""

    def __init__(
        self, database: Database, services: Services, clock: Clock, public_url: str, servers: MusicServers
    ) -> None:
        self.database = database
        self.services = services
        self.clock = clock
        self.public_url = public_url
        self.servers = servers

    def create_playlist(
        self,
        listener_id: UUID,
        name: str,
        description: str = "",
        is_public: bool = False,
        entries: list[NewEntry] | None = None,
    ) -> Playlist:
        found = entries_of(entries or [])
        check(name, description, len(found))
        with self.database.begin() as session:
            return self._insert(session, listener_id, name.strip(), description, found, is_public=is_public)

    def _insert(
        self,
        session: Session,
        owner_id: UUID,
        name: str,
        description: str,
        entries: list[Entry],
        *,
        is_public: bool = False,
        kind: str = "manual",
        week: str | None = None,
    ) -> Playlist:
        """Store a playlist; of two generated ones of a week the first stays and is returned."""
        playlist_id = uuid.uuid4()
        given = {
            "id": playlist_id,
            "owner": owner_id,
            "name": name,
            "description": description,
            "is_public": is_public,
            "kind": kind,
            "week": week,
            "entries": _json(entries),
            "now": self.clock(),
        }
        session.execute(
            text(
                """
                insert into playlist (playlist_id, owner_id, name, description, is_public, kind, week, entries,
                                      created_at, updated_at)
                values (:id, :owner, :name, :description, :is_public, :kind, :week, cast(:entries as jsonb), :now, :now)
                on conflict (owner_id, kind, week) do nothing
                """
            ),
            given,
        )
        if week is not None:
            found = _weekly(session, owner_id, kind, week)
            assert found is not None
            return found
        return _playlist(_find(session, playlist_id))

    def list_playlists(self, listener_id: UUID) -> list[Playlist]:
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    f"select {COLUMNS} from playlist where owner_id = :owner order by updated_at desc, playlist_id"  # noqa: S608
                ),
                {"owner": listener_id},
            )
            return [Playlist(*row) for row in rows]

    def get_playlist(self, playlist_id: UUID) -> PlaylistWithEntries:
        with self.database.begin() as session:
            row = _find(session, playlist_id)
        if not (row.is_public or may_edit(row.owner_id)):
            raise PlaylistNotFound
        return PlaylistWithEntries(_playlist(row), ENTRIES.decode(row.entries))

    def edit_playlist(
        self,
        playlist_id: UUID,
        name: str | None = None,
        description: str | None = None,
        is_public: bool | None = None,
    ) -> Playlist:
        check("some name" if name is None else name, description or "", 0)
        with self.database.begin() as session:
            _own(session, playlist_id)
            session.execute(
                text(
                    """
                    update playlist
                    set name = coalesce(:name, name), description = coalesce(:description, description),
                        is_public = coalesce(:is_public, is_public), updated_at = :now, revision = revision + 1
                    where playlist_id = :id
                    """
                ),
                {
                    "id": playlist_id,
                    "name": name.strip() if name else None,
                    "description": description,
                    "is_public": is_public,
                    "now": self.clock(),
                },
            )
            return _playlist(_find(session, playlist_id))

    def add_entries(self, playlist_id: UUID, entries: list[NewEntry], position: int | None = None) -> Playlist:
        found = entries_of(entries)

        def add(known: list[Entry]) -> list[Entry]:
            place = len(known) if position is None else position
            if not 0 <= place <= len(known):
                raise InvalidPlaylist(f"there is no position {place}")
            return [*known[:place], *found, *known[place:]]

        return self._edit(playlist_id, add, None)

    def move_entry(
        self, playlist_id: UUID, source: int, target: int, revision: int | None = None, count: int = 1
    ) -> Playlist:
        def move(known: list[Entry]) -> list[Entry]:
            check_span(source, count, known)
            check_span(target, count, known)
            moved = known[:source] + known[source + count :]
            return [*moved[:target], *known[source : source + count], *moved[target:]]

        return self._edit(playlist_id, move, revision)

    def remove_entry(self, playlist_id: UUID, position: int, revision: int | None = None, count: int = 1) -> Playlist:
        def remove(known: list[Entry]) -> list[Entry]:
            check_span(position, count, known)
            return known[:position] + known[position + count :]

        return self._edit(playlist_id, remove, revision)

    def _edit(self, playlist_id: UUID, edit: Edit, revision: int | None) -> Playlist:
        """Change the entries while the row is locked. Raises EditConflict for another revision than the given one."""
        with self.database.begin() as session:
            row = _own(session, playlist_id)
            if revision is not None and revision != row.revision:
                raise EditConflict
            entries = edit(ENTRIES.decode(row.entries))
            check(row.name, "", len(entries))
            session.execute(
                text(
                    """
                    update playlist
                    set entries = cast(:entries as jsonb), updated_at = :now, revision = revision + 1
                    where playlist_id = :id
                    """
                ),
                {"id": playlist_id, "entries": _json(entries), "now": self.clock()},
            )
            return _playlist(_find(session, playlist_id))

    def delete_playlist(self, playlist_id: UUID) -> None:
        with self.database.begin() as session:
            _own(session, playlist_id)
            session.execute(text("delete from playlist where playlist_id = :id"), {"id": playlist_id})

    def export_playlist(self, playlist_id: UUID, format: Format) -> Export:
        found = self.get_playlist(playlist_id)
        is_own = context.actor().listener_id == found.playlist.owner_id
        creator = context.actor().name if is_own else "a listener"
        paths = self._paths(found.entries) if format == "m3u8" else {}
        return exports.export(found.playlist, found.entries, format, self.public_url, creator, paths)

    def _paths(self, entries: Sequence[Entry]) -> dict[UUID, str]:
        """Return where the files of entries lie in the library of whoever asks."""
        listener_id = context.actor().listener_id
        songs = self.find_wanted(listener_id, [wanted(entry) for entry in entries]) if listener_id else {}
        return {key: song.path for key, song in songs.items() if song.path}

    def generate_weekly(self, listener_id: UUID, which: Weekly = "mix") -> Playlist:
        week, name = weekly.week_of(self.clock(), which)
        kind = weekly.KINDS[which][0]
        with self.database.begin() as session:
            found = _weekly(session, listener_id, kind, week)
        if found is not None and not weekly.is_waiting(found):
            return found
        entries, description = self._jams(listener_id) if which == "jams" else self._new(listener_id, which)
        with self.database.begin() as session:
            if found is None:
                return self._insert(session, listener_id, name, description, entries, kind=kind, week=week)
            if entries:
                self._fill(session, found.playlist_id, entries, description)
            return _playlist(_find(session, found.playlist_id))

    def _jams(self, listener_id: UUID) -> tuple[list[Entry], str]:
        loved = self.services.recommendations.known_and_loved(listener_id, weekly.LENGTH)
        entries = [Entry(item.key, item.title, item.artist, item.artist_key) for item in loved]
        return entries, weekly.describe_jams(entries)

    def _new(self, listener_id: UUID, which: Weekly) -> tuple[list[Entry], str]:
        recommend = self.services.recommendations.recommend
        steering = weekly.EXPLORING if which == "exploration" else None
        recommended = recommend(listener_id, "recordings", weekly.CANDIDATES, steering=steering)
        is_new = bool(recommended.items)
        if not is_new:
            recommended = recommend(listener_id, "recordings", weekly.CANDIDATES, include_known=True)
        entries = weekly.choose(recommended.items)
        return entries, weekly.describe(entries, is_popular=recommended.degraded, is_new=is_new)

    def _fill(self, session: Session, playlist_id: UUID, entries: list[Entry], description: str) -> None:
        """Store what a waiting playlist was made for, unless somebody was faster."""
        session.execute(
            text(
                """
                update playlist
                set entries = cast(:entries as jsonb), description = :description, updated_at = :now,
                    revision = revision + 1
                where playlist_id = :id and entries = '[]' and revision = 1
                """
            ),
            {"id": playlist_id, "entries": _json(entries), "description": description, "now": self.clock()},
        )

    def has_traces(self, listener_id: UUID) -> bool:
        with self.database.begin() as session:
            found = session.execute(
                text(
                    """
                    select exists (select 1 from playlist where owner_id = :owner
                                   union all
                                   select 1 from library where listener_id = :owner)
                    """
                ),
                {"owner": listener_id},
            )
            return bool(found.scalar_one())

    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        with self.database.begin() as session:
            rows = session.execute(
                text(
                    f"""
                    select {COLUMNS}, entries::text as entries
                    from playlist
                    where owner_id = :owner
                    order by created_at
                    """  # noqa: S608
                ),
                {"owner": listener_id},
            ).all()
        found = [PlaylistWithEntries(_playlist(row), ENTRIES.decode(row.entries)) for row in rows]
        exported: dict[str, Any] = msgspec.to_builtins({"playlists": found, "library": self.get_library(listener_id)})
        return exported


def may_edit(owner_id: UUID) -> bool:
    actor = context.actor()
    return actor.kind == "service" or actor.is_admin or actor.listener_id == owner_id


def _json(entries: Sequence[Entry]) -> str:
    return msgspec.json.encode(list(entries)).decode()


def _find(session: Session, playlist_id: UUID, *, lock: str = "") -> Row[Any]:
    row = session.execute(
        text(f"select {COLUMNS}, entries::text as entries from playlist where playlist_id = :id {lock}"),  # noqa: S608
        {"id": playlist_id},
    ).one_or_none()
    if row is None:
        raise PlaylistNotFound
    return row


def _own(session: Session, playlist_id: UUID) -> Row[Any]:
    """Return and lock a playlist that the actor may edit. Raises PlaylistNotFound."""
    row = _find(session, playlist_id, lock="for update")
    if not may_edit(row.owner_id):
        raise PlaylistNotFound
    return row


def _weekly(session: Session, owner_id: UUID, kind: str, week: str) -> Playlist | None:
    row = session.execute(
        text(f"select {COLUMNS} from playlist where owner_id = :owner and kind = :kind and week = :week"),  # noqa: S608
        {"owner": owner_id, "kind": kind, "week": week},
    ).one_or_none()
    return None if row is None else _playlist(row)


def _playlist(row: Row[Any]) -> Playlist:
    return msgspec.convert(dict(row._mapping), Playlist)


def forget_erased(session: Session, events: Sequence[ListenerErased]) -> None:
    """Delete the playlists and libraries of people that accounts erased."""
    erased = {"erased": [event.listener_id for event in events]}
    session.execute(text("delete from library where listener_id = any(:erased)"), erased)
    session.execute(text("delete from playlist where owner_id = any(:erased)"), erased)
