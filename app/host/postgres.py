"""The embedded PostgreSQL: prepare its data, say how to reach it, run it in the foreground.

`python -m app.host.postgres DATA_DIR` is what the process manager runs: it removes stale locks, gives up root and
becomes the server.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

import psycopg2

from app.host.places import HostError, leave_socket_folder
from app.host.postgres_binaries import Binaries, usable_binaries
from app.host.postgres_home import home_folder, postgres_sockets
from app.host.postgres_repair import clear_stale
from app.host.service_user import ServiceUser, become, drop_options, run_as, service_user

SUPERUSER = "postgres"
DATABASE = "segue"

SERVER_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",  # compiling costs more than it saves on queries of this size
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    # A failing statement may hold a password (CREATE ROLE) or somebody's listens: its message is enough.
    "log_min_error_statement": "panic",
}
# A throwaway server loses nothing by losing its data, and is that of several systems side by side.
THROWAWAY_OPTIONS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB", "max_connections": "600"}


@dataclass(frozen=True)
class PostgresPlan:
    """Programs, account, folders and address of one embedded server."""

    binaries: Binaries
    user: ServiceUser | None
    data: Path
    sockets: Path
    password: str

    def __repr__(self) -> str:
        return f"PostgresPlan(binaries={self.binaries!r}, user={self.user!r}, data={str(self.data)!r})"

    @property
    def url(self) -> str:
        """The address of the system's database, which the bootstrap creates."""
        return self._address(DATABASE)

    @property
    def admin_url(self) -> str:
        """The address of the database that is always there."""
        return self._address("postgres")

    @property
    def command(self) -> list[str]:
        return server_command(self.binaries.folder, self.data, self.sockets, SERVER_OPTIONS)

    def _address(self, database: str) -> str:
        password, host = quote(self.password, safe=""), quote(str(self.sockets))
        return f"postgresql+psycopg2://{SUPERUSER}:{password}@/{database}?host={host}"


def server_command(binaries: Path, data: Path, sockets: Path, options: dict[str, str]) -> list[str]:
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [str(binaries / "postgres"), "-D", str(data), "-k", str(sockets), *settings]


def prepare(data_dir: Path, password: str, *, durable: bool = True) -> PostgresPlan:
    """Find programs that fit, make the data where there are none, and note down how to start the server.

    Raises HostError in one line when no programs are found or they can't read the data.
    """
    user = service_user()
    home = home_folder(data_dir, user)
    data = home / "data"
    sockets = postgres_sockets(data_dir, user, home)
    version_file = data / "PG_VERSION"
    if version_file.exists():
        binaries = _binaries_for(data, int(version_file.read_text()), user)
    else:
        binaries = _initialise(data, user, password, durable)
    plan = PostgresPlan(binaries, user, data, sockets, password)
    note = {"binaries": str(binaries.folder), "data": str(data), "sockets": str(sockets)}
    (data_dir.absolute() / "postgres" / "plan.json").write_text(json.dumps(note))
    return plan


def serve(data_dir: Path) -> None:
    """Become the server that `prepare` noted down. Does not return."""
    note = json.loads((data_dir.absolute() / "postgres" / "plan.json").read_text())
    data, sockets = Path(note["data"]), Path(note["sockets"])
    clear_stale(data, sockets)
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    become(service_user())
    command = server_command(Path(note["binaries"]), data, sockets, SERVER_OPTIONS)
    os.execv(command[0], command)  # noqa: S606


def answers(plan: PostgresPlan) -> bool:
    """Tell whether the server takes connections. Raises HostError when it refuses the password."""
    try:
        psycopg2.connect(
            host=str(plan.sockets), user=SUPERUSER, password=plan.password, dbname="postgres", connect_timeout=5
        ).close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" in str(error):
            raise HostError(
                f"the database in {plan.data} refuses secrets/postgres_password: they belong to different installations"
            ) from None
        return False
    return True


def wait_ready(plan: PostgresPlan, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not answers(plan):
        if time.monotonic() > deadline:
            raise HostError(f"PostgreSQL did not answer within {timeout_s:g} s: see log/postgres.log")
        time.sleep(0.05)


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """Run a throwaway server for tests, yield the superuser's address of database `postgres`, leave nothing behind."""
    plan = prepare(folder, "throwaway-" + os.urandom(8).hex(), durable=False)
    clear_stale(plan.data, plan.sockets)
    command = server_command(plan.binaries.folder, plan.data, plan.sockets, {**SERVER_OPTIONS, **THROWAWAY_OPTIONS})
    with open(folder / "postgres.log", "ab") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **drop_options(plan.user)
        )
    try:
        wait_ready(plan)
        yield plan.admin_url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        rmtree(plan.data.parent, ignore_errors=True)
        leave_socket_folder(folder)


def _binaries_for(data: Path, major: int, user: ServiceUser | None) -> Binaries:
    for binaries in usable_binaries(user, major=major):
        return binaries
    raise HostError(
        f"{data} was written by PostgreSQL {major}, whose programs are not here any more: install them again"
    )


def _initialise(data: Path, user: ServiceUser | None, password: str, durable: bool) -> Binaries:
    """Make a new database with the first programs that can; others are tried when some lack a part.

    The folder gets its name when all is done: a killed start leaves no half.
    """
    unfinished = data.with_name("data.new")
    reasons = []
    with tempfile.NamedTemporaryFile("w", dir=data.parent) as password_file:
        password_file.write(password + "\n")
        password_file.flush()
        if user:
            os.chown(password_file.name, user.uid, user.gid)
        for binaries in usable_binaries(user):
            for locale in ("C",) if sys.platform == "darwin" else ("C.UTF-8", "C"):
                rmtree(unfinished, ignore_errors=True)
                command = [str(binaries.folder / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "-E", "UTF8"]
                command += [f"--locale={locale}", "--auth=scram-sha-256", f"--pwfile={password_file.name}"]
                answer = run_as(user, command if durable else [*command, "--no-sync"])
                if answer.returncode == 0:
                    unfinished.rename(data)
                    return binaries
                reasons.append(f"{binaries.folder}: {(answer.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    raise HostError("no PostgreSQL to start here: set DATABASE_URL, or install it. " + "; ".join(reasons[:3]))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
