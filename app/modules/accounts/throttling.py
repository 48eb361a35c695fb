"""Failed sign-ins slow the next ones down: per account and per address, growing, never for good.

Counted in the database, so that all processes share it. An attempt is counted before the password is looked at:
many at once can't slip through between the check and the count.
"""

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from app.contracts.accounts import LoginThrottled


@dataclass(frozen=True)
class Pace:
    """`free` failures cost nothing, each one more doubles the wait, from 1 s to `longest_s`.

    One failure is forgiven for every `forgiven_s` without an attempt.
    """

    free: int
    longest_s: int
    forgiven_s: int


ACCOUNT = Pace(free=5, longest_s=300, forgiven_s=600)
ADDRESS = Pace(free=30, longest_s=300, forgiven_s=60)
FORGOTTEN_AFTER = timedelta(days=1)


def account_key(name: str) -> str:
    return "account:" + hashlib.sha256(name.casefold().encode()).hexdigest()


def address_key(address: str) -> str:
    return "address:" + hashlib.sha256(address.encode()).hexdigest()


def is_somebodys(address: str) -> bool:
    """Say whether an address can stand for a visitor.

    Loopback can't: it is this machine, or a proxy on it that SEGUE_TRUSTED_PROXIES does not count, and one visitor
    behind it would slow all of them down. Accounts are slowed down all the same.
    """
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return bool(address)


def count_attempt(session: Transaction, now: datetime, *, name: str, address: str) -> None:
    """Count an attempt. Raises LoginThrottled, which undoes the count with the transaction, while a wait runs."""
    keys = [account_key(name)] + ([address_key(address)] if is_somebodys(address) else [])
    session.execute(
        text(
            """
            insert into login_attempt (key, failures, last_at, blocked_until)
            select key, 0, :now, :now
            from unnest(cast(:keys as text[])) as given (key)
            order by key
            on conflict (key) do nothing
            """
        ),
        {"keys": keys, "now": now},
    )
    rows = session.execute(
        text(
            """
            select key, failures, last_at, blocked_until
            from login_attempt
            where key = any(:keys)
            order by key
            for update
            """
        ),
        {"keys": keys},
    ).all()
    wait_s = max((row.blocked_until - now).total_seconds() for row in rows)
    if wait_s > 0:
        raise LoginThrottled(retry_after_s=math.ceil(wait_s))
    counts = [_next(row.key, row.failures, now - row.last_at) for row in rows]
    session.execute(
        text(
            """
            update login_attempt a
            set failures = given.failures, last_at = :now, blocked_until = :now + make_interval(secs => given.delay_s)
            from unnest(cast(:keys as text[]), cast(:failures as integer[]), cast(:delays as float[]))
                 as given (key, failures, delay_s)
            where a.key = given.key
            """
        ),
        {
            "keys": [row.key for row in rows],
            "failures": [failures for failures, _ in counts],
            "delays": [float(delay_s) for _, delay_s in counts],
            "now": now,
        },
    )


def _next(key: str, failures: int, since_last: timedelta) -> tuple[int, int]:
    """Return how many failures count now, and the wait before the next attempt."""
    pace = ACCOUNT if key.startswith("account:") else ADDRESS
    left = max(0, failures - int(since_last.total_seconds() // pace.forgiven_s)) + 1
    over = min(left - pace.free, 20)
    return left, min(2 ** (over - 1), pace.longest_s) if over > 0 else 0


def forgive(session: Transaction, *, name: str, address: str) -> None:
    """Take back what a successful sign-in counted: all of the account's, one of the address's.

    An address keeps its other failures, or an attacker's own account would wipe them out.
    """
    session.execute(text("delete from login_attempt where key = :key"), {"key": account_key(name)})
    if is_somebodys(address):
        session.execute(
            text(
                """
                update login_attempt
                set failures = greatest(failures - 1, 0), blocked_until = last_at
                where key = :key
                """
            ),
            {"key": address_key(address)},
        )


def purge(session: Transaction, now: datetime) -> None:
    session.execute(text("delete from login_attempt where last_at < :before"), {"before": now - FORGOTTEN_AFTER})
