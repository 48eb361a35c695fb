"""A monolith with a worker, in processes of its own, for what is tried by the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bench.system import Servers, System, running_system


@pytest.fixture(scope="package")
def system(servers: Servers, folder: Path) -> Iterator[System]:
    with running_system(servers, folder / "main-job", "monolith", has_worker=True) as system:
        yield system
