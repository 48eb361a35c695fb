"""Memory doesn't grow with the file."""

import gzip
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.modules.listens.formats.samples import history, itunes, listenbrainz, maloja, rockbox, spotify

pytestmark = pytest.mark.extended

MANY = 4_000
MB = 1 << 20
MOST_MB = {"extended": 7, "scrobbles": 7, "one_line": 10}  # windows of a million characters, and copies of them
LINES_MB = 3
PADDING = random.Random(1).randbytes(600).hex()


def extended() -> Iterator[str]:
    yield "["
    for number in range(MANY * 2):
        yield json.dumps(spotify(number, ms_played=60_000 + number, platform=PADDING)) + ","
    yield json.dumps(spotify(0)) + "]"


def scrobbles() -> Iterator[str]:
    yield '{"scrobbles": ['
    for number in range(MANY * 2):
        yield json.dumps({**maloja(number), "origin": PADDING}) + ","
    yield "]}"


def jsonl() -> Iterator[str]:
    for number in range(MANY):
        yield json.dumps(listenbrainz(number, {"note": PADDING})) + "\n"


def log() -> Iterator[str]:
    yield "#AUDIOSCROBBLER/1.1\n#TZ/UTC\n"
    for number in range(MANY):
        yield rockbox(number).strip() + PADDING + "\n"


def library() -> Iterator[str]:
    track = {"Name": "Jóga", "Artist": "Björk", "Play Count": 3, "Location": PADDING}
    head, _, tail = itunes(track).decode().partition("<key>1</key>")
    record, _, rest = tail.partition("</dict>")
    yield head
    for number in range(MANY):
        yield f"<key>{number}</key>{record.replace('Jóga', f'Jóga {number}')}</dict>"
    yield rest


def one_line() -> Iterator[str]:
    yield json.dumps([spotify(0)])[:-1]
    for _ in range(16_000):
        yield PADDING


FORMAT = {"extended": "spotify", "one_line": "spotify", "scrobbles": "maloja", "log": "rockbox", "library": "itunes"}


@pytest.mark.parametrize("make", [extended, scrobbles, one_line, jsonl, log, library])
@pytest.mark.parametrize("packed", ["", ".gz", ".zip"])
def test_a_large_file_is_read_in_little_memory(tmp_path: Path, make: Callable[[], Iterator[str]], packed: str) -> None:
    path = tmp_path / f"large{packed}"
    data = "".join(make()).encode()
    if packed == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("listens/2023/1.jsonl", data)
    else:
        path.write_bytes(gzip.compress(data, 1) if packed else data)
    most = MOST_MB.get(make.__name__, LINES_MB) * MB
    assert len(data) > 1.4 * most
    del data
    # what other threads of this process take is in each peak as well
    peaks: list[int] = []
    while len(peaks) < 3 and min(peaks, default=most) >= most:
        found = history(path, format=FORMAT.get(make.__name__, "listenbrainz"), now=datetime(2100, 1, 1, tzinfo=UTC))
        tracemalloc.start()
        try:
            count = sum(1 for _ in found)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert count >= (2 if make is one_line else MANY)
    assert min(peaks) < most
