"""Tables of the schema `recommendations`, all of them derived from the feeds of others."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, BigInteger, Date, DateTime, Float, Index, Integer, SmallInteger, Text, desc, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        UUID: postgresql.UUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        date: Date(),
        str: Text(),
        int: BigInteger(),
        list[str]: postgresql.ARRAY(Text()),
        float: Float(precision=53),
        list[int]: postgresql.ARRAY(BigInteger()),
        dict[str, Any]: postgresql.JSONB(),
    }


class ProfileItemRow(Base):
    """`plays` are counted (for an artist with the totals of their recordings), `playcount` is a total as told."""

    __tablename__ = "profile_item"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    plays: Mapped[int]
    playcount: Mapped[int]
    value: Mapped[int] = mapped_column(SmallInteger)
    last_at: Mapped[datetime | None]

    __table_args__ = (Index("profile_item_artist", "key", postgresql_where=text("kind = 'artists'")),)


class ItemRow(Base):
    """What somebody here played: its names, and how many did."""

    __tablename__ = "item"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str]
    artist: Mapped[str]
    artist_key: Mapped[UUID]
    listeners: Mapped[int]

    __table_args__ = (
        Index("item_popular", "kind", desc("listeners"), "key"),
        Index("item_artist", "artist_key", postgresql_where=text("kind = 'recordings'")),
    )


class ChampionRow(Base):
    """The model that serves a kind, as training last told: enough to serve while training is away.

    `trial` is a `contracts.experiments.Trial`, where a model is tried beside it.
    """

    __tablename__ = "champion"

    kind: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[UUID]
    sha256: Mapped[str]
    previous_sha256: Mapped[str | None]
    trial: Mapped[dict[str, Any] | None]


class AliasRow(Base):
    """What the catalog's corrections amount to, as its feed tells; in `scope` the zero UUID stands for everyone."""

    __tablename__ = "alias"

    scope: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    from_key: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    to_key: Mapped[UUID]
    name: Mapped[str]
    artist_key: Mapped[UUID | None]
    artist: Mapped[str | None]

    __table_args__ = (Index("alias_to", "kind", "to_key"),)


class ImpressionRow(Base):
    """An item was shown to a listener on a day on a shelf; `model` chose it, in an `arm` where an experiment runs."""

    __tablename__ = "impression"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    shelf: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    model: Mapped[str]
    arm: Mapped[str | None]
    shown_at: Mapped[datetime]
    clicked_at: Mapped[datetime | None]
    played_at: Mapped[datetime | None]
    opinion: Mapped[int | None] = mapped_column(SmallInteger)

    __table_args__ = (Index("impression_day", "day"),)


class LatestPlayRow(Base):
    """A listener's latest plays, as they were sent."""

    __tablename__ = "latest_play"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    listened_at: Mapped[datetime] = mapped_column(primary_key=True)
    recording_key: Mapped[UUID] = mapped_column(primary_key=True)
    artist_key: Mapped[UUID]


class DescriptionRow(Base):
    """What an item is like: its tags, and its energy from 0 (calm) to 1 (loud) where that is known.

    Of a recording also its `contracts.catalog.AUDIO_FEATURES` where they are known, and its names.
    """

    __tablename__ = "description"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    tags: Mapped[list[str]]
    energy: Mapped[float | None] = mapped_column(REAL())
    audio: Mapped[list[float] | None] = mapped_column(postgresql.ARRAY(REAL()))
    title: Mapped[str | None]
    artist: Mapped[str | None]
    artist_key: Mapped[UUID | None]

    __table_args__ = (Index("description_tags", "tags", postgresql_using="gin"),)


class LikenessRow(Base):
    """The recordings played here that a described one is most alike to, and how much, 0 to 1; most alike first.

    `is_new`: when that was last looked at nobody here had played it.
    """

    __tablename__ = "likeness"

    key: Mapped[UUID] = mapped_column(primary_key=True)
    near: Mapped[list[UUID]] = mapped_column(postgresql.ARRAY(postgresql.UUID(as_uuid=True)))
    weights: Mapped[list[float]] = mapped_column(postgresql.ARRAY(REAL()))
    is_new: Mapped[bool]

    __table_args__ = (Index("likeness_near", "near", postgresql_using="gin", postgresql_where=text("is_new")),)


class LikenessFitRow(Base):
    """One row: from what likeness was last fitted, when, and how long that took."""

    __tablename__ = "likeness_fit"

    is_only: Mapped[bool] = mapped_column(primary_key=True)
    seen: Mapped[str]
    fitted_at: Mapped[datetime]
    took_s: Mapped[float]


class StampRow(Base):
    """When what a listener's answers are made from last changed; the zero UUID stands for everyone."""

    __tablename__ = "stamp"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    changed_at: Mapped[datetime]


class TrustedKeyRow(Base):
    """A key whose models may serve, as training last told: enough to verify one while training is away."""

    __tablename__ = "trusted_key"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    public_key: Mapped[str]


class ServedByRow(Base):
    """What a process serves, since when, and when it last said so."""

    __tablename__ = "served_by"

    process: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    since: Mapped[datetime]
    opened_ms: Mapped[float]
    seen_at: Mapped[datetime]


class ModelAnswersRow(Base):
    """How a model answered in a second, in all processes; `within` counts answers by `answers.EDGES_MS`."""

    __tablename__ = "model_answers"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    answers: Mapped[int]
    errors: Mapped[int]
    empties: Mapped[int]
    within: Mapped[list[int]]
    shadowed: Mapped[int]
    overlap: Mapped[float]

    __table_args__ = (Index("model_answers_at", "at"),)


metadata = Base.metadata
