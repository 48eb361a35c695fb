"""An odd Subsonic server."""

from collections.abc import Iterator

import pytest

from tests.modules.playlists.libraries import song
from tests.support.subsonic import Odd, running_odd


@pytest.fixture
def odd() -> Iterator[Odd]:
    with running_odd(Odd(songs=[song(n) for n in range(7)])) as server:
        yield server
