"""Secrets at rest (keys, passwords of other services), sealed with keys derived from the one secret of the instance."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


class CannotOpen(Exception):
    """The data was sealed with another secret, for another purpose, or was changed."""


class Sealer:
    """`module` has keys of its own: what one sealed, no other opens. `macs_of` names what `mac` is used for."""

    def __init__(self, secret_key: str, module: str, *, macs_of: str = "tokens") -> None:
        self._aes = AESGCM(_derive(secret_key, f"{module}: data at rest"))
        self._mac_key = _derive(secret_key, f"{module}: {macs_of}")

    def seal(self, data: bytes, purpose: str) -> bytes:
        """Encrypt; `purpose` names the row, so that sealed data can't be moved to another."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aes.encrypt(nonce, data, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises CannotOpen."""
        try:
            return self._aes.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except InvalidTag:
            raise CannotOpen(purpose) from None

    def mac(self, data: bytes) -> bytes:
        """Return 32 bytes that only this instance can derive from `data`."""
        return hmac.new(self._mac_key, data, hashlib.sha256).digest()


def _derive(secret_key: str, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info.encode()).derive(secret_key.encode())
