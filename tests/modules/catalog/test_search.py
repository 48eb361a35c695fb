import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.bench.system import Servers, environment_for
from app.contracts.catalog import SearchResult
from app.kernel import migrations
from app.kernel.clock import system_clock
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database, module_url, server_url
from app.modules.catalog import search
from app.modules.catalog.models import metadata
from app.modules.catalog.names import Names
from app.modules.catalog.service import CatalogService
from app.settings import Settings, load

WELL_KNOWN = 5000
BANDS = [
    ("The Beatles", "Here Comes the Sun", WELL_KNOWN),
    ("Beatles Revival Band", "Here Comes the Night", 3),
    ("Björk", "Jóga", WELL_KNOWN),
    ("Sigur Rós", "Sæglópur", 40),
    ("Mø", "Final Song", 40),
    ("R.E.M.", "Man on the Moon", 800),
    ("Fleetwood Mac", "Don't Stop", 800),
    ("Radiohead", "Creep", WELL_KNOWN),
    ("Gogol Bordello", "Wonderlust King", 20),
    ("!!!", "Heart of Hearts", 20),
    ("AC/DC", "T.N.T.", 800),
    ("100% Discount", "_under_score_", 3),
    ("宇多田ヒカル", "光", 500),
    ("サカナクション", "ガラス", 20),
    ("Кино", "Группа крови", 500),
]


def migrated(servers: Servers, folder: Path, name: str, *, has_trigrams: bool = True) -> Settings:
    settings = load(environment_for(servers, folder / name, f"segue_{name}", "monolith"))
    migrations.bootstrap(settings, ["catalog"])
    if not has_trigrams:
        engine = create_engine(server_url(settings, "catalog"), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("drop extension if exists pg_trgm"))
    migrations.upgrade(settings, "catalog")
    return settings


def catalog_of(database: Database) -> CatalogService:
    """The names alone: searching needs no other module."""
    return CatalogService(database, None, system_clock)  # type: ignore[arg-type]


def fill(database: Database) -> None:
    found = Names()
    for artist, title, plays in BANDS:
        found.recording(uuid4(), uuid4(), artist, title, None, plays)
    with database.begin() as session:
        found.store(session)


@pytest.fixture(scope="module")
def large(servers: Servers, folder: Path) -> Settings:
    return migrated(servers, folder, "forgiving")


@pytest.fixture(scope="module")
def owner(large: Settings) -> Iterator[Database]:
    database = Database(module_url(large, "catalog", "migrate"))
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def forgiving(large: Settings) -> Iterator[Database]:
    """The bands above, where there are trigrams, among 100,000 names as data sets have them."""
    database = Database(module_url(large, "catalog"))
    with database.begin() as session:
        if search.mode(session) == "prefix":
            pytest.skip("this PostgreSQL has no pg_trgm")
        session.execute(
            text(
                """
                insert into artist (artist_key, name, search_text, plays)
                select gen_random_uuid(), 'Artist ' || n, 'artist ' || n, 1000000 / (n + 100)
                from generate_series(1, 40000) n
                """
            )
        )
        session.execute(
            text(
                """
                insert into recording (recording_key, artist_key, title, artist, search_text, plays)
                select gen_random_uuid(), gen_random_uuid(), 'The track ' || n, 'Artist ' || n % 40000,
                       'the track ' || n || ' artist ' || n % 40000, 1000000 / (n + 100)
                from generate_series(1, 60000) n
                """
            )
        )
    fill(database)
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def strict(servers: Servers, folder: Path) -> Iterator[Database]:
    """The bands above on a server without pg_trgm."""
    database = Database(module_url(migrated(servers, folder, "strict", has_trigrams=False), "catalog"))
    fill(database)
    yield database
    database.dispose()


def found(database: Database, said: str, limit: int = 20) -> SearchResult:
    with acting_as(SYSTEM):
        return catalog_of(database).search(said, limit)


@pytest.mark.parametrize(
    ("said", "artist"),
    [
        ("the beatles", "The Beatles"),
        ("beatles", "The Beatles"),
        ("beatels", "The Beatles"),
        ("bjork", "Björk"),
        ("BJÖRK", "Björk"),
        ("sigur ros", "Sigur Rós"),
        ("sigor ros", "Sigur Rós"),
        ("mo", "Mø"),
        ("rem", "R.E.M."),
        ("r.e.m.", "R.E.M."),
        ("radiohaed", "Radiohead"),
        ("radio head", "Radiohead"),
        ("gogol bordelo", "Gogol Bordello"),
        ("bordello", "Gogol Bordello"),
        ("!!!", "!!!"),
        ("ac/dc", "AC/DC"),
        ("100% disc", "100% Discount"),
        ("宇多田", "宇多田ヒカル"),
        ("サカナ", "サカナクション"),
        ("кино", "Кино"),
        ("artist 31415", "Artist 31415"),
        ("artsit 31415", "Artist 31415"),
    ],
)
def test_an_artist_is_found_first(forgiving: Database, said: str, artist: str) -> None:
    assert found(forgiving, said).artists[0].name == artist


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("creep", "Creep"),
        ("radiohead creep", "Creep"),
        ("dont stop", "Don't Stop"),
        ("don’t stop", "Don't Stop"),
        ("here comes the sun", "Here Comes the Sun"),
        ("here coms teh sun", "Here Comes the Sun"),
        ("joga", "Jóga"),
        ("saeglopur", "Sæglópur"),
        ("tnt", "T.N.T."),
        ("beatles", "Here Comes the Sun"),
        ("_under", "_under_score_"),
        ("光", "光"),
        ("the track 47777", "The track 47777"),
    ],
)
def test_a_recording_is_found_first(forgiving: Database, said: str, title: str) -> None:
    assert found(forgiving, said).recordings[0].title == title


def test_of_equally_near_names_the_better_known_come_first(forgiving: Database) -> None:
    titles = [each.title for each in found(forgiving, "the track", 3).recordings]
    assert titles == ["The track 1", "The track 2", "The track 3"]


HEAVY = ["a", "th", "the", "artist", "track 123", "artist 335", "%", "!!!", "the the the artist track", "x" * 500]


def seconds(database: Database, said: str) -> float:
    """Return how long a search takes at best, as other tests may be running beside: 2 to 35 ms on a quiet core."""
    times: list[float] = []
    while len(times) < 3 or (min(times) > 0.15 and len(times) < 20):
        started = time.monotonic()
        found(database, said)
        times.append(time.monotonic() - started)
    return min(times)


@pytest.mark.parametrize("said", HEAVY)
def test_a_search_among_100_000_names_is_quick(forgiving: Database, said: str) -> None:
    assert seconds(forgiving, said) < 0.15


def test_it_is_also_when_the_server_has_counted_them(forgiving: Database, owner: Database) -> None:
    with owner.begin() as session:
        session.execute(text("analyze artist, recording"))
    assert {said: took for said in HEAVY if (took := seconds(forgiving, said)) >= 0.15} == {}


@pytest.mark.parametrize(
    ("said", "artist"),
    [
        ("beat", "Beatles Revival Band"),
        ("THE B", "The Beatles"),
        ("bjor", "Björk"),
        ("宇", "宇多田ヒカル"),
        ("100%", "100% Discount"),
    ],
)
def test_without_trigrams_a_name_is_found_by_its_beginning(strict: Database, said: str, artist: str) -> None:
    with acting_as(SYSTEM):
        assert catalog_of(strict).search_mode() == "prefix"
    assert [each.name for each in found(strict, said).artists] == [artist]


@pytest.mark.parametrize("said", ["eatles", "beatels", "%", "_", "\\", ""])
def test_without_trigrams_nothing_else_is_found(strict: Database, said: str) -> None:
    assert found(strict, said).artists == []


def test_where_trigrams_come_later_the_migration_of_their_day_has_no_index_and_search_stays_by_prefix(
    servers: Servers, folder: Path
) -> None:
    settings = migrated(servers, folder, "later", has_trigrams=False)
    migrations.bootstrap(settings, ["catalog"])  # the server has got pg_trgm meanwhile
    database = Database(module_url(settings, "catalog"))
    with acting_as(SYSTEM):
        assert catalog_of(database).search_mode() == "prefix"
    database.dispose()


def test_names_learned_before_are_folded_as_new_ones_are(servers: Servers, folder: Path) -> None:
    settings = load(environment_for(servers, folder / "older", "segue_older", "monolith"))
    migrations.bootstrap(settings, ["catalog"])
    migrations.upgrade(settings, "catalog", "catalog_0001")
    database = Database(module_url(settings, "catalog"))
    with database.begin() as session:
        for name in [artist for artist, _, _ in BANDS] + ["'", "Mr. 'X'", "Þeyr", "L'Œuvre"]:
            session.execute(
                text("insert into artist values (gen_random_uuid(), :name, :said, 1)"),
                {"name": name, "said": search.canonical(name)},
            )
    migrations.upgrade(settings, "catalog")
    with database.begin() as session:
        rows = session.execute(text("select name, search_text from artist")).all()
    database.dispose()
    assert {row.name: row.search_text for row in rows} == {row.name: search.folded(row.name) for row in rows}
    assert migrations.differences(settings, "catalog", metadata) == []
    migrations.downgrade(settings, "catalog", "base")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Björk", "bjork"),
        ("Bjo\u0308rk", "bjork"),
        ("Don’t Stop", "dont stop"),
        ("R.E.M.", "rem"),
        ("St. Vincent", "st vincent"),
        ("Łódź", "lodz"),
        ("Ёлка", "елка"),
        ("ガラス", "ガラス"),
        ("한국", "한국"),
        ("'", "'"),
        ("...", "..."),
        ("", ""),
    ],
)
def test_a_name_is_compared_without_what_people_leave_out(name: str, text: str) -> None:
    assert search.folded(name) == text
    assert search.folded(text) == text
