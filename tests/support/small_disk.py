"""A disk of its own for a data folder, small enough to be filled: a tmpfs, which only root can mount."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

from app.host.service_user import service_user

SIZE = "500m"


@contextlib.contextmanager
def small_disk() -> Iterator[tuple[Path, bool]]:
    """Yield a folder, and whether it is a disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="segue-disk-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)]
    is_own = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    folder.chmod(0o755)  # PostgreSQL, which runs as another than root, enters it
    try:
        yield folder, is_own
    finally:
        if is_own:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        rmtree(folder, ignore_errors=True)


def keep_database_inside(data_dir: Path, home: Path) -> None:
    """Have root's database kept in `home`, on the same disk, rather than under /var/lib."""
    if user := service_user():
        (data_dir / "postgres").mkdir(mode=0o700, parents=True)
        home.mkdir(mode=0o700)
        os.chown(home, user.uid, user.gid)
        (home / "used_by").write_text(str(data_dir.resolve()))
        (data_dir / "postgres" / "place").write_text(str(home))


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no byte free meanwhile."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            found = os.statvfs(disk)
            with contextlib.suppress(OSError):  # others write meanwhile: what is left is taken below
                os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize)
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
        yield
    finally:
        filler.unlink(missing_ok=True)
