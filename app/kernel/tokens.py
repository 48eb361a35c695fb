"""Tokens between the parts of Segue: short-lived, signed with the caller's own key, for one audience.

Keys are files, looked at again when they change: one is exchanged without a restart of anybody. A file of public keys
may hold two, while the new one is taken up. People's access tokens are another thing: see `app.kernel.people`.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from app.kernel.contract import Unauthenticated
from app.settings import Settings

LIFETIME_S = 300
PROCESS_NAME = re.compile("[a-z][a-z0-9_]{0,31}")
KIND = "segue-service+jwt"
PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)

K = TypeVar("K")
PublicKeys = tuple[Ed25519PublicKey, ...]
Stamp = tuple[int, int]  # of a file: when it changed, and which it is


class WatchedFile(Generic[K]):
    """What a file holds, read again when the file changes; None where there is none."""

    def __init__(self, path: Path, parse: Callable[[bytes], K]) -> None:
        self.path = path
        self.parse = parse
        self._known: tuple[Stamp | None, K | None] = (None, None)

    def read(self) -> K | None:
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if self._known[0] != stamp:
                self._known = (stamp, self.parse(self.path.read_bytes()))
        except OSError:
            self._known = (None, None)
        return self._known[1]


PrivateKeyFile = WatchedFile[Ed25519PrivateKey]
PublicKeyFile = WatchedFile[PublicKeys]
Find = Callable[[str], PublicKeyFile | None]


class ServiceSigner:
    """Signs as one process; a token per audience is kept until it is near its end, or the key changes."""

    def __init__(
        self, process: str, key: Ed25519PrivateKey, source: "WatchedFile[Ed25519PrivateKey] | None" = None
    ) -> None:
        self.process = process
        self.key = key
        self._source = source
        self._kept: dict[str, tuple[float, Ed25519PrivateKey, str]] = {}

    def token(self, audience: str) -> str:
        now = time.time()
        if self._source:
            self.key = self._source.read() or self.key
        until, key, token = self._kept.get(audience, (0.0, self.key, ""))
        # longer than its whole life means that the clock was set back
        if not LIFETIME_S / 5 <= until - now <= LIFETIME_S or key is not self.key:
            until = now + LIFETIME_S
            claims = {"iss": self.process, "aud": audience, "iat": int(now), "exp": int(until)}
            token = jwt.encode(claims, self.key, algorithm="EdDSA", headers={"typ": KIND, "kid": self.process})
            self._kept[audience] = (until, self.key, token)
        return token


class ServiceVerifier:
    """Verifies tokens of the processes whose public keys it was given, or finds: one may have joined since."""

    def __init__(
        self, keys: Mapping[str, "Ed25519PublicKey | PublicKeyFile"], find: "Find" = lambda _process: None
    ) -> None:
        self.keys = dict(keys)
        self.find = find
        self._given: dict[str, PublicKeys] = {}
        self._seen: dict[tuple[str, str], tuple[float, str, PublicKeys]] = {}

    def caller(self, token: str, audience: str) -> str:
        """Return the name of the calling process. Raises Unauthenticated."""
        until, caller, keys = self._seen.get((token, audience), (0.0, "", ()))
        if until > time.time() and keys is self._keys_of(caller):
            return caller
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != KIND:
                raise jwt.InvalidTokenError("not a service token")
            process = str(header.get("kid"))
            keys = self._keys_of(process)
            until = self._expiry(token, process, audience, keys)
        except jwt.PyJWTError:
            raise Unauthenticated("this call needs a service token for this module") from None
        if len(self._seen) > 1024:
            self._seen.clear()
        self._seen[(token, audience)] = (until, process, keys)
        return process

    def _keys_of(self, process: str) -> PublicKeys:
        """Return the keys of a process, the same object for as long as they are the same."""
        held = self.keys.get(process)
        if held is None and (held := self.find(process)):
            self.keys[process] = held
        if isinstance(held, WatchedFile):
            return held.read() or ()
        return self._given.setdefault(process, (held,)) if held else ()

    @staticmethod
    def _expiry(token: str, process: str, audience: str, keys: Iterable[Ed25519PublicKey]) -> float:
        """Return when a token that one of the keys signed ends. Raises a PyJWTError."""
        failure: jwt.PyJWTError = jwt.InvalidTokenError("no key of this process")
        for key in keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=["EdDSA"],
                    audience=audience,
                    issuer=process,
                    # when it was issued is no limit: the clock may have been set back since
                    options={"require": ["exp", "iss", "aud"], "verify_iat": False},
                )
                return float(claims["exp"])
            except jwt.InvalidSignatureError as error:
                failure = error
        raise failure


def private_key(pem: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("service keys are Ed25519")
    return key


def public_keys(pems: bytes) -> PublicKeys:
    keys = [load_pem_public_key(pem) for pem in PEM.findall(pems)]
    return tuple(key for key in keys if isinstance(key, Ed25519PublicKey))


def load_signer(settings: Settings) -> ServiceSigner:
    """Read the private key of this process. Raises SettingsError when there is none."""
    name = f"service_{settings.process}.pem"
    key = private_key(settings.secret(name).encode())
    file = settings.secret_file(name)
    return ServiceSigner(settings.process, key, WatchedFile(file, private_key) if file else None)


def load_verifier(settings: Settings, processes: list[str], *, is_closed: bool = False) -> ServiceVerifier:
    """Verify with the keys of these processes and, unless it is closed, of those that join later."""

    def find(process: str) -> PublicKeyFile | None:
        if not PROCESS_NAME.fullmatch(process):
            return None  # a name from a token must not lead out of the folder
        file = WatchedFile(settings.data_dir / "secrets" / f"service_{process}.pub", public_keys)
        return file if file.read() else None

    known = {process: file for process in processes if (file := find(process))}
    return ServiceVerifier(known, (lambda _process: None) if is_closed else find)
