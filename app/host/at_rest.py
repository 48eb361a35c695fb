"""The data of a system that is not running: its database alone, for a restore or a backup."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.host import postgres, secrets
from app.host.places import HostError
from app.host.servers import prepare
from app.host.supervisor import Supervisor, only_one, stop_leftovers


@contextmanager
def database_at_rest(data_dir: Path, database_url: str) -> Iterator[str]:
    """Hold the data folder and yield the address of its database, which is started when it is the embedded one.

    Raises HostError while the system runs.
    """
    with only_one(data_dir):
        stop_leftovers(data_dir)
        secrets.ensure(data_dir, [])
        if database_url:
            yield database_url
            return
        found = prepare(data_dir, database_url="", broker_url="none")
        assert found.database
        with Supervisor(data_dir, found.programs()):
            postgres.wait_ready(found.database)
            yield found.database.url


def is_running(data_dir: Path) -> bool:
    """Tell whether `up` runs on a data folder."""
    try:
        with only_one(data_dir):
            return False
    except HostError:
        return True
