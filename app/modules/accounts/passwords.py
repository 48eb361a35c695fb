"""Passwords: which are good enough, and their Argon2id hashes."""

import contextlib
import functools
import threading
from collections.abc import Iterator
from importlib import resources

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.contracts.accounts import WeakPassword
from app.kernel import context
from app.kernel.contract import TooManyRequests

MIN_LENGTH = 8
MAX_LENGTH = 1024
PRODUCT = "segue"
ROWS = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop")

# OWASP's smallest recommended parameters; 50 ms here. Each hash takes 19 MiB, so at most four run at once.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_slots = threading.BoundedSemaphore(4)


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
    with _slot():
        return HASHER.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Say whether the password is right. Without a hash it computes one all the same and answers no."""
    with _slot():
        try:
            is_right = HASHER.verify(password_hash or _dummy_hash(), password)
        except (VerificationError, InvalidHashError):
            return False
    return is_right and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    return HASHER.check_needs_rehash(password_hash)


@functools.cache
def _dummy_hash() -> str:
    return HASHER.hash("for names that nobody has")


@contextlib.contextmanager
def _slot() -> Iterator[None]:
    """Wait for one of the four places. Raises TooManyRequests when the caller's time would run out first."""
    remaining = context.current().remaining_s()
    if not _slots.acquire(timeout=5.0 if remaining is None else max(0.0, min(5.0, remaining - 0.2))):
        raise TooManyRequests("too many sign-ins at once; try again in a moment", retry_after_s=1)
    try:
        yield
    finally:
        _slots.release()
