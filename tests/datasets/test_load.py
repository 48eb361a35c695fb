"""Loading goes through the contracts, adds nothing the second time, and changes nothing when a file is wrong."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.bench.system import Servers, environment_for, migrate
from app.composition import Container
from app.contracts.accounts import ListenerNotFound
from app.contracts.identity import artist_key, identify
from app.datasets.load import LoadReport, load
from app.datasets.registry import BadDataset
from app.kernel.binding import loopback
from app.kernel.context import SYSTEM, acting_as
from app.settings import MODULE_NAMES
from app.settings import load as load_settings
from app.topology import load as load_topology

NOW = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _system() -> Iterator[None]:
    with acting_as(SYSTEM):
        yield


def quiet(fraction: float, step: str) -> None:
    assert 0 <= fraction <= 1


def number() -> int:
    return random.SystemRandom().randrange(10**9, 10**12)


def test_listens_with_timestamps_are_loaded_once(services: Container, tmp_path: Path) -> None:
    one, two, track = number(), number(), number()
    rows = [f"{user}\t{1397965917 + n * 200}\t{track}\t5\n" for user in (one, two) for n in range(3)]
    file = tmp_path / "events.tsv"
    file.write_text("user\tts\ttrack\tartist\n" + "".join(rows) + rows[0])
    assert load("30music", file, services, quiet) == LoadReport(listeners=2, listens=6, duplicates=1)
    assert load("30music", file, services, quiet) == LoadReport(listeners=2, duplicates=7)
    listener = services.accounts.find_listener(f"30music-{one}")
    assert not listener.has_password
    page = services.listens.history(listener.listener_id)
    assert [listen.recording_key for listen in page.listens] == [identify("Artist 5", f"Track {track}")[0]] * 3
    assert page.listens[0].client == "30music"


def test_rows_of_one_artist_add_up(services: Container, tmp_path: Path) -> None:
    user = number()
    (tmp_path / "artists.tsv").write_text("artistID\tname\n1\tBjörk\n2\tBJO\u0308RK\n3\tBjörk feat. X\n4\tOther\n")
    (tmp_path / "user_artists.tsv").write_text(
        "userID\tartistID\tplays\n" + "".join(f"{user}\t{artist}\t{10**artist}\n" for artist in (1, 2, 3, 4))
    )
    assert load("hetrec-lastfm2k", tmp_path, services, quiet) == LoadReport(listeners=1, playcounts=2)
    assert load("hetrec-lastfm2k", tmp_path, services, quiet) == LoadReport(listeners=1, duplicates=2)
    listener = services.accounts.find_listener(f"hetrec-lastfm2k-{user}")
    top = services.listens.top(listener.listener_id, "artists").items
    assert [(item.key, item.plays) for item in top] == [(artist_key("Other"), 10_000), (artist_key("björk"), 1110)]


def test_a_wrong_line_at_the_end_of_the_file_changes_nothing(services: Container, tmp_path: Path) -> None:
    user = number()
    file = tmp_path / "events.tsv"
    file.write_text("user\tts\ttrack\tartist\n" + f"{user}\t1397965917\t1\t1\n" * 20 + f"{user}\tnoon\t1\t1\n")
    with pytest.raises(BadDataset, match=r"events.tsv, line 22: ts is 'noon'"):
        load("30music", file, services, quiet)
    with pytest.raises(ListenerNotFound):
        services.accounts.find_listener(f"30music-{user}")


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [("none", None, "no data set 'none'"), ("30music", None, "--path"), ("30music", Path("/nowhere"), "no such file")],
)
def test_what_is_not_there_is_said(services: Container, name: str, path: Path | None, said: str) -> None:
    with pytest.raises(BadDataset, match=said):
        load(name, path, services, quiet)


@pytest.fixture
def instance(servers: Servers, tmp_path: Path) -> Iterator[Container]:
    """An empty instance of its own: the demo is too much for one that is shared."""
    settings = load_settings(environment_for(servers, tmp_path, "segue_demo", "monolith"))
    migrate(settings)
    services = Container(settings, load_topology("monolith"), tuple(MODULE_NAMES), bind=loopback)
    yield services
    for database in services.databases.values():
        database.dispose()


def test_the_demo_is_loaded_once_also_when_another_day_has_come(instance: Container) -> None:
    started = time.monotonic()
    first = load("demo", None, instance, quiet, NOW)
    assert time.monotonic() - started < 60  # 15 s on 2 free cores; this machine may be busy
    assert (first.listeners, first.duplicates, first.rejected) == (200, 0, 0)
    assert first.listens > 98_000
    later = load("demo", None, instance, quiet, NOW + timedelta(days=3, hours=5))
    assert later == LoadReport(listeners=200, duplicates=first.listens)
    listener = instance.accounts.find_listener("demo")
    page = instance.listens.history(listener.listener_id, limit=5)
    assert {listen.client for listen in page.listens} == {"demo data"}
    assert "demo" in instance.catalog.get_artists([page.listens[0].artist_key])[0].tags
