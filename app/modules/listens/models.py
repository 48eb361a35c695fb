"""Tables of the schema `listens`.

A listen keeps the names as its client sent them: it is accepted while the catalog is away, and reads need no join. The
primary key is also the index of history: it serves the newest page of a listener and one deep in the past alike.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PENDING = "state in ('waiting', 'sending', 'uncertain')"


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        UUID: postgresql.UUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        date: Date(),
        str: Text(),
        int: BigInteger(),
        bool: Boolean(),
        bytes: LargeBinary(),
        dict[str, Any]: postgresql.JSONB(),
    }


class ListenRow(Base):
    """A play, at a whole second. `duplicate_of` is the time of the listen that it repeats: it is hidden then.

    `extra` is what else a client told; `listened_at_is: "submission"` in it says that its time is not the start.
    """

    __tablename__ = "listen"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    listened_at: Mapped[datetime] = mapped_column(primary_key=True)
    recording_key: Mapped[UUID] = mapped_column(primary_key=True)
    artist_key: Mapped[UUID]
    release_key: Mapped[UUID | None]
    artist: Mapped[str]
    title: Mapped[str]
    release: Mapped[str | None]
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    client: Mapped[str] = mapped_column(server_default=text("''"))
    extra: Mapped[dict[str, Any] | None]
    duplicate_of: Mapped[datetime | None]
    inserted_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    import_id: Mapped[UUID | None]

    __table_args__ = (Index("listen_import", "import_id", postgresql_where=text("import_id is not null")),)


class PlaycountRow(Base):
    """`item_key` is the recording's key, or the artist's where a source counts artists only."""

    __tablename__ = "playcount"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    item_key: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    artist_key: Mapped[UUID]
    artist: Mapped[str]
    title: Mapped[str | None]
    plays: Mapped[int]


class FeedbackRow(Base):
    __tablename__ = "feedback"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(SmallInteger)
    at: Mapped[datetime]
    import_id: Mapped[UUID | None]


class PlayingNowRow(Base):
    __tablename__ = "playing_now"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_key: Mapped[UUID]
    artist_key: Mapped[UUID]
    artist: Mapped[str]
    title: Mapped[str]
    release: Mapped[str | None]
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    client: Mapped[str]
    extra: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime]
    until: Mapped[datetime]


class ImportMarkRow(Base):
    """How far an importer outside of Segue says that it came."""

    __tablename__ = "import_mark"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class ImportRow(Base):
    """An import of a file. What it took is known by the file's records `handled` so far: it goes on behind them."""

    __tablename__ = "import_run"

    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    listener_id: Mapped[UUID]
    filename: Mapped[str]
    format: Mapped[str]
    timezone: Mapped[str]
    size: Mapped[int]
    state: Mapped[str]
    handled: Mapped[int] = mapped_column(server_default=text("0"))
    progress: Mapped[float] = mapped_column(REAL, server_default=text("0"))
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    preview: Mapped[dict[str, Any] | None]
    report_bytes: Mapped[int] = mapped_column(server_default=text("0"))
    playlists: Mapped[list[UUID]] = mapped_column(
        postgresql.ARRAY(postgresql.UUID(as_uuid=True)), server_default=text("'{}'")
    )
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (
        Index("import_run_listener", "listener_id", "created_at"),
        Index(
            "import_run_waiting",
            "created_at",
            postgresql_where=text("state in ('examining', 'running', 'undoing')"),
        ),
    )


class RelayRow(Base):
    """A connection to another service. `paused` says in words why it waits for its owner, '' when it does not.

    `sealed` holds what signs in there. What is due is said by `push_next_at` (null: as soon as something waits) and
    `pull_next_at`; `pull_cursor` is up to when listens were fetched.
    """

    __tablename__ = "relay"

    relay_id: Mapped[UUID] = mapped_column(primary_key=True)
    listener_id: Mapped[UUID]
    service: Mapped[str]
    address: Mapped[str]
    user_name: Mapped[str]
    direction: Mapped[str]
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    paused: Mapped[str] = mapped_column(server_default=text("''"))
    sealed: Mapped[bytes]
    pull_every_s: Mapped[int]
    pull_cursor: Mapped[datetime]
    created_at: Mapped[datetime]
    push_failures: Mapped[int] = mapped_column(server_default=text("0"))
    push_next_at: Mapped[datetime | None]
    push_done_at: Mapped[datetime | None]
    push_error: Mapped[str] = mapped_column(server_default=text("''"))
    push_failed_at: Mapped[datetime | None]
    pull_failures: Mapped[int] = mapped_column(server_default=text("0"))
    pull_next_at: Mapped[datetime | None]
    pull_done_at: Mapped[datetime | None]
    pull_error: Mapped[str] = mapped_column(server_default=text("''"))
    pull_failed_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("listener_id", "service", "address", "user_name", name="relay_once"),)


class RelayItemRow(Base):
    """A listen on its way to another service.

    States: waiting; sending (a request is under way, or was when its worker died); uncertain (a request ended without
    an answer); dead (not taken, for `reason`); sent, kept for as long as the same listen could be queued once more.
    """

    __tablename__ = "relay_item"

    item_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    relay_id: Mapped[UUID] = mapped_column(ForeignKey("relay.relay_id", ondelete="CASCADE"))
    listener_id: Mapped[UUID]
    listened_at: Mapped[datetime]
    recording_key: Mapped[UUID]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("relay_id", "listened_at", "recording_key", name="relay_item_once"),
        Index("relay_item_pending", "relay_id", "item_id", postgresql_where=text(PENDING)),
        Index("relay_item_listener", "listener_id"),
    )


class PopularRow(Base):
    """What most listeners played, counted anew by the tick."""

    __tablename__ = "popular"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    artist_key: Mapped[UUID]
    title: Mapped[str]
    artist: Mapped[str]
    listeners: Mapped[int]
    plays: Mapped[int]


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


class ItemTotalRow(Base):
    """All plays of a recording on a release by one listener, as sent; `release_key` is the zero UUID where none was.

    A roll-up of `listen`, as the two that follow: `app.modules.listens.rollups` keeps them.
    """

    __tablename__ = "item_total"

    item_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    listener_id: Mapped[UUID]
    recording_key: Mapped[UUID]
    release_key: Mapped[UUID]
    artist_key: Mapped[UUID]
    artist: Mapped[str]
    title: Mapped[str]
    release: Mapped[str | None]
    plays: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("listener_id", "recording_key", "release_key", name="item_total_once"),
        Index("item_total_artist", "artist_key", "listener_id"),
    )


class ItemMonthRow(Base):
    """Its plays in a month of UTC; its keys stand here once more, so that counting by key looks at nothing else."""

    __tablename__ = "item_month"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    plays: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    recording_key: Mapped[UUID]
    release_key: Mapped[UUID]
    artist_key: Mapped[UUID]


class StampRow(Base):
    """When the roll-ups of a listener last changed."""

    __tablename__ = "stamp"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    changed_at: Mapped[datetime]


class QuarterHourRow(Base):
    """A listener's plays in a quarter of an hour: days and hours of every time zone are sums of such."""

    __tablename__ = "quarter_hour"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    plays: Mapped[int] = mapped_column(Integer)


metadata = Base.metadata
