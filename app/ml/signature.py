"""Who made a model or snapshot: an Ed25519 signature of its manifest, which names the SHA-256 of every other file."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from app.ml.artefact import MANIFEST, DamagedArtefact, read_manifest, write_through

SIGNATURE = "signature.json"


class UntrustedArtefact(DamagedArtefact):
    """The artefact is unsigned, or signed by nobody whose models are taken here."""


def key_id(public_pem: str) -> str:
    """Return the name of a public key: the beginning of its hash. Raises ValueError for what is none."""
    return hashlib.sha256(_public(public_pem).public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def sign(folder: Path, private_pem: str) -> None:
    """Sign a written model or snapshot, all or nothing; signed again by the same key it stays as it is."""
    key = load_pem_private_key(private_pem.encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("models are signed with Ed25519")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    signature = base64.b64encode(key.sign((folder / MANIFEST).read_bytes())).decode()
    unfinished = folder / f"{SIGNATURE}.new"
    write_through(unfinished, json.dumps({"key": key_id(public), "signature": signature}).encode())
    unfinished.rename(folder / SIGNATURE)


def signer_of(folder: Path) -> str:
    """Return the id of the key that a model says it is signed by. Raises UntrustedArtefact where it says none."""
    return _said(folder)[0]


def check(folder: Path, trusted: Mapping[str, str]) -> None:
    """Verify that one of the trusted keys (public PEM by id) signed a model's manifest. Raises DamagedArtefact."""
    read_manifest(folder)
    check_signature(folder, trusted)


def check_signature(folder: Path, trusted: Mapping[str, str]) -> None:
    """Verify that one of the trusted keys signed whatever manifest there is. Raises UntrustedArtefact."""
    key, signature = _said(folder)
    if key not in trusted:
        raise UntrustedArtefact(f"{folder.name}: signed by the key {key}, which is not trusted here")
    try:
        _public(trusted[key]).verify(signature, (folder / MANIFEST).read_bytes())
    except (InvalidSignature, ValueError, OSError):
        raise UntrustedArtefact(f"{folder.name}: the signature is not one of its manifest") from None


def _said(folder: Path) -> tuple[str, bytes]:
    try:
        said = json.loads((folder / SIGNATURE).read_bytes())
        return str(said["key"]), base64.b64decode(said["signature"], validate=True)
    except FileNotFoundError:
        raise UntrustedArtefact(f"{folder.name}: it is not signed") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UntrustedArtefact(f"{folder.name}: no readable signature") from None


def _public(pem: str) -> Ed25519PublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key
