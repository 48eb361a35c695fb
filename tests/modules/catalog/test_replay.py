from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Servers
from app.contracts.catalog import Tagging
from app.contracts.identity import artist_key, recording_key
from app.contracts.listens import ListenerListens, NewListen, NewPlaycount
from app.kernel.context import SYSTEM, acting_as
from tests.support.alone import Alone, alone

START = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def line(servers: Servers, folder: Path) -> Iterator[Alone]:
    with alone(servers, folder / "catalog-alone") as found:
        yield found


@pytest.fixture(autouse=True)
def _as_the_system() -> Iterator[None]:
    with acting_as(SYSTEM):
        yield


def listen(line: Alone, *plays: tuple[str, str, str | None]) -> ListenerListens:
    listens = [NewListen(START + timedelta(minutes=n), *play) for n, play in enumerate(plays)]
    batch = ListenerListens(uuid4(), listens)
    line.services.listens.load([batch], "tests")
    return batch


def everything(line: Alone) -> dict[str, list[Any]]:
    with line.database("catalog").begin() as session:
        return {
            table: list(session.execute(text(f"select * from {table} order by 1, 2")).all())
            for table in ("artist", "recording", "tag")
        }


def test_a_replay_from_zero_gives_the_same_catalog(line: Alone) -> None:
    catalog, listens = line.services.catalog, line.services.listens
    catalog.add_tags([Tagging("Tagged before", "Its song", ["slow"]), Tagging("An artist", None, ["loud"])])
    one = listen(line, ("An Artist", "Song", None), ("an artist", "SONG", "A release"), ("Other", "Second", None))
    listens.set_playcounts([NewPlaycount(uuid4(), "Counted", "Third", 7), NewPlaycount(uuid4(), "Other", None, 2)], "x")
    line.follow("catalog")
    listens.delete_listen(one.listener_id, START, recording_key("An Artist", "Song"))
    line.follow("catalog")
    before = everything(line)
    assert {row.name for row in before["artist"]} >= {"An artist", "Other", "Counted", "Tagged before"}

    line.replay("catalog")
    assert everything(line) == before


def test_a_deleted_listen_counts_no_more(line: Alone) -> None:
    batch = listen(line, ("Fading", "Once", None), ("Fading", "Twice", None), ("Fading", "Twice", None))
    line.follow("catalog")
    key = artist_key("Fading")
    assert [r.title for r in line.services.catalog.get_artist_page(key).recordings] == ["Twice", "Once"]
    for number in (1, 2):
        at = START + timedelta(minutes=number)
        line.services.listens.delete_listen(batch.listener_id, at, recording_key("Fading", "Twice"))
    line.follow("catalog")
    assert [r.title for r in line.services.catalog.get_artist_page(key).recordings] == ["Once", "Twice"]


def test_the_first_name_seen_stays_and_a_release_is_filled_in(line: Alone) -> None:
    listen(line, ("First Spelling", "A Title", None))
    line.follow("catalog")
    listen(line, ("FIRST SPELLING", "a title", "The release"), ("first spelling", "A TITLE", "Another release"))
    line.follow("catalog")
    (found,) = line.services.catalog.get_recordings([recording_key("first spelling", "a title")])
    assert (found.artist, found.title, found.release) == ("First Spelling", "A Title", "The release")


def test_nothing_of_a_listener_is_kept(line: Alone) -> None:
    batch = listen(line, ("Someone", "Something", None))
    line.follow("catalog")
    assert str(batch.listener_id) not in str(everything(line))


def test_totals_of_a_library_make_known_too(line: Alone) -> None:
    counts = [NewPlaycount(uuid4(), "Totals", "Often counted", 1) for _ in range(3)]
    line.services.listens.set_playcounts([NewPlaycount(uuid4(), "Totals", "A rare one", 900), *counts], "library")
    line.follow("catalog")
    page = line.services.catalog.get_artist_page(artist_key("Totals"))
    assert [r.title for r in page.recordings] == ["Often counted", "A rare one"]
