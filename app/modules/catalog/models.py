"""Tables of the schema `catalog`.

`search_text` is the name as search compares it; `weight` says how well known it is and changes seldom.
"""

from uuid import UUID

from sqlalchemy import BigInteger, Computed, Index, SmallInteger, Text, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# as the server reads it back, so that a comparison with the migrations holds
WEIGHT = "(floor(((2)::double precision * ln(((1 + plays))::double precision))))::smallint"


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        UUID: postgresql.UUID(as_uuid=True),
        str: Text(),
        int: BigInteger(),
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


class TagRow(Base):
    """`key` is an artist's or a recording's."""

    __tablename__ = "tag"

    key: Mapped[UUID] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)


metadata = Base.metadata
