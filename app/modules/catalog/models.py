"""Tables of the schema `catalog`.

`search_text` is the name as search compares it; `weight` says how well known it is and changes seldom. In `scope` the
zero UUID stands for everyone, any other for the listener whose own view it is.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    REAL,
    BigInteger,
    Computed,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# as the server reads it back, so that a comparison with the migrations holds
WEIGHT = "(floor(((2)::double precision * ln(((1 + plays))::double precision))))::smallint"


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        UUID: postgresql.UUID(as_uuid=True),
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: postgresql.JSONB(),
        list[UUID]: postgresql.ARRAY(postgresql.UUID(as_uuid=True)),
    }


class ArtistRow(Base):
    __tablename__ = "artist"

    artist_key: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    search_text: Mapped[str]
    plays: Mapped[int] = mapped_column(server_default=text("0"))
    weight: Mapped[int] = mapped_column(SmallInteger(), Computed(WEIGHT, persisted=True), index=True)


class RecordingRow(Base):
    __tablename__ = "recording"

    recording_key: Mapped[UUID] = mapped_column(primary_key=True)
    artist_key: Mapped[UUID] = mapped_column(index=True)
    title: Mapped[str]
    artist: Mapped[str]
    release: Mapped[str | None]
    search_text: Mapped[str]
    plays: Mapped[int] = mapped_column(server_default=text("0"))
    weight: Mapped[int] = mapped_column(SmallInteger(), Computed(WEIGHT, persisted=True), index=True)


class IdentifierRow(Base):
    """A MusicBrainz identifier, as the first player told whose it is; a recording may have several."""

    __tablename__ = "identifier"

    mbid: Mapped[UUID] = mapped_column(primary_key=True)
    recording_key: Mapped[UUID]

    __table_args__ = (Index("identifier_recording", "recording_key"),)


class CoverSourceRow(Base):
    """Of which MusicBrainz release the cover of a recording or release is, as the first player told."""

    __tablename__ = "cover_source"

    key: Mapped[UUID] = mapped_column(primary_key=True)
    release_mbid: Mapped[UUID]


class CoverRow(Base):
    """A cover that somebody looked for: to be fetched from `due_at` on, unless that is null; without content, none."""

    __tablename__ = "cover"

    release_mbid: Mapped[UUID] = mapped_column(primary_key=True)
    content_type: Mapped[str | None]
    content: Mapped[bytes | None] = mapped_column(LargeBinary())
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime | None] = mapped_column(index=True)


class TagRow(Base):
    """`key` is an artist's or a recording's."""

    __tablename__ = "tag"

    key: Mapped[UUID] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)


class SoundRow(Base):
    """How loud a recording is, 0 to 1, and its `contracts.catalog.AUDIO_FEATURES` where they are known."""

    __tablename__ = "sound"

    recording_key: Mapped[UUID] = mapped_column(primary_key=True)
    energy: Mapped[float] = mapped_column(REAL())
    audio: Mapped[list[float] | None] = mapped_column(postgresql.ARRAY(REAL()))


class CorrectionRow(Base):
    """A correction that holds; `facts` are what it names as it was called, `keys` all that it has to do with."""

    __tablename__ = "correction"

    correction_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Identity())
    scope: Mapped[UUID]
    act: Mapped[dict[str, Any]]
    facts: Mapped[dict[str, Any]]
    keys: Mapped[list[UUID]]
    subject: Mapped[str]
    outcome: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("correction_scope", "scope", "created_at"),
        Index("correction_keys", "keys", postgresql_using="gin"),
    )


class AliasRow(Base):
    """What the corrections of a view amount to; `owner_key` is the artist (of an artist, itself) they hang on."""

    __tablename__ = "alias"

    scope: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    from_key: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    to_key: Mapped[UUID]
    name: Mapped[str]
    artist_key: Mapped[UUID | None]
    artist: Mapped[str | None]
    owner_key: Mapped[UUID]

    __table_args__ = (Index("alias_to", "kind", "to_key"), Index("alias_owner", "owner_key"))


metadata = Base.metadata
