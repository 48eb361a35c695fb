"""Tables of the schema `playlists`.

The entries of a playlist are one JSON value: they are always read and edited as a whole, so an edit is one update and
an order of its own needs no renumbering.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        UUID: postgresql.UUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        str: Text(),
        int: Integer(),
        bool: Boolean(),
        bytes: LargeBinary(),
        list[dict[str, Any]]: postgresql.JSONB(),
    }


class PlaylistRow(Base):
    """`week` is the ISO week of a generated one ("2026-W48"), empty for one made by hand."""

    __tablename__ = "playlist"
    __table_args__ = (UniqueConstraint("owner_id", "kind", "week", name="playlist_once_a_week"),)

    playlist_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=text("''"))
    is_public: Mapped[bool] = mapped_column(server_default=text("false"))
    kind: Mapped[str] = mapped_column(server_default=text("'manual'"))
    week: Mapped[str | None]
    entries: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(server_default=text("1"))


class LibraryRow(Base):
    """A listener's server. `library_id` is another with each connection: a sync of the one before writes nothing more.

    `sign_in` is "token", "password" or "key"; `credential` the password or key, sealed; `read` the songs read by the
    running sync.
    """

    __tablename__ = "library"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    library_id: Mapped[UUID]
    address: Mapped[str]
    user_name: Mapped[str]
    credential: Mapped[bytes]
    sign_in: Mapped[str]
    server: Mapped[str] = mapped_column(server_default=text("''"))
    songs: Mapped[int] = mapped_column(server_default=text("0"))
    read: Mapped[int | None]
    known: Mapped[int] = mapped_column(server_default=text("0"))
    played: Mapped[int] = mapped_column(server_default=text("0"))
    synced_at: Mapped[datetime | None]
    next_sync_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str] = mapped_column(server_default=text("''"))
    pushes_weekly: Mapped[bool] = mapped_column(server_default=text("false"))
    next_push_at: Mapped[datetime]
    push_failures: Mapped[int] = mapped_column(server_default=text("0"))
    weekly_error: Mapped[str] = mapped_column(server_default=text("''"))

    __table_args__ = (
        Index("library_next_sync", "next_sync_at"),
        Index("library_next_push", "next_push_at", postgresql_where=text("pushes_weekly")),
    )


class SongRow(Base):
    """A song of a library. `loose_key` is what it shares with recordings that might be it (see matching.py)."""

    __tablename__ = "song"

    listener_id: Mapped[UUID] = mapped_column(ForeignKey("library.listener_id", ondelete="CASCADE"), primary_key=True)
    song_id: Mapped[str] = mapped_column(primary_key=True)
    recording_key: Mapped[UUID]
    loose_key: Mapped[UUID]
    mbid: Mapped[UUID | None]
    artist: Mapped[str]
    title: Mapped[str]
    album: Mapped[str | None]
    duration_s: Mapped[int | None]
    path: Mapped[str | None]

    __table_args__ = (
        Index("song_recording", "listener_id", "recording_key"),
        Index("song_loose", "listener_id", "loose_key"),
        Index("song_mbid", "listener_id", "mbid", postgresql_where=text("mbid is not null")),
    )


class PushRow(Base):
    """What a playlist became on its owner's server, as of the last push."""

    __tablename__ = "push"

    listener_id: Mapped[UUID] = mapped_column(ForeignKey("library.listener_id", ondelete="CASCADE"), primary_key=True)
    playlist_id: Mapped[UUID] = mapped_column(ForeignKey("playlist.playlist_id", ondelete="CASCADE"), primary_key=True)
    remote_id: Mapped[str | None]
    matched: Mapped[int]
    total: Mapped[int]
    unmatched: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    pushed_at: Mapped[datetime]

    __table_args__ = (Index("push_playlist", "playlist_id"),)


metadata = Base.metadata
