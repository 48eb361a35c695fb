"""The account that PostgreSQL runs as, because it refuses to run as root."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.host.places import HostError


@dataclass(frozen=True)
class ServiceUser:
    name: str
    uid: int
    gid: int


def service_user() -> ServiceUser | None:
    """Return the account to drop to, or None when this process is not root and needs none."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServiceUser(name, found.pw_uid, found.pw_gid)
    raise HostError("PostgreSQL refuses to run as root: add an account named postgres, or set DATABASE_URL")


def drop_options(user: ServiceUser | None) -> dict[str, Any]:
    """Return what `subprocess` needs to run a program as that user, from a folder everybody may enter."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    options: dict[str, Any] = {"cwd": "/", "env": environment}
    if user:
        environment.update(HOME="/", USER=user.name, LOGNAME=user.name)
        options.update(user=user.uid, group=user.gid, extra_groups=[], umask=0o077)
    return options


def run_as(user: ServiceUser | None, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, text=True, capture_output=True, errors="replace", **drop_options(user))


def become(user: ServiceUser | None) -> None:
    """Give up root for good; what is executed next runs as the user."""
    os.chdir("/")
    if user:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)
        os.umask(0o077)
        os.environ.update(HOME="/", USER=user.name, LOGNAME=user.name)
