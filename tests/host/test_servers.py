"""Secrets and the broker."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from kombu import Connection
from limits.storage import storage_from_string

from app.host import secrets
from app.host.valkey import running_valkey
from app.settings import MODULE_NAMES


def test_secrets_are_generated_once_private_and_different(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, ["gateway", "worker"])
    folder = tmp_path / "secrets"
    files = {f.name: f.read_bytes() for f in folder.iterdir()}
    assert {f"db_{m}_{r}" for m in MODULE_NAMES for r in ("app", "migrate")} < set(files)
    assert len(set(files.values())) == len(files)
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in folder.iterdir())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secrets.ensure(tmp_path, ["gateway", "worker", "catalog"])
    assert {name: (folder / name).read_bytes() for name in files} == files
    assert len(secrets.read(tmp_path, "secret_key")) == 64


def test_each_process_gets_a_key_pair_whose_halves_fit(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, ["catalog"])
    (tmp_path / "secrets" / "service_catalog.pub").unlink()
    secrets.ensure(tmp_path, ["catalog"])
    private = load_pem_private_key(secrets.read(tmp_path, "service_catalog.pem").encode(), None)
    assert private.public_key() == load_pem_public_key(secrets.read(tmp_path, "service_catalog.pub").encode())


def test_a_missing_secret_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        secrets.read(tmp_path, "secret_key")


def test_the_broker_serves_celery_and_the_rate_limits_over_its_socket(tmp_path: Path) -> None:
    with running_valkey(tmp_path / "it's a folder") as plan:
        with Connection(plan.broker_url) as connection:
            connection.ensure_connection(max_retries=1)
        assert storage_from_string(plan.limits_url).check()
        assert stat.S_IMODE(plan.socket.stat().st_mode) == 0o700
    assert not plan.socket.exists()
