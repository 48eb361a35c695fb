"""Forwarding listens to other services and fetching from them: a part of the contract of `listens`."""

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from app.kernel.contract import Access, DomainError, command, query

RelayService = Literal["listenbrainz", "lastfm", "segue"]
RelayDirection = Literal["push", "pull", "both"]


class RelayOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """What some services need besides; of Last.fm the key and secret of an API account (last.fm/api)."""

    api_key: Annotated[str, Meta(max_length=200)] = ""
    api_secret: Annotated[str, Meta(max_length=200)] = ""
    is_session_key: bool = False  # the credential is a session key of Last.fm, not the password
    pull_every_s: Annotated[int, Meta(ge=60, le=86_400)] = 900


class DeadLetter(Struct, frozen=True):
    """A listen that the other service did not take."""

    listened_at: datetime
    artist: str
    title: str
    reason: str


class Relay(Struct, frozen=True):
    """A connection to another service, without what signs in there.

    `paused` says why it waits for its owner, "" when it does not. `waiting` listens are to be sent, at `push_next_at`
    if that is known; `dead` were not taken, the newest of them are in `dead_letters`. `*_done_at` is the last success,
    `*_error` the last failure in words, "" once it went well again.
    """

    relay_id: UUID
    service: RelayService
    address: str
    user_name: str
    direction: RelayDirection
    is_enabled: bool
    paused: str
    pull_every_s: int
    created_at: datetime
    waiting: int
    dead: int
    dead_letters: list[DeadLetter]
    push_done_at: datetime | None
    push_error: str
    push_failed_at: datetime | None
    push_next_at: datetime | None
    pull_done_at: datetime | None
    pull_error: str
    pull_failed_at: datetime | None
    pull_next_at: datetime | None


class RelayCheck(Struct, frozen=True):
    """Whether the other service knows the listener, and in words what it said."""

    is_working: bool
    message: str
    user_name: str


class RelayNotFound(DomainError):
    """There is no such connection."""

    code, status = "listens.relay_not_found", 404


class InvalidRelay(DomainError):
    """This connection can't be made as it is."""

    code, status = "listens.invalid_relay", 422


class Relays(Protocol):
    @command(access=Access.OWNER)
    def add_relay(
        self,
        listener_id: UUID,
        service: RelayService,
        address: str,
        user_name: str,
        credential: str,
        direction: RelayDirection = "push",
        options: RelayOptions | None = None,
    ) -> Relay:
        """Connect to another service: new listens are forwarded from now on, or fetched from there, or both.

        `address` is the service's own where it is "" (never for another Segue); `credential` a token, of Last.fm the
        password or a session key. Nothing is asked there yet. Raises InvalidRelay.
        """

    @query(access=Access.OWNER)
    def list_relays(self, listener_id: UUID) -> list[Relay]:
        """The connections of a listener with their state, oldest first."""

    @command(access=Access.OWNER, idempotent=True)
    def set_relay(
        self,
        listener_id: UUID,
        relay_id: UUID,
        is_enabled: bool | None = None,
        direction: RelayDirection | None = None,
        credential: str | None = None,
    ) -> Relay:
        """Change what is given. One that is disabled keeps what waits, and takes up no new listens.

        A new credential ends a pause. Raises RelayNotFound, InvalidRelay.
        """

    @command(access=Access.OWNER, idempotent=True)
    def remove_relay(self, listener_id: UUID, relay_id: UUID) -> None:
        """Forget a connection with all that waits to be sent. Raises RelayNotFound."""

    @command(access=Access.OWNER, idempotent=True)
    def retry_relay(self, listener_id: UUID, relay_id: UUID) -> Relay:
        """Try at once, what was not taken included; ends a pause. Raises RelayNotFound."""

    @command(access=Access.OWNER, timeout=12)
    def test_relay(self, listener_id: UUID, relay_id: UUID) -> RelayCheck:
        """Ask the other service now whether it knows the listener. A good answer ends a pause. Raises RelayNotFound."""
