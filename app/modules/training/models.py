"""Tables of the schema `training`.

`allowed_move` says which states of runs and models may follow each other; a trigger refuses every other move,
whoever asks for it.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

UNDER_WAY = text("state in ('queued', 'running', 'cancelling') and parent_run_id is null")
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
    schema_version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    files: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    new_bytes: Mapped[int] = mapped_column(server_default=text("0"))

    __table_args__ = (Index("snapshot_parent", "parent_id", postgresql_where=text("parent_id is not null")),)


class ErasureRow(Base):
    """An erased person, by pseudonym: no snapshot may hold them again."""

    __tablename__ = "erasure"

    pseudonym: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    is_applied: Mapped[bool] = mapped_column(server_default=text("false"))


class RunRow(Base):
    """At most one run of a kind is under way, beside its own children; `attempt` fences off a worker that was given up.

    `record` is what it takes to repeat the run, `resources` what it took.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("run_under_way", "kind", unique=True, postgresql_where=UNDER_WAY),
        Index("run_children", "parent_run_id", postgresql_where=text("parent_run_id is not null")),
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
    cause: Mapped[str] = mapped_column(server_default=text("'asked'"))
    parent_run_id: Mapped[UUID | None]
    reproduces: Mapped[UUID | None]
    record: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    resources: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class RunLogRow(Base):
    __tablename__ = "run_log"
    __table_args__ = (Index("run_log_of", "run_id", "position"),)

    position: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    run_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    message: Mapped[str]


class TransitionRow(Base):
    """Every move between states, written by a trigger; the process may add, and nothing else."""

    __tablename__ = "transition"
    __table_args__ = (Index("transition_of", "subject_id", "position"),)

    position: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    subject: Mapped[str]
    subject_id: Mapped[UUID]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    actor: Mapped[str]
    reason: Mapped[str]


class DataCheckRow(Base):
    """What was looked at in a snapshot before training on it."""

    __tablename__ = "data_check"
    __table_args__ = (CheckConstraint("level in ('ok', 'warn', 'stop')"),)

    snapshot_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str]
    value: Mapped[float | None]
    limit_: Mapped[float | None]
    message: Mapped[str]


class DriftRow(Base):
    """How far a snapshot's distribution of a feature is from another's, beside what chance explains."""

    __tablename__ = "drift"

    snapshot_id: Mapped[str] = mapped_column(primary_key=True)
    against_id: Mapped[str] = mapped_column(primary_key=True)
    feature: Mapped[str] = mapped_column(primary_key=True)
    psi: Mapped[float]
    limit_: Mapped[float]
    n: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class EvaluationRow(Base):
    """A figure of a run: of its model, a baseline, the champion on the same data, or the difference to it."""

    __tablename__ = "evaluation"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    cohort: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]
    low: Mapped[float | None]
    high: Mapped[float | None]
    listeners: Mapped[int] = mapped_column(Integer)


class GateDecisionRow(Base):
    __tablename__ = "gate_decision"

    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    is_passed: Mapped[bool]
    results: Mapped[list[Any]] = mapped_column(postgresql.JSONB())
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class ScheduleRow(Base):
    """When a kind is trained without being asked; `nightly_minute` is of the day, in UTC."""

    __tablename__ = "schedule"
    __table_args__ = (
        CheckConstraint(IS_KIND),
        CheckConstraint("nightly_minute between 0 and 1439"),
        CheckConstraint("new_share > 0"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    nightly_minute: Mapped[int | None] = mapped_column(Integer)
    new_share: Mapped[float | None]
    on_drift: Mapped[bool] = mapped_column(server_default=text("true"))
    prefers_low_carbon: Mapped[bool] = mapped_column(server_default=text("false"))
    considered_at: Mapped[datetime | None]
    decision: Mapped[str] = mapped_column(server_default=text("''"))


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


class ExperimentRow(Base):
    """At most one experiment of a kind runs; which listeners see which model follows from `salt` and `share`."""

    __tablename__ = "experiment"
    __table_args__ = (
        Index("experiment_running", "kind", unique=True, postgresql_where=text("state = 'running'")),
        CheckConstraint(IS_KIND),
        CheckConstraint("mode in ('shadow', 'canary', 'ab')"),
        CheckConstraint("treatment_id <> control_id"),
        CheckConstraint("share >= 0 and share <= 1"),
        CheckConstraint("alpha > 0 and alpha < 0.5"),
    )

    experiment_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    mode: Mapped[str]
    state: Mapped[str]
    control_id: Mapped[UUID]
    treatment_id: Mapped[UUID]
    share: Mapped[float]
    salt: Mapped[str]
    alpha: Mapped[float]
    min_days: Mapped[int] = mapped_column(Integer)
    min_listeners: Mapped[int] = mapped_column(Integer)
    promotes_itself: Mapped[bool]
    verdict: Mapped[str] = mapped_column(server_default=text("'undecided'"))
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]


class ExperimentDayRow(Base):
    """What an experiment had shown by the end of a day (or so far today): sums of each arm, no listeners."""

    __tablename__ = "experiment_day"

    experiment_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    control: Mapped[dict[str, Any]]
    treatment: Mapped[dict[str, Any]]
    effect: Mapped[float | None]
    low: Mapped[float | None]
    high: Mapped[float | None]


class TrustedKeyRow(Base):
    """A public key of another instance whose models this one takes in."""

    __tablename__ = "trusted_key"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    public_key: Mapped[str]
    name: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


metadata = Base.metadata
