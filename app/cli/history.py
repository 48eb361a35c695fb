"""`manage.py import | export`: a listener's history in and out."""

import time
from pathlib import Path
from typing import get_args

import click
import msgspec

from app.cli.shared import SegueError, answer, as_json, modules, progress
from app.contracts.accounts import ListenerNotFound
from app.contracts.imports import ENDED, MAX_CHUNK_BYTES, MAX_FILE_BYTES, Format, Import
from app.contracts.services import Services
from app.kernel.contract import DomainError

CHUNK_BYTES = MAX_CHUNK_BYTES // 2
LOOK_EVERY_S = 0.2
FORMATS: tuple[Format, ...] = get_args(Format)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--user", required=True, help="Whose history this is.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="auto", help="Recognised where not given.")
@click.option("--timezone", default="UTC", help="That of times in the file that name none.")
@as_json
def import_(file: Path, user: str, format_: Format, timezone: str, json_: bool) -> None:
    """Bring a history in from another service; the same file again adds nothing. Ctrl-C cancels."""
    try:
        size = file.stat().st_size
        with file.open("rb"):
            pass
    except OSError as error:
        raise SegueError(f"{file}: {error.strerror}") from None
    if not 0 < size <= MAX_FILE_BYTES:
        raise SegueError(f"{file}: " + ("the file is empty" if not size else "larger than 4 GB"))
    with modules() as services:
        try:
            listener_id = services.accounts.find_listener(user).listener_id
            begun = services.listens.begin_import(listener_id, file.name, size, format_, timezone)
        except ListenerNotFound:
            raise SegueError(f"no listener is called {user}") from None
        except DomainError as error:
            raise SegueError(error.message) from None
        try:
            found = _bring(services, begun, file)
        except KeyboardInterrupt:
            stopped = services.listens.cancel_import(listener_id, begun.import_id)
            raise SegueError(f"cancelled; {stopped.counts.listens} listens were taken and stay") from None
    if found.state != "done":
        raise SegueError(f"{file}: {found.error or f'the import is {found.state}'}")
    counts = found.counts
    document = {"import": str(found.import_id), "format": found.format, **msgspec.to_builtins(counts)}
    skipped = [f"  skipped {each.count}: {each.reason}" for each in found.preview.skipped] if found.preview else []
    answer(
        json_,
        document,
        f"{found.format}: {counts.listens} listens, {counts.duplicates} there already, {counts.skipped} skipped",
        *skipped,
    )


def _bring(services: Services, begun: Import, file: Path) -> Import:
    with progress("sending") as show, file.open("rb") as source:
        found, offset = begun, 0
        while data := source.read(CHUNK_BYTES):
            found = services.listens.add_import_data(begun.listener_id, begun.import_id, offset, data)
            offset += len(data)
            show(offset / begun.size, "")
    found = _until_ended(services, found, "examining")
    if found.state != "ready":
        return found
    return _until_ended(services, services.listens.start_import(begun.listener_id, begun.import_id), "running")


def _until_ended(services: Services, found: Import, state: str) -> Import:
    """Watch an import while it is in a state, and work on it where no worker does."""
    with progress(state) as show:
        while found.state == state and found.state not in ENDED:
            before = found.progress
            found = services.listens.advance_import(found.import_id)
            show(found.progress, "")
            if found.progress == before:
                time.sleep(LOOK_EVERY_S)
    return found


@click.command()
@click.option("--user", required=True, help="Whose history to write.")
@click.argument("file", type=click.Path(path_type=Path))
def export(user: str, file: Path) -> None:
    """Write everything of a listener to a zip in the layout of ListenBrainz."""
    from app.modules.accounts.export import chunks

    unfinished = file.with_name(file.name + ".part")
    with modules() as services:
        try:
            listener_id = services.accounts.find_listener(user).listener_id
        except ListenerNotFound:
            raise SegueError(f"no listener is called {user}") from None
        try:
            with unfinished.open("wb") as target:
                for chunk in chunks(services, listener_id):
                    target.write(chunk)
            unfinished.replace(file)
        except OSError as error:
            raise SegueError(f"{file}: {error.strerror}") from None
        finally:
            unfinished.unlink(missing_ok=True)
    click.echo(f"{file}: {file.stat().st_size:,} bytes")


COMMANDS = (import_, export)
