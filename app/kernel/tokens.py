"""Tokens between the parts of Segue: short-lived, signed with the caller's own key, for one audience.

People's access tokens are another thing: see `app.kernel.auth`.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from app.kernel.contract import Unauthenticated
from app.settings import Settings

LIFETIME_S = 300
PROCESS_NAME = re.compile("[a-z][a-z0-9_]{0,31}")
KIND = "segue-service+jwt"


class ServiceSigner:
    """Signs as one process; a token per audience is kept until it is near its end."""

    def __init__(self, process: str, key: Ed25519PrivateKey) -> None:
        self.process = process
        self.key = key
        self._kept: dict[str, tuple[float, str]] = {}

    def token(self, audience: str) -> str:
        now = time.time()
        until, token = self._kept.get(audience, (0.0, ""))
        if until - now < LIFETIME_S / 5:
            until = now + LIFETIME_S
            claims = {"iss": self.process, "aud": audience, "iat": int(now), "exp": int(until)}
            token = jwt.encode(claims, self.key, algorithm="EdDSA", headers={"typ": KIND, "kid": self.process})
            self._kept[audience] = (until, token)
        return token


class ServiceVerifier:
    """Verifies tokens of the processes whose public keys it was given, or finds: one may have joined since."""

    def __init__(
        self, keys: Mapping[str, Ed25519PublicKey], find: Callable[[str], Ed25519PublicKey | None] = lambda _: None
    ) -> None:
        self.keys = dict(keys)
        self.find = find
        self._seen: dict[tuple[str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def caller(self, token: str, audience: str) -> str:
        """Return the name of the calling process. Raises Unauthenticated."""
        until, caller = self._seen.get((token, audience), (0.0, ""))
        if until > time.time():
            return caller
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(str(header.get("kid")))
            if header.get("typ") != KIND:
                raise jwt.InvalidTokenError("not a service token")
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=audience,
                issuer=str(header["kid"]),
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, KeyError):
            raise Unauthenticated("this call needs a service token for this module") from None
        with self._lock:
            if len(self._seen) > 1024:
                self._seen.clear()
            self._seen[(token, audience)] = (float(claims["exp"]), str(claims["iss"]))
        return str(claims["iss"])

    def _key(self, process: str) -> Ed25519PublicKey:
        if process not in self.keys and (found := self.find(process)):
            self.keys[process] = found
        return self.keys[process]


def load_signer(settings: Settings) -> ServiceSigner:
    """Read the private key of this process. Raises SettingsError when there is none."""
    key = load_pem_private_key(settings.secret(f"service_{settings.process}.pem").encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("service keys are Ed25519")
    return ServiceSigner(settings.process, key)


def load_verifier(settings: Settings, processes: list[str]) -> ServiceVerifier:
    """Read the public keys of the processes of the topology, and later of those that join; others can't call."""

    def find(process: str) -> Ed25519PublicKey | None:
        if not PROCESS_NAME.fullmatch(process):
            return None  # a name from a token must not lead out of the folder
        try:
            key = load_pem_public_key((settings.data_dir / "secrets" / f"service_{process}.pub").read_bytes())
        except (OSError, ValueError):
            return None
        return key if isinstance(key, Ed25519PublicKey) else None

    return ServiceVerifier({process: key for process in processes if (key := find(process))}, find)
