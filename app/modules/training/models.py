"""Tables of the schema `training`.

`allowed_move` says which states of runs and models may follow each other; a trigger refuses every other move,
whoever asks for it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Float, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ACTIVE = text("state in ('queued', 'running', 'cancelling')")
IS_KIND = "kind in ('recordings', 'artists')"


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        UUID: postgresql.UUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        str: Text(),
        int: BigInteger(),
        float: Float(precision=53),
        dict[str, Any]: postgresql.JSONB(),
    }


class AllowedMoveRow(Base):
    __tablename__ = "allowed_move"

    subject: Mapped[str] = mapped_column(primary_key=True)
    from_state: Mapped[str] = mapped_column(primary_key=True)
    to_state: Mapped[str] = mapped_column(primary_key=True)


class SnapshotRow(Base):
    """`feed_cursor` is where the next snapshot goes on reading; one that replaces another names it, and why."""

    __tablename__ = "snapshot"

    snapshot_id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    rows: Mapped[int]
    listeners: Mapped[int]
    recordings: Mapped[int]
    artists: Mapped[int]
    feed_cursor: Mapped[str]
    bytes: Mapped[int]
    parent_id: Mapped[str | None]
    reason: Mapped[str | None]

    __table_args__ = (Index("snapshot_parent", "parent_id", postgresql_where=text("parent_id is not null")),)


class ErasureRow(Base):
    """An erased person, by pseudonym: no snapshot may hold them again."""

    __tablename__ = "erasure"

    pseudonym: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    is_applied: Mapped[bool] = mapped_column(server_default=text("false"))


class RunRow(Base):
    """At most one run of a kind is under way; `attempt` fences off a worker that was given up."""

    __tablename__ = "run"
    __table_args__ = (
        Index("run_active", "kind", unique=True, postgresql_where=ACTIVE),
        Index("run_newest", "created_at"),
        CheckConstraint(IS_KIND),
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    state: Mapped[str]
    progress: Mapped[float] = mapped_column(server_default=text("0"))
    step: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    snapshot_id: Mapped[str | None]
    model_id: Mapped[UUID | None]
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    rung_at: Mapped[datetime | None]
    error: Mapped[str | None]


class ModelRow(Base):
    """The same bytes are one model, however many runs made them; a kind has at most one champion."""

    __tablename__ = "model"
    __table_args__ = (
        UniqueConstraint("kind", "number", name="model_number"),
        UniqueConstraint("kind", "sha256", name="model_bytes"),
        Index("model_champion", "kind", unique=True, postgresql_where=text("state = 'champion'")),
        Index("model_sha256", "sha256"),
        CheckConstraint(IS_KIND),
    )

    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    run_id: Mapped[UUID | None]
    snapshot_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    promoted_at: Mapped[datetime | None]


metadata = Base.metadata
