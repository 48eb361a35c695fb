"""Typed settings, read once at start from the environment and checked together."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from dotenv import dotenv_values
from msgspec import Struct

MODULE_NAMES = ("accounts", "catalog", "listens", "recommendations", "training", "playlists")

# What people paste from examples; a secret must be none of these.
KNOWN_SAMPLES = frozenset({"changeme", "secret", "password", "dev", "test", "example"})


class SettingsError(Exception):
    """The settings can't be used; the message names each variable and what is wrong with it."""


class Settings(Struct, frozen=True, kw_only=True):
    """Where things are and what is allowed. Secrets are read when asked for, by `secret`."""

    data_dir: Path
    database_url: str = ""
    module_database_urls: dict[str, str] = {}
    broker_url: str = ""
    results_url: str = ""
    queue: str = "segue"  # systems that share a broker need one each
    limits_url: str = "memory://"
    topology: str = "monolith"
    process: str = "gateway"
    socket_dir: Path
    public_url: str = "http://127.0.0.1:8000"
    bind: str = "127.0.0.1:8000"  # the public address that the gateway listens on
    environment: str = "production"
    registration: str = "invitation"  # or "open"
    trusted_proxies: int = 0
    cors_origins: tuple[str, ...] = ()
    allow_plain_http: bool = False
    fetch_covers: bool = False  # from the Cover Art Archive, of releases whose identifier a player told
    cover_archive_url: str = "https://coverartarchive.org"
    allow_private_hosts: tuple[str, ...] = ()  # names, addresses and networks that outgoing requests may reach
    rate_limits: bool = True
    pool_size: int = 4
    gate_file: Path | None = None  # the rules that a new model must meet
    grid_file: Path | None = None  # grams of CO2 per kWh by the hour
    price_kwh: float = 0.30
    snapshots_kept: int = 14
    storage_url: str = ""
    otlp_endpoint: str = ""
    secret_files: dict[str, str] = {}
    secret_values: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Settings(process={self.process!r}, topology={self.topology!r}, data_dir={str(self.data_dir)!r})"

    def secret(self, name: str) -> str:
        """Return a secret: SEGUE_<NAME>, the file SEGUE_<NAME>_FILE names, or the data folder's secrets/<name>.

        Raises SettingsError when it is missing, short or a known sample.
        """
        value = self.secret_values.get(name)
        if value is None:
            file = self._file_of(name)
            try:
                value = file.read_text().strip()
            except OSError:
                raise SettingsError(
                    f"SEGUE_{name.upper()}: no secret; `manage.py up` makes one, or set the variable or its _FILE form"
                ) from None
        if len(value) < 16 or value.lower() in KNOWN_SAMPLES:
            raise SettingsError(f"SEGUE_{name.upper()}: too short or a known sample; use 16 random characters or more")
        return value

    def secret_file(self, name: str) -> Path | None:
        """Return the file that holds a secret; None where the environment does."""
        return None if name in self.secret_values else self._file_of(name)

    def _file_of(self, name: str) -> Path:
        return Path(self.secret_files.get(name, self.data_dir / "secrets" / name))

    @property
    def uses_tls(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        host = self.public_url.split("://", 1)[-1].split("/", 1)[0].rsplit(":", 1)[0]
        return host in {"127.0.0.1", "localhost", "[::1]"}


def shown(settings: Settings) -> dict[str, Any]:
    """Return the settings in force as one may show them: secrets by name only, addresses without their passwords."""
    document = msgspec.to_builtins(settings, enc_hook=str)
    hidden = {"secret_values", "secret_files"}
    folder = settings.data_dir / "secrets"
    files = {f.name for f in folder.iterdir()} if folder.is_dir() else set()
    names = files | set(settings.secret_values) | set(settings.secret_files)
    visible = {name: _masked(value) for name, value in document.items() if name not in hidden}
    return {**visible, "secrets": dict.fromkeys(sorted(names), "[masked]")}


def _masked(value: Any) -> Any:
    """Hide the password of an address."""
    if isinstance(value, dict):
        return {k: _masked(v) for k, v in value.items()}
    if isinstance(value, str) and "@" in value and ":" in value.split("@", 1)[0].split("://", 1)[-1]:
        scheme, _, rest = value.partition("://")
        credentials, _, where = rest.rpartition("@")
        return f"{scheme}://{credentials.split(':', 1)[0]}:[masked]@{where}"
    return value


PLAIN = {
    "SEGUE_TOPOLOGY": "topology",
    "SEGUE_PROCESS": "process",
    "SEGUE_PUBLIC_URL": "public_url",
    "SEGUE_BIND": "bind",
    "SEGUE_ENVIRONMENT": "environment",
    "SEGUE_REGISTRATION": "registration",
    "SEGUE_TRUSTED_PROXIES": "trusted_proxies",
    "SEGUE_ALLOW_PLAIN_HTTP": "allow_plain_http",
    "SEGUE_FETCH_COVERS": "fetch_covers",
    "SEGUE_COVER_ARCHIVE_URL": "cover_archive_url",
    "SEGUE_RATE_LIMITS": "rate_limits",
    "SEGUE_POOL_SIZE": "pool_size",
    "SEGUE_GATE_FILE": "gate_file",
    "SEGUE_GRID_FILE": "grid_file",
    "SEGUE_PRICE_KWH": "price_kwh",
    "SEGUE_SNAPSHOTS_KEPT": "snapshots_kept",
    "SEGUE_STORAGE_URL": "storage_url",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otlp_endpoint",
    "SEGUE_LIMITS_URL": "limits_url",
    "SEGUE_RESULTS_URL": "results_url",
    "SEGUE_QUEUE": "queue",
    "DATABASE_URL": "database_url",
    "BROKER_URL": "broker_url",
}


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of this process.

    The environment wins over `.env`, which wins over what a running `manage.py up` noted down in
    `<data>/run/environment.json`, so that other commands find the embedded servers. Raises SettingsError.
    """
    if environment is None:
        environment = {**{k: v for k, v in dotenv_values(".env").items() if v is not None}, **os.environ}
    data_dir = Path(environment.get("SEGUE_DATA_DIR", "var")).absolute()
    merged = {**_noted(data_dir), **environment}
    values: dict[str, Any] = {field: merged[name] for name, field in PLAIN.items() if merged.get(name)}
    values["data_dir"] = str(data_dir)
    values["socket_dir"] = merged.get("SEGUE_SOCKET_DIR") or str(data_dir / "run")
    values["cors_origins"] = [o for o in merged.get("SEGUE_CORS_ORIGINS", "").split(",") if o]
    values["allow_private_hosts"] = [
        h.strip() for h in merged.get("SEGUE_ALLOW_PRIVATE_HOSTS", "").split(",") if h.strip()
    ]
    for truth in ("allow_plain_http", "rate_limits", "fetch_covers"):
        if truth in values:
            values[truth] = str(values[truth]).lower() in {"1", "true", "yes", "on"}
    values["module_database_urls"] = {
        module: merged[f"SEGUE_{module.upper()}_DATABASE_URL"]
        for module in MODULE_NAMES
        if merged.get(f"SEGUE_{module.upper()}_DATABASE_URL")
    }
    values["secret_files"] = {
        name[6:-5].lower(): value
        for name, value in merged.items()
        if name.startswith("SEGUE_") and name.endswith("_FILE") and name not in PLAIN
    }
    values["secret_values"] = {
        name[6:].lower(): value
        for name, value in merged.items()
        if name.startswith(("SEGUE_SECRET_KEY", "SEGUE_DB_", "SEGUE_PSEUDONYM_KEY", "SEGUE_SERVICE_"))
        and not name.endswith("_FILE")
    }
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings: {error}") from None
    mistakes = list(_mistakes(settings))
    if mistakes:
        raise SettingsError("; ".join(mistakes))
    return settings


def _noted(data_dir: Path) -> dict[str, str]:
    try:
        noted = json.loads((data_dir / "run" / "environment.json").read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in noted.items()}


def _mistakes(settings: Settings) -> list[str]:
    found = []
    if settings.environment not in {"production", "development", "test"}:
        found.append("SEGUE_ENVIRONMENT: production, development or test")
    if settings.registration not in {"invitation", "open"}:
        found.append("SEGUE_REGISTRATION: invitation or open")
    if not settings.public_url.startswith(("http://", "https://")):
        found.append("SEGUE_PUBLIC_URL: an address that starts with http:// or https://")
    elif not (settings.uses_tls or settings.is_loopback or settings.allow_plain_http):
        found.append("SEGUE_PUBLIC_URL: plain http beyond this machine needs SEGUE_ALLOW_PLAIN_HTTP=1")
    if settings.snapshots_kept < 1:
        found.append("SEGUE_SNAPSHOTS_KEPT: 1 or more")
    if settings.price_kwh < 0:
        found.append("SEGUE_PRICE_KWH: 0 or more")
    if "*" in settings.cors_origins:
        found.append("SEGUE_CORS_ORIGINS: name the origins; * is not one")
    return found
