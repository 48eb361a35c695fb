"""`manage.py backup | restore`: everything that people put in, in one file.

A file is a tar: `manifest.json` (revisions, checksums), a dump of each module's schema, and the folders of snapshots,
models and imports. The modules of one database are dumped as of the same moment.
"""

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from alembic.script import ScriptDirectory
from msgspec import Struct
from sqlalchemy import NullPool, create_engine, text

from app import __version__
from app.cli.shared import SegueError, answer, as_json
from app.composition import LOG_OWNERS
from app.host.at_rest import database_at_rest, is_running
from app.host.places import HostError, private_folder
from app.host.postgres_tools import dump_schema, restore_schema
from app.kernel import feed, migrations
from app.kernel.db import Database, module_url, server_url
from app.settings import MODULE_NAMES, Settings
from app.settings import load as load_settings

FOLDERS = ("snapshots", "models", "imports")
# What data was sealed, named or signed with; passwords of roles and keys of processes belong to an installation.
DATA_SECRETS = ("secret_key", "pseudonym_key", "model_signing_key", "model_signing_public")
MANIFEST = "manifest.json"


class Manifest(Struct, frozen=True, kw_only=True):
    format: int = 1
    version: str
    created_at: datetime
    revisions: dict[str, str]
    files: dict[str, str]  # path in the archive → SHA-256


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--secrets/--no-secrets", "has_secrets", default=True, help="Put in the keys that data is sealed with.")
@as_json
def backup(file: Path, has_secrets: bool, json_: bool) -> None:
    """Write all modules' data, snapshots and models into one file, readable by its owner only."""
    with _one_line(), _settings_at_hand() as settings, tempfile.TemporaryDirectory(dir=file.absolute().parent) as made:
        contents = _dumps(settings, Path(made)) | _folders(settings.data_dir)
        if has_secrets:
            contents |= {f"secrets/{name}": _kept(made, name, settings) for name in DATA_SECRETS}
        manifest = Manifest(
            version=__version__,
            created_at=datetime.now(UTC),
            revisions={module: migrations.current(settings, module) or "" for module in MODULE_NAMES},
            files={name: _sha256(path) for name, path in contents.items()},
        )
        _write_archive(file, manifest, contents, Path(made))
        (settings.data_dir / "run").mkdir(exist_ok=True)
        (settings.data_dir / "run" / "last-backup").touch()  # how old it is, the administrators' overview says
    size = file.stat().st_size
    document = {"file": str(file), "bytes": size, "files": len(contents), "secrets": has_secrets}
    answer(json_, document, f"{file}: {size / 1e6:.1f} MB, {len(contents)} files" + ("" if has_secrets else NO_SECRETS))


NO_SECRETS = (
    "\nwithout keys: models, snapshots, second factors, connections to other services and sessions "
    "can't be opened elsewhere"
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Drop what the modules hold now.")
@as_json
def restore(file: Path, replace: bool, json_: bool) -> None:
    """Bring a backup into this installation, which must not be running; the feeds begin a new generation."""
    asked = load_settings()
    with _one_line(), database_at_rest(asked.data_dir, os.environ.get("DATABASE_URL", "")) as url:
        settings = load_settings({**os.environ, "SEGUE_DATA_DIR": str(asked.data_dir), "DATABASE_URL": url})
        with tempfile.TemporaryDirectory(dir=private_folder(settings.data_dir)) as made:
            manifest = _read_archive(file, Path(made))
            _check_revisions(settings, manifest)
            _empty(settings, replace=replace)
            _restore_secrets(settings, Path(made))
            migrations.bootstrap(settings, list(MODULE_NAMES))
            for module in MODULE_NAMES:
                _restore_module(settings, module, Path(made))
            for folder in FOLDERS:
                _replace_folder(Path(made) / folder, settings.data_dir / folder)
            shutil.rmtree(settings.data_dir / "cache", ignore_errors=True)
    document = {"file": str(file), "version": manifest.version, "created_at": manifest.created_at}
    answer(json_, document, f"restored what {manifest.version} wrote at {manifest.created_at:%Y-%m-%d %H:%M} UTC")


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (HostError, OSError, tarfile.TarError) as error:
        raise SegueError(str(error)) from None


@contextlib.contextmanager
def _settings_at_hand() -> Iterator[Settings]:
    """Hand out settings with a database that answers: of the running system, else started for this."""
    settings = load_settings()
    if os.environ.get("DATABASE_URL") or is_running(settings.data_dir):
        yield settings
        return
    with database_at_rest(settings.data_dir, "") as url:
        yield load_settings({**os.environ, "SEGUE_DATA_DIR": str(settings.data_dir), "DATABASE_URL": url})


def _dumps(settings: Settings, folder: Path) -> dict[str, Path]:
    """Dump each module as its own role; those of one database as of one moment."""
    found = {}
    with contextlib.ExitStack() as transactions:
        snapshots: dict[str, tuple[str, int]] = {}
        for module in MODULE_NAMES:
            server = str(server_url(settings, module))
            if server not in snapshots:
                snapshots[server] = transactions.enter_context(_snapshot(settings, module))
            snapshot, major = snapshots[server]
            target = folder / f"{module}.dump"
            url = module_url(settings, module, "migrate")
            dump_schema(url, module, target, snapshot=snapshot, server_major=major)
            found[f"database/{module}.dump"] = target
    return found


@contextlib.contextmanager
def _snapshot(settings: Settings, module: str) -> Iterator[tuple[str, int]]:
    """Keep a moment of a database open for several dumps; also its server's major version."""
    engine = create_engine(module_url(settings, module, "migrate"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        yield connection.execute(text("select pg_export_snapshot()")).scalar_one(), _major(connection)


def _major(connection: object) -> int:
    version: int = connection.connection.driver_connection.server_version  # type: ignore[attr-defined]
    return version // 10_000


def _folders(data_dir: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(data_dir)): path
        for folder in FOLDERS
        for path in sorted((data_dir / folder).rglob("*"))
        if path.is_file()
    }


def _kept(folder: str, name: str, settings: Settings) -> Path:
    """Write a secret, wherever it comes from, to a file of its own."""
    path = private_folder(Path(folder) / "secrets") / name
    path.touch(0o600)
    path.write_text(settings.secret(name))
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_archive(file: Path, manifest: Manifest, contents: dict[str, Path], folder: Path) -> None:
    """Write all or nothing."""
    noted, unfinished = folder / MANIFEST, folder / "archive.tar"
    noted.write_bytes(msgspec.json.encode(manifest))
    unfinished.touch(0o600)
    with tarfile.open(unfinished, "w") as archive:
        archive.add(noted, MANIFEST)
        for name, path in contents.items():
            archive.add(path, name, recursive=False)
    unfinished.rename(file)


def _read_archive(file: Path, folder: Path) -> Manifest:
    """Unpack a backup and check every file of it. Raises SegueError."""
    try:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (tarfile.TarError, OSError, msgspec.DecodeError) as error:
        raise SegueError(f"{file} is no backup of Segue: {str(error).splitlines()[0]}") from None
    damaged = [n for n, digest in manifest.files.items() if not (folder / n).is_file() or _sha256(folder / n) != digest]
    if damaged or manifest.format != 1:
        raise SegueError(f"{file} is damaged, or of a newer form: {', '.join(damaged[:3])}")
    return manifest


def _check_revisions(settings: Settings, manifest: Manifest) -> None:
    for module in MODULE_NAMES:
        known = {s.revision for s in ScriptDirectory.from_config(migrations.config(settings, module)).walk_revisions()}
        if manifest.revisions.get(module) not in known:
            raise SegueError(f"the backup is of {manifest.version}, which is newer than this version ({module})")


def _empty(settings: Settings, *, replace: bool) -> None:
    """Make sure that no module holds anything. Raises SegueError when one does and may not be emptied."""
    migrations.bootstrap(settings, list(MODULE_NAMES))
    held = [module for module in MODULE_NAMES if migrations.current(settings, module)]
    if held and not replace:
        raise SegueError(f"there is data here already ({', '.join(held)}): restore elsewhere, or use --replace")
    for module in held:
        engine = create_engine(server_url(settings, module), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f'drop schema "{module}" cascade')


def _restore_secrets(settings: Settings, folder: Path) -> None:
    for source in sorted((folder / "secrets").glob("*")):
        if source.name not in DATA_SECRETS or settings.secret(source.name) == source.read_text():
            continue
        if source.name in settings.secret_values or source.name in settings.secret_files:
            raise SegueError(f"SEGUE_{source.name.upper()} is set, and differs from the backup's: unset it first")
        source.chmod(0o600)
        source.replace(private_folder(settings.data_dir / "secrets") / source.name)


def _restore_module(settings: Settings, module: str, folder: Path) -> None:
    url = module_url(settings, module, "migrate")
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        major = _major(connection)
    restore_schema(url, module, folder / "database" / f"{module}.dump", server_major=major)
    migrations.upgrade(settings, module)
    if module in LOG_OWNERS:
        database = Database(module_url(settings, module), pool_size=1)
        with database.begin() as session:
            session.execute(text("set local statement_timeout = 0"))
            feed.begin_generation(session)
        database.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql("analyze")


def _replace_folder(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if source.is_dir():
        source.rename(target)


COMMANDS = (backup, restore)
