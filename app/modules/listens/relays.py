"""Connections to other services: made, shown, changed, tested. What travels over them is `relay_work`'s."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.relays import (
    DeadLetter,
    InvalidRelay,
    Relay,
    RelayCheck,
    RelayDirection,
    RelayNotFound,
    RelayOptions,
    RelayService,
)
from app.kernel import context
from app.kernel.clock import Clock
from app.kernel.contract import DomainError
from app.kernel.db import Database
from app.kernel.outgoing import Outgoing
from app.kernel.sealing import CannotOpen, Sealer
from app.modules.listens import log, outbox
from app.modules.listens.models import PENDING, RelayRow
from app.modules.listens.peer_lastfm import LastFm
from app.modules.listens.peer_listenbrainz import ListenBrainz
from app.modules.listens.peers import Peer, PeerAway, PeerRefused, PeerUnauthorised

ADDRESSES = {"listenbrainz": "https://api.listenbrainz.org", "lastfm": "https://ws.audioscrobbler.com/2.0/"}
MAX_RELAYS = 10
SHOWN_DEAD = 20
REQUEST_S = 10.0
UNREADABLE = "what signs in there can't be read any more; enter it again"


class Credential(Struct, frozen=True):
    """What signs in at the other service, as it is sealed."""

    secret: str
    api_key: str = ""
    api_secret: str = ""
    is_session_key: bool = False


class Relays:
    """`sealer` is asked for when it is needed: a process that only reads listens has no use for the secret."""

    def __init__(self, database: Database, clock: Clock, sealer: Callable[[], Sealer], outgoing: Outgoing) -> None:
        self.database = database
        self.clock = clock
        self.sealer = sealer
        self.outgoing = outgoing

    def add(
        self,
        listener_id: UUID,
        service: RelayService,
        address: str,
        user_name: str,
        credential: str,
        direction: RelayDirection,
        options: RelayOptions,
    ) -> Relay:
        address, user_name, credential = checked_address(service, address), user_name.strip(), credential.strip()
        check_fields(service, user_name, credential, direction, options)
        now, relay_id = self.clock(), uuid4()
        kept = Credential(credential, options.api_key.strip(), options.api_secret.strip(), options.is_session_key)
        row = RelayRow(
            relay_id=relay_id,
            listener_id=listener_id,
            service=service,
            address=address,
            user_name=user_name,
            direction=direction,
            sealed=self.seal(relay_id, kept),
            pull_every_s=options.pull_every_s,
            pull_cursor=now,
            pull_next_at=now,
            created_at=now,
        )
        with self.database.begin() as session:
            if log.lock_listeners(session, [listener_id]):
                raise InvalidRelay("this account was deleted")
            others = session.query(RelayRow).filter_by(listener_id=listener_id).all()
            if len(others) >= MAX_RELAYS:
                raise InvalidRelay(f"there are {MAX_RELAYS} connections already; remove one first")
            if any(is_same(each, row) for each in others):
                raise InvalidRelay("there is a connection to this account already")
            session.add(row)
            session.flush()
            session.refresh(row)
            return shown(session, row)

    def all_of(self, listener_id: UUID) -> list[Relay]:
        with self.database.begin() as session:
            rows = session.query(RelayRow).filter_by(listener_id=listener_id).order_by(RelayRow.created_at).all()
            return [shown(session, row) for row in rows]

    def change(
        self,
        listener_id: UUID,
        relay_id: UUID,
        is_enabled: bool | None,
        direction: RelayDirection | None,
        credential: str | None,
    ) -> Relay:
        with self.database.begin() as session:
            row = self.row(session, listener_id, relay_id)
            if is_enabled is not None:
                row.is_enabled = is_enabled
            if credential is not None:
                try:
                    before = self.credential(row)
                except PeerUnauthorised:
                    before = Credential("")
                row.sealed = self.seal(relay_id, msgspec.structs.replace(before, secret=credential.strip()))
                resume(row)
            if direction is not None:
                row.direction = direction
                if direction != "push":
                    row.pull_next_at = row.pull_next_at or self.clock()
            if credential is not None or direction is not None:
                kept = self.credential(row)
                options = RelayOptions(kept.api_key, kept.api_secret, kept.is_session_key, row.pull_every_s)
                check_fields(row.service, row.user_name, kept.secret, row.direction, options)
            session.flush()
            return shown(session, row)

    def remove(self, listener_id: UUID, relay_id: UUID) -> None:
        with self.database.begin() as session:
            session.delete(self.row(session, listener_id, relay_id))

    def retry(self, listener_id: UUID, relay_id: UUID) -> Relay:
        with self.database.begin() as session:
            row = self.row(session, listener_id, relay_id)
            resume(row)
            if row.direction != "push":
                row.pull_next_at = self.clock()
            session.flush()
            outbox.revive(session, relay_id, self.clock())
            return shown(session, row)

    def test(self, listener_id: UUID, relay_id: UUID) -> RelayCheck:
        with self.database.begin() as session:
            row = self.row(session, listener_id, relay_id)
        try:
            name = self.peer(row).check()
        except PeerUnauthorised as error:
            return RelayCheck(is_working=False, message=f"It does not let Segue in: {error}", user_name=row.user_name)
        except (PeerAway, PeerRefused, DomainError) as error:
            return RelayCheck(is_working=False, message=f"No good answer: {error}", user_name=row.user_name)
        with self.database.begin() as session:
            row = self.row(session, listener_id, relay_id)
            if row.paused:
                resume(row)
        return RelayCheck(is_working=True, message=f"It works: you are {name} there.", user_name=name)

    def row(self, session: Session, listener_id: UUID, relay_id: UUID) -> RelayRow:
        row = session.get(RelayRow, relay_id, with_for_update=True)
        if row is None or row.listener_id != listener_id:
            raise RelayNotFound
        return row

    def seal(self, relay_id: UUID, credential: Credential) -> bytes:
        return self.sealer().seal(msgspec.json.encode(credential), f"relay {relay_id}")

    def credential(self, row: RelayRow) -> Credential:
        """Raises PeerUnauthorised: only the listener can mend that."""
        try:
            return msgspec.json.decode(self.sealer().open(bytes(row.sealed), f"relay {row.relay_id}"), type=Credential)
        except CannotOpen:
            raise PeerUnauthorised(UNREADABLE) from None

    def peer(self, row: RelayRow) -> Peer:
        """Return the other service of a connection. Raises PeerUnauthorised."""
        kept = self.credential(row)
        if row.service != "lastfm":
            return ListenBrainz(self.outgoing, row.address, row.user_name, kept.secret, request_s)

        def keep(session_key: str) -> None:
            """The password is not needed any more."""
            session_only = msgspec.structs.replace(kept, secret=session_key, is_session_key=True)
            self._keep(row.relay_id, self.seal(row.relay_id, session_only), bytes(row.sealed))

        return LastFm(
            self.outgoing,
            row.address,
            row.user_name,
            kept.secret,
            request_s,
            api_key=kept.api_key,
            api_secret=kept.api_secret,
            is_session_key=kept.is_session_key,
            keep=keep,
        )

    def _keep(self, relay_id: UUID, sealed: bytes, before: bytes) -> None:
        """Replace what signs in, unless its owner did that meanwhile."""
        with self.database.begin() as session:
            session.execute(
                text("update relay set sealed = :sealed where relay_id = :relay and sealed = :before"),
                {"relay": relay_id, "sealed": sealed, "before": before},
            )


def request_s() -> float:
    """Return how long one request may take: within the time of who waits for it."""
    left = context.current().remaining_s()
    return REQUEST_S if left is None else max(min(REQUEST_S, left - 1), 0.1)


def resume(row: RelayRow) -> None:
    """Let a connection go on at once."""
    row.paused = ""
    row.push_failures = row.pull_failures = 0
    row.push_next_at = None


def checked_address(service: RelayService, address: str) -> str:
    """Return the address of a service in one form. Raises InvalidRelay."""
    address = address.strip() or ADDRESSES.get(service, "")
    if not address:
        raise InvalidRelay("say at which address the other Segue is")
    parts = urlsplit(address if "://" in address else f"https://{address}")
    try:
        named, _ = parts.hostname, parts.port
    except ValueError:
        named = None
    if parts.scheme not in {"http", "https"} or not named or len(address) > 500 or "\0" in address:
        raise InvalidRelay("the address is not one of the web, such as https://listenbrainz.example")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidRelay("the address holds more than a host and a path")
    path = parts.path.rstrip("/")
    if service == "lastfm":
        path = (path or "/2.0") + "/"
    return urlunsplit((parts.scheme, parts.netloc.lower(), path.removesuffix("/1"), "", ""))


def check_fields(service: str, user_name: str, credential: str, direction: str, options: RelayOptions) -> None:
    """Raise InvalidRelay where something is missing, or longer than anything real."""
    if max(len(user_name), len(credential)) > 500 or any("\0" in each for each in (user_name, credential)):
        raise InvalidRelay("the name or credential is too long, or holds a NUL character")
    if service == "lastfm":
        if not user_name:
            raise InvalidRelay("say your user name there")
        if not options.api_key.strip():
            raise InvalidRelay("Last.fm asks for an API key; make one at https://www.last.fm/api/account/create")
        if direction != "pull" and not (credential and options.api_secret.strip()):
            raise InvalidRelay("sending needs your password or session key, and the secret of the API key")
    elif not credential:
        raise InvalidRelay("enter your token of the other service")


def is_same(one: RelayRow, other: RelayRow) -> bool:
    """Whether two connections lead to one account; a name that is not given may be any."""
    names = {one.user_name.casefold(), other.user_name.casefold()}
    return one.address == other.address and (len(names) == 1 or "" in names)


def shown(session: Session, row: RelayRow) -> Relay:
    """Return a connection as its listener sees it."""
    counts = session.execute(
        text(
            f"""
            select count(*) filter (where {PENDING}) as waiting, count(*) filter (where state = 'dead') as dead
            from relay_item where relay_id = :relay
            """  # noqa: S608
        ),
        {"relay": row.relay_id},
    ).one()
    dead = session.execute(
        text(
            """
            select i.listened_at, l.artist, l.title, i.reason
            from relay_item i join listen l using (listener_id, listened_at, recording_key)
            where i.relay_id = :relay and i.state = 'dead'
            order by i.listened_at desc
            limit :limit
            """
        ),
        {"relay": row.relay_id, "limit": SHOWN_DEAD},
    )
    values: dict[str, Any] = {
        "waiting": counts.waiting,
        "dead": counts.dead,
        "dead_letters": [DeadLetter(each.listened_at, each.artist, each.title, each.reason) for each in dead],
        "push_next_at": row.push_next_at if counts.waiting else None,
        "pull_next_at": row.pull_next_at if row.direction != "push" else None,
    }
    for name in Relay.__struct_fields__:
        values.setdefault(name, getattr(row, name, None))
    return Relay(**values)


def due(session: Session, now: datetime) -> list[UUID]:
    """Return the connections that have something to do, those that had their turn longest ago first."""
    found = session.execute(
        text(
            f"""
            select relay_id
            from relay r
            where is_enabled
              and paused = ''
              and (
                direction <> 'pull'
                  and (push_next_at is null or push_next_at <= :now)
                  and exists (select from relay_item i where i.relay_id = r.relay_id and {PENDING})
                or direction <> 'push' and pull_next_at <= :now
              )
            order by greatest(push_done_at, pull_done_at) nulls first
            """  # noqa: S608
        ),
        {"now": now},
    )
    return list(found.scalars())
