"""What travels to and from other services, in a worker: sent in batches, never twice, retried for a week; fetched.

The rows say what is to be done; an advisory lock per connection lets one worker at a time do it. A batch is marked
before it is sent: what a worker that died leaves marked may have arrived. It is sent again only where the other service
recognises repeats, else the other service is asked first.
"""

import logging
import random
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from app.contracts.listens import NewListen, SubmitResult
from app.contracts.relays import RelayNotFound
from app.modules.listens import outbox, relay_state
from app.modules.listens.models import RelayRow
from app.modules.listens.peers import Peer, PeerAway, PeerRefused, PeerUnauthorised, Play, brief, is_same
from app.modules.listens.relay_state import Way
from app.modules.listens.relays import Relays, due

log = logging.getLogger(__name__)

DAILY_LIMIT_WAIT_S = 3600.0
# One task ends after about that long: the broker delivers it again where it takes longer than 15 seconds.
BUDGET_S = 10.0
# A connection with much to send lets the others have their turn after so long.
TURN_S = 4.0
# What arrives late at the other service, from a player that was offline for a while, is found all the same.
OVERLAP = timedelta(hours=2)
CHUNK = 500

Store = Callable[[UUID, list[NewListen], str], SubmitResult]


class RelayWork:
    """`store` takes up what was fetched."""

    def __init__(self, relays: Relays, store: Store, chance: Callable[[], float] = random.random) -> None:
        self.relays = relays
        self.database = relays.database
        self.clock = relays.clock
        self.store = store
        self.chance = chance

    def advance(self) -> None:
        """Do what is due, for about ten seconds at most; what is left is due again."""
        until = time.monotonic() + BUDGET_S
        with self.database.begin() as session:
            relay_ids = due(session, self.clock())
        for relay_id in relay_ids:
            if time.monotonic() > until:
                return
            with self.database.dedicated() as connection:
                if lock(connection, relay_id):
                    self._advance(connection, relay_id, min(until, time.monotonic() + TURN_S))

    def _advance(self, connection: Connection, relay_id: UUID, until: float) -> None:
        """Do what is due for one connection; whatever happens to it is no matter of the others."""
        try:
            row = self._row(relay_id)
            now, peer = self.clock(), self.relays.peer(row)
            if row.direction != "pull" and (row.push_next_at is None or row.push_next_at <= now):
                self._push(connection, row, peer, until)
            if row.direction != "push" and row.pull_next_at is not None and row.pull_next_at <= now:
                self._pull(row, peer, until)
        except RelayNotFound:
            return  # removed or disabled meanwhile
        except PeerUnauthorised as error:
            with self.database.begin() as session:
                relay_state.pause(session, relay_id, str(error))
        except Exception:
            log.exception("a relay failed", extra={"relay": str(relay_id)})
            for way in ("push", "pull"):
                self._failed(relay_id, way, PeerAway("something went wrong here; the log says what"))

    def _row(self, relay_id: UUID) -> RelayRow:
        """Raises RelayNotFound for one that is not to work, or not any more."""
        with self.database.begin() as session:
            row = session.get(RelayRow, relay_id)
            if row is None or not row.is_enabled or row.paused:
                raise RelayNotFound
            return row

    def _push(self, connection: Connection, row: RelayRow, peer: Peer, until: float) -> None:
        is_going_on = True
        while is_going_on:
            connection.execute(text("select 1"))  # a lost connection is a lost lock
            self._row(row.relay_id)
            if peer.recognises_repeats:
                plays = self._claim(row.relay_id, ["sending", "uncertain", "waiting"], peer.max_batch)
                is_going_on = bool(plays) and self._send(row.relay_id, peer, plays, until)
            elif unsure := self._claim(row.relay_id, ["sending", "uncertain"], peer.max_batch):
                is_going_on = self._send_unless_arrived(row.relay_id, peer, unsure, until)
            else:
                plays = self._claim(row.relay_id, ["waiting"], peer.max_batch)
                is_going_on = bool(plays) and self._send(row.relay_id, peer, plays, until)
            is_going_on = is_going_on and time.monotonic() < until

    def _claim(self, relay_id: UUID, states: list[str], limit: int) -> list[Play]:
        with self.database.begin() as session:
            return outbox.claim(session, relay_id, states, limit, self.clock())

    def _send_unless_arrived(self, relay_id: UUID, peer: Peer, unsure: list[Play], until: float) -> bool:
        try:
            arrived = peer.arrived(unsure)
        except (PeerAway, PeerRefused, PeerUnauthorised) as error:
            self._put_back(unsure, is_uncertain=True)
            if isinstance(error, PeerUnauthorised):
                raise
            self._failed(relay_id, "push", as_away(error))
            return False
        self._settle(relay_id, arrived, {})
        return self._send(relay_id, peer, [play for play in unsure if play.item_id not in arrived], until)

    def _send(self, relay_id: UUID, peer: Peer, plays: list[Play], until: float) -> bool:
        """Send a batch, and say whether to go on. Of one that is refused, halves, until what is wrong is alone."""
        parts = [plays] if plays else []
        while parts:
            part = parts.pop()
            try:
                taken = peer.push(part)
            except PeerRefused as error:
                if len(part) == 1:
                    self._settle(relay_id, [], {part[0].item_id: brief(str(error))})
                    if time.monotonic() > until:  # where all are refused, halving takes two requests for each
                        self._put_back([play for rest in parts for play in rest], is_uncertain=False)
                        return True
                else:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            except (PeerAway, PeerUnauthorised) as error:
                self._put_back(part, is_uncertain=isinstance(error, PeerAway) and error.may_have_arrived)
                self._put_back([play for rest in parts for play in rest], is_uncertain=False)
                if isinstance(error, PeerUnauthorised):
                    raise
                self._failed(relay_id, "push", error)
                return False
            missed = taken.postponed | taken.refused.keys()
            self._settle(relay_id, [play.item_id for play in part if play.item_id not in missed], taken.refused)
            if taken.postponed:
                late = [play for play in part if play.item_id in taken.postponed]
                self._put_back([*late, *(play for rest in parts for play in rest)], is_uncertain=False)
                self._failed(relay_id, "push", PeerAway("it takes no more today", wait_s=DAILY_LIMIT_WAIT_S))
                return False
        return True

    def _settle(self, relay_id: UUID, arrived: Collection[int], refused: Mapping[int, str]) -> None:
        with self.database.begin() as session:
            outbox.done(session, arrived)
            outbox.bury(session, refused)
            if arrived:
                relay_state.succeeded(session, relay_id, "push", self.clock())
                outbox.purge(session, relay_id, self.clock())

    def _put_back(self, plays: Collection[Play], *, is_uncertain: bool) -> None:
        if plays:
            with self.database.begin() as session:
                outbox.put_back(session, [play.item_id for play in plays], is_uncertain=is_uncertain)

    def _failed(self, relay_id: UUID, way: Way, error: PeerAway) -> None:
        with self.database.begin() as session:
            relay_state.failed(session, relay_id, way, self.clock(), error, self.chance())

    def _pull(self, row: RelayRow, peer: Peer, until: float) -> None:
        """Fetch what was played since the last time, a bit of overlap included; what is known already is a repeat."""
        now = self.clock()
        since, cursor = max(row.pull_cursor - OVERLAP, row.created_at), row.pull_cursor
        next_at = now + timedelta(seconds=row.pull_every_s)
        try:
            for page in peer.pull(since, now):
                new = self._without_own(row.relay_id, page)
                for start in range(0, len(new), CHUNK):
                    self.store(row.listener_id, new[start : start + CHUNK], f"{outbox.PULLED}{row.service}")
                cursor = max([cursor, *(each.listened_at for each in page if each.listened_at <= now)])
                self._reached(row.relay_id, cursor)
                if time.monotonic() > until and cursor > row.pull_cursor:
                    next_at = now  # there is more, and progress was made
                    break
        except (PeerAway, PeerRefused) as error:
            self._failed(row.relay_id, "pull", as_away(error))
            return
        with self.database.begin() as session:
            relay_state.succeeded(session, row.relay_id, "pull", now, next_at)

    def _without_own(self, relay_id: UUID, page: list[NewListen]) -> list[NewListen]:
        """Leave out what was sent there: under a corrected name it would not be recognised as the same play."""
        if not page:
            return page
        times = [each.listened_at for each in page]
        with self.database.begin() as session:
            own = outbox.told(session, relay_id, min(times), max(times))
        by_time: dict[datetime, list[Play]] = {}
        for play in own:
            by_time.setdefault(play.listened_at, []).append(play)
        return [each for each in page if not any(is_same(play, each) for play in by_time.get(each.listened_at, ()))]

    def _reached(self, relay_id: UUID, cursor: datetime) -> None:
        with self.database.begin() as session:
            session.execute(
                text("update relay set pull_cursor = :cursor where relay_id = :relay"),
                {"relay": relay_id, "cursor": cursor},
            )


def lock(connection: Connection, relay_id: UUID) -> bool:
    """Take a connection's lock for as long as this one to the database lives; False when another worker has it."""
    return bool(
        connection.execute(
            text("select pg_try_advisory_lock(hashtextextended(:name, 0))"), {"name": f"relay {relay_id}"}
        ).scalar_one()
    )


def as_away(error: PeerAway | PeerRefused) -> PeerAway:
    return error if isinstance(error, PeerAway) else PeerAway(str(error))
