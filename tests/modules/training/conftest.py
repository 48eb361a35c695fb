"""An instance of its own with the modules that make a model, in this process, moved by hand."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bench.system import Servers
from tests.support.line import Line, new_line


@pytest.fixture(scope="package")
def line(servers: Servers, folder: Path) -> Iterator[Line]:
    with new_line(servers, folder / f"line-{secrets.token_hex(3)}") as made:
        yield made


@pytest.fixture
def empty_line(servers: Servers, folder: Path) -> Iterator[Line]:
    """An instance where nobody has listened to anything."""
    with new_line(servers, folder / f"line-{secrets.token_hex(3)}") as made:
        yield made
