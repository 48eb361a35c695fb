"""How other commands ask a running `manage.py up` for a change: a file with the request, a file with the answer.

`up` alone changes what runs, one request after the other, so nothing of it is lost with the command that asked.
"""

import contextlib
import fcntl
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.host.places import HostError, private_folder, run_folder

Request = dict[str, Any]


def ask(data_dir: Path, request: Request, *, within_s: float, tell: Callable[[str], None] = lambda _: None) -> str:
    """Send a request and wait for its answer; `tell` hears how far it is. Raises HostError in one line."""
    if not is_up(data_dir):
        raise HostError("nothing runs here: start it with `manage.py up`")
    name = f"{time.time_ns()}-{secrets.token_hex(4)}"
    folder = _folder(data_dir)
    _write(folder / f"{name}.request", request)
    answer, progress, said = folder / f"{name}.answer", folder / f"{name}.progress", ""
    deadline = time.monotonic() + within_s
    while not answer.exists():
        if time.monotonic() > deadline:
            raise HostError(f"no answer within {within_s:g} s: see the output of `manage.py up`")
        if not is_up(data_dir):
            raise HostError("`manage.py up` ended meanwhile; the next one continues or undoes what was begun")
        with contextlib.suppress(OSError):
            if (now := progress.read_text()) != said:
                said = now
                tell(said)
        time.sleep(0.1)
    found = json.loads(answer.read_text())
    for path in (answer, progress):
        path.unlink(missing_ok=True)
    if "error" in found:
        raise HostError(found["error"])
    return str(found["said"])


def serve(data_dir: Path, change: Callable[[Request], str]) -> bool:
    """Do the oldest request, if there is one, and answer it; return whether there was."""
    for path in sorted(_folder(data_dir).glob("*.request")):
        request = json.loads(path.read_text())
        path.unlink()
        request["progress"] = str(path.with_suffix(".progress"))
        try:
            answer = {"said": change(request)}
        except Exception as error:  # whoever asked must hear of it, and the system goes on
            answer = {"error": str(error) or type(error).__name__}
        _write(path.with_suffix(".answer"), answer)
        return True
    return False


def is_up(data_dir: Path) -> bool:
    """Tell whether an `up` holds the data folder."""
    try:
        with open(data_dir.absolute() / "run" / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def clear(data_dir: Path) -> None:
    """Forget requests that a former `up` never answered."""
    for path in _folder(data_dir).iterdir():
        path.unlink(missing_ok=True)


def _folder(data_dir: Path) -> Path:
    return private_folder(run_folder(data_dir) / "requests")


def _write(path: Path, document: Any) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(document))
    unfinished.rename(path)
