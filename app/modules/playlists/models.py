"""Tables of the schema `playlists`.

The entries of a playlist are one JSON value: they are always read and edited as a whole, so an edit is one update and
an order of its own needs no renumbering.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, DateTime, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        UUID: postgresql.UUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        str: Text(),
        int: Integer(),
        bool: Boolean(),
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


metadata = Base.metadata
