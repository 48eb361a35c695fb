"""The secrets of one machine, generated where missing, as files under `<data>/secrets/`.

`python -m app.host.secrets DATA_DIR PROCESS …` does so where `up` doesn't run, as in containers.
"""

import os
import secrets
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.host.places import private_folder
from app.settings import MODULE_NAMES

RANDOM_BYTES = 48
OVERLAP_S = 2.0  # requests that were signed with the old key have arrived by then


def secrets_folder(data_dir: Path) -> Path:
    return data_dir.absolute() / "secrets"


def ensure(data_dir: Path, process_names: Iterable[str]) -> None:
    """Generate what is missing; what is there stays as it is.

    Each process gets an Ed25519 key pair, `service_<process>.pem` and `.pub`, to prove itself to the others. Another
    pair signs models: the worker needs the private one, who serves only the public one.
    """
    folder = private_folder(secrets_folder(data_dir))
    names = ["secret_key", "postgres_password", "pseudonym_key"]
    names += [f"db_{module}_{role}" for module in MODULE_NAMES for role in ("app", "migrate")]
    for name in names:
        if not (folder / name).exists():
            _write(folder / name, secrets.token_urlsafe(RANDOM_BYTES).encode())
    for process in process_names:
        _ensure_key_pair(folder / f"service_{process}.pem", folder / f"service_{process}.pub")
    _ensure_key_pair(folder / "model_signing_key", folder / "model_signing_public")


def read(data_dir: Path, name: str) -> str:
    """Return one secret. Raises FileNotFoundError when it was never generated."""
    return (secrets_folder(data_dir) / name).read_text().strip()


def _ensure_key_pair(private: Path, public: Path) -> None:
    if private.exists() and public.exists():
        return
    if private.exists():
        key = load_pem_private_key(private.read_bytes(), None)
    else:
        key = Ed25519PrivateKey.generate()
        _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def rotate_service_key(data_dir: Path, process: str) -> None:
    """Give a process a new key pair while all run; for a moment both keys are good. Raises FileNotFoundError.

    Processes look at these files when they sign and verify, so nobody is restarted; the old key is worth nothing then.
    """
    folder = secrets_folder(data_dir)
    private, public = folder / f"service_{process}.pem", folder / f"service_{process}.pub"
    old = public.read_bytes()
    key = Ed25519PrivateKey.generate()
    new = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(public, new + old)
    _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    time.sleep(OVERLAP_S)
    _write(public, new)


def _write(path: Path, content: bytes) -> None:
    """Write all or nothing, readable by the owner only."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


if __name__ == "__main__":
    ensure(Path(sys.argv[1]), sys.argv[2:])
