"""Tables of schema `accounts`. The rules are in the themed files beside it; `audit` refuses changes by a trigger."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, Identity, Index, Integer, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), str: Text, bytes: LargeBinary}


metadata = Base.metadata


def _owner(*, primary_key: bool = False, unique: bool = False) -> Mapped[UUID]:
    return mapped_column(
        ForeignKey("listener.listener_id", ondelete="CASCADE"), primary_key=primary_key, unique=unique or None
    )


class ListenerRow(Base):
    __tablename__ = "listener"

    listener_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    name: Mapped[str]
    is_admin: Mapped[bool]
    is_disabled: Mapped[bool]
    password_hash: Mapped[str | None]
    preferences: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("listener_name", text("lower(name)"), unique=True),
        Index("listener_admin", "listener_id", postgresql_where=text("is_admin")),
    )


class SessionRow(Base):
    __tablename__ = "session"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    listener_id: Mapped[UUID] = _owner()
    client: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]

    __table_args__ = (Index("session_listener", "listener_id"), Index("session_last_used", "last_used_at"))


class RefreshTokenRow(Base):
    """Every token of a session's chain: the one without `used_at` is next, the others betray a thief."""

    __tablename__ = "refresh_token"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("session.session_id", ondelete="CASCADE"))
    issued_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (
        Index("refresh_token_session", "session_id"),
        Index("refresh_token_used", "used_at", postgresql_where=text("used_at is not null")),
    )


class ApiTokenRow(Base):
    """`md5_hash` is there only with the scope scrobble: the Audioscrobbler protocols prove a token by it."""

    __tablename__ = "api_token"

    token_id: Mapped[UUID] = mapped_column(primary_key=True)
    listener_id: Mapped[UUID] = _owner()
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    md5_hash: Mapped[str | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]

    __table_args__ = (Index("api_token_listener", "listener_id"),)


class TokenRequestRow(Base):
    """One of the last requests of a player; nobody's where its token is unknown."""

    __tablename__ = "token_request"

    request_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    listener_id: Mapped[UUID | None] = mapped_column(ForeignKey("listener.listener_id", ondelete="CASCADE"))
    token_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_token.token_id", ondelete="CASCADE"))
    at: Mapped[datetime]
    protocol: Mapped[str]
    what: Mapped[str]
    client: Mapped[str]
    app: Mapped[str]
    address: Mapped[str]
    is_accepted: Mapped[bool]
    outcome: Mapped[str]

    __table_args__ = (
        Index("token_request_listener", "listener_id", "at"),
        Index("token_request_token", "token_id", postgresql_where=text("token_id is not null")),
    )


class AppAuthorizationRow(Base):
    """A person's consent to an application, until it fetches its session."""

    __tablename__ = "app_authorization"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    app: Mapped[str]
    token_id: Mapped[UUID] = mapped_column(ForeignKey("api_token.token_id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]


class SigningKeyRow(Base):
    """An Ed25519 key; `private_key` is sealed, and emptied when the key retires."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(primary_key=True)
    public_key: Mapped[str]
    private_key: Mapped[bytes | None]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class SecondFactorRow(Base):
    """A TOTP secret in force, one that waits to be confirmed, or both; sealed."""

    __tablename__ = "second_factor"

    listener_id: Mapped[UUID] = _owner(primary_key=True)
    secret: Mapped[bytes | None]
    pending_secret: Mapped[bytes | None]
    last_step: Mapped[int] = mapped_column(BigInteger)


class RecoveryCodeRow(Base):
    __tablename__ = "recovery_code"

    listener_id: Mapped[UUID] = _owner(primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    is_pending: Mapped[bool]


class InvitationRow(Base):
    """`is_setup` marks the link that makes the first administrator, void once there is one."""

    __tablename__ = "invitation"

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    is_admin: Mapped[bool]
    is_setup: Mapped[bool]
    expires_at: Mapped[datetime]


class ResetRow(Base):
    __tablename__ = "password_reset"

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    listener_id: Mapped[UUID] = _owner(unique=True)
    expires_at: Mapped[datetime]


class LoginAttemptRow(Base):
    """Failed sign-ins of late, by account and by address; `key` is a hash, never a name."""

    __tablename__ = "login_attempt"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime]

    __table_args__ = (Index("login_attempt_last", "last_at"),)


class AuditRow(Base):
    """Who did what; persons by id only, so that their erasure leaves no name behind."""

    __tablename__ = "audit"

    audit_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]
    act: Mapped[str]
    subject_id: Mapped[UUID | None]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (Index("audit_at", "at", "audit_id"),)
