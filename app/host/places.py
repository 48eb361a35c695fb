"""Where things lie below the data folder, and where sockets lie when its path is too long for one."""

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

# A socket's path ends at 103 bytes on macOS, 107 on Linux; the longest name put into the folder has 26.
LONGEST_SOCKET_FOLDER = 75


class HostError(Exception):
    """The system can't run here as it is; the message is one line that says what to do."""


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def run_folder(data_dir: Path) -> Path:
    """Return the folder of process records, lock and supervisor configuration."""
    return private_folder(data_dir.absolute() / "run")


def log_folder(data_dir: Path) -> Path:
    return private_folder(data_dir.absolute() / "log")


def socket_folder(data_dir: Path) -> Path:
    """Return a private folder whose path is short enough for sockets: `<data>/run`, else one under /tmp."""
    inside = run_folder(data_dir)
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    name = f"segue-{os.getuid()}-{digest}"
    # Not the temporary folder of the environment, which differs between a login and a service.
    base = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108
    folder = base / name
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # /tmp is everybody's: somebody else may have made the folder first, or a link in its place.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise HostError(f"{folder} belongs to somebody else: remove it, or choose a shorter SEGUE_DATA_DIR")
    folder.chmod(0o700)
    return folder


def leave_socket_folder(data_dir: Path) -> None:
    """Remove the socket folder of a throwaway data folder, unless another server still uses it."""
    with contextlib.suppress(OSError):
        socket_folder(data_dir).rmdir()
