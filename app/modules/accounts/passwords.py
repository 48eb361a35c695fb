"""Passwords: which are good enough, and their Argon2id hashes."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.contracts.accounts import WeakPassword
from app.kernel import context
from app.kernel.contract import TooManyRequests

MIN_LENGTH = 8
MAX_LENGTH = 1024
PRODUCT = "segue"
ROWS = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop")

# OWASP's smallest recommended parameters; 50 ms here.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# Each hash takes 19 MiB, so four at most run at once, in threads of their own: glibc's malloc keeps what a thread
# once used, and with a mere semaphore fifty threads of requests came to hold 500 MiB between them.
_hashers = ThreadPoolExecutor(4, thread_name_prefix="argon2")
LONGEST_WAIT_S = 5.0

T = TypeVar("T")


def check_strength(password: str, *, name: str) -> None:
    """Raises WeakPassword, which says why."""
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"a password has at least {MIN_LENGTH} characters; 15 or more are better", reason="short")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"a password has at most {MAX_LENGTH} characters", reason="long")
    plain = password.casefold()
    if plain in common_passwords() or plain.rstrip("0123456789!.?*#$ ") in common_passwords():
        raise WeakPassword("this is one of the passwords that are tried first; choose another", reason="common")
    if PRODUCT in plain or (len(name) > 2 and name.casefold() in plain):
        raise WeakPassword("a password must not hold your name or the name of this service", reason="name")
    if len(set(plain)) < 4 or _is_sequence(plain):
        raise WeakPassword("this password is a repetition or a row of keys; choose another", reason="pattern")


def _is_sequence(plain: str) -> bool:
    """Say whether the password is cut from a row of keys or letters, forwards or backwards, or repeats a short part."""
    if any(plain in row * 8 or plain in row[::-1] * 8 for row in ROWS):
        return True
    return any(plain == (plain[:n] * len(plain))[: len(plain)] for n in (1, 2, 3, 4) if len(plain) >= 2 * n)


@functools.cache
def common_passwords() -> frozenset[str]:
    lines = resources.files("app.modules.accounts").joinpath("common_passwords.txt").read_text().splitlines()
    return frozenset(line.strip() for line in lines if line and not line.startswith("#"))


def hash_password(password: str) -> str:
    """Raises TooManyRequests when too many are waiting."""
    return _in_turn(lambda: HASHER.hash(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Say whether the password is right. Without a hash it computes one all the same and answers no.

    Raises TooManyRequests when too many are waiting.
    """
    return _in_turn(lambda: _matches(password_hash or _dummy_hash(), password)) and password_hash is not None


def _matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(password_hash: str) -> bool:
    return HASHER.check_needs_rehash(password_hash)


@functools.cache
def _dummy_hash() -> str:
    return HASHER.hash("for names that nobody has")


def _in_turn(call: Callable[[], T]) -> T:
    """Run a hash when one of the four places is free, within the caller's time."""
    remaining = context.current().remaining_s()
    future = _hashers.submit(call)
    try:
        return future.result(LONGEST_WAIT_S if remaining is None else max(0.0, min(LONGEST_WAIT_S, remaining - 0.2)))
    except TimeoutError:
        future.cancel()
        raise TooManyRequests("too many sign-ins at once; try again in a moment", retry_after_s=1) from None
