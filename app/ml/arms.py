"""Who is in which arm: by a hash of the listener and a salt, so that it needs no table and stays as it is."""

import hashlib
from uuid import UUID


def point(salt: str, listener_id: UUID) -> float:
    """Return where a listener lies between 0 and 1; another salt gives an independent place."""
    digest = hashlib.blake2b(salt.encode() + listener_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def is_treated(salt: str, listener_id: UUID, share: float) -> bool:
    """Say whether a listener sees the treatment; while the share grows, who does goes on doing so."""
    return point(salt, listener_id) < share


def is_controlled(salt: str, listener_id: UUID, share: float) -> bool:
    """Say whether a listener sees the control of two models that each get a share."""
    return point(salt, listener_id) >= 1 - share
