"""Which folder holds the database of a data folder.

Not root: `<data>/postgres`. Root: a folder under /var/lib/segue that the service user owns, because that user can't
enter root's folders. The two note each other's path, so that no two data folders ever share a database: a data
folder that was moved keeps its database, one that was copied or made anew gets a new one.
"""

import hashlib
import os
import secrets
from pathlib import Path

from app.host.places import HostError, private_folder, socket_folder
from app.host.service_user import ServiceUser

SHARED_HOME = Path("/var/lib/segue")


def home_folder(data_dir: Path, user: ServiceUser | None) -> Path:
    """Return the folder that holds `data` and, for root, the sockets; made where missing."""
    inside = private_folder(data_dir.absolute() / "postgres")
    if user is None:
        return inside
    note = inside / "place"
    home = _noted_home(note, data_dir) or _new_home(data_dir)
    try:
        SHARED_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        private_folder(home)
        os.chown(home, user.uid, user.gid)
    except OSError as error:
        raise HostError(f"root can't keep its database under {SHARED_HOME}: {error}; set DATABASE_URL") from None
    (home / "used_by").write_text(str(data_dir.resolve()))
    note.write_text(str(home))
    return home


def postgres_sockets(data_dir: Path, user: ServiceUser | None, home: Path) -> Path:
    """Return the socket folder, 0700 and the server's own; root may enter it all the same."""
    if user is None:
        return socket_folder(data_dir)
    folder = private_folder(home / "s")
    os.chown(folder, user.uid, user.gid)
    return folder


def _noted_home(note: Path, data_dir: Path) -> Path | None:
    try:
        home = Path(note.read_text().strip())
        used_by = Path((home / "used_by").read_text().strip())
    except OSError:
        return None
    if used_by == data_dir.resolve() or not (used_by / "postgres" / "place").exists():
        return home
    return None


def _new_home(data_dir: Path) -> Path:
    # The random part keeps a new data folder at an old path from finding the database of the former one.
    text = os.fsencode(data_dir.resolve()) + secrets.token_bytes(16)
    return SHARED_HOME / hashlib.sha256(text).hexdigest()[:12]
