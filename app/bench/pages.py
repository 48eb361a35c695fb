"""Pages of a listener with a long history, alone in the log and then among millions of listens of others.

Each page of statistics and history is asked for in every range: warm (the median of several, in turns), for the first
time after the server started, and right after a new listen. The ratio is to its own median in the small log.
"""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.bench import big_history
from app.bench.load import Client, sign_in
from app.bench.report import Result, against, median_ms, report
from app.bench.system import System, kill, running_servers, running_system, start_process, temporary_folder, wait_until
from app.contracts.statistics import Span
from app.kernel import context
from app.kernel.db import Database, module_url, server_url

OWN = int(os.environ.get("SEGUE_BENCH_OWN_LISTENS", "100000"))
ALL = int(os.environ.get("SEGUE_BENCH_LISTENS", "10000000"))
ROUNDS = 9
COPIES = 9
NAME = "listener"
# The greatest that each page may take, in ms.
WARM_MS, COLD_MS, GROWTH = 100.0, 300.0, 1.5


def run() -> dict[str, Any]:
    """Measure in one run: `OWN` listens of one listener, then `ALL` listens with the same ones among them."""
    with (
        temporary_folder() as folder,
        running_servers(folder) as servers,
        running_system(servers, folder / "monolith", "monolith") as system,
        context.acting_as(context.SYSTEM),
    ):
        owner = Database(module_url(system.settings, "listens", "migrate"))
        database = Database(module_url(system.settings, "listens"))
        server = Database(server_url(system.settings, "listens"))
        listener = system.services.accounts.ensure_listeners([NAME])[0].listener_id
        until, catalogue = (
            big_history.now(),
            big_history.Catalogue.made(min(big_history.ARTISTS, max(1000, ALL // 100))),
        )
        big_history.copy(owner, iter([big_history.history(catalogue, listener, OWN, 0, until)]))
        big_history.roll_up(database, [listener])
        big_history.settle(owner)
        small = _measured(system, server, listener, until)
        if ALL > OWN:
            _add_others(owner, database, catalogue, until)
        large = _measured(system, server, listener, until)
        for each in (owner, database, server):
            each.dispose()
    return report("pages", list(_results(small, large)))


def _add_others(owner: Database, database: Database, catalogue: big_history.Catalogue, until: datetime) -> None:
    """Fill the log with the listens of others: a tenth is drawn, the server copies them to nine more listeners each."""
    drawn = [uuid4() for _ in range(max(1, (ALL - OWN) // big_history.PER_LISTENER // (1 + COPIES)))]
    big_history.copy(owner, big_history.others(catalogue, drawn, (ALL - OWN) // (1 + COPIES), until))
    copied = big_history.multiply(owner, drawn, COPIES)
    big_history.roll_up(database, [*drawn, *copied])
    big_history.settle(owner)


def _results(small: dict[str, "Times"], large: dict[str, "Times"]) -> Iterator[Result]:
    warm = {page: median_ms(times.warm) for page, times in large.items()}
    bases = {page: median_ms(times.warm) for page, times in small.items()}
    ratios = {page: value / bases[page] for page, value in warm.items()}
    first, fresh = ({p: getattr(t, what) * 1000 for p, t in large.items()} for what in ("first", "fresh"))
    yield against("slowest page, median", max(warm.values()), "ms", WARM_MS)
    yield against("slowest page, first time", max(first.values()), "ms", COLD_MS)
    yield against("slowest page, after a listen", max(fresh.values()), "ms", COLD_MS)
    yield against("greatest growth", max(ratios.values()), "times", GROWTH)
    for page, value in warm.items():
        yield against(page, value, "ms", bases[page])
        yield Result(f"{page}, first time", round(first[page], 2), "ms")
        yield Result(f"{page}, after a listen", round(fresh[page], 2), "ms")


class Times:
    """Seconds of one page."""

    def __init__(self) -> None:
        self.warm: list[float] = []
        self.first = self.fresh = 0.0


def _measured(system: System, server: Database, listener: UUID, until: datetime) -> dict[str, Times]:
    """Measure all pages on a server that has just started."""
    kill(system.processes["gateway"])
    system.processes["gateway"] = start_process(system.settings, system.environment, "gateway")
    wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=180)
    # what is popular here is counted once after a start, and then for a fiftieth of the time
    wait_until(lambda: _is_idle(server), within_s=240)
    client = sign_in(system, NAME)
    pages = _pages(system, listener, until)
    found = {page: Times() for page in pages}
    client.send("GET", "/playlists")  # the first page of all is about templates
    for page in pages:
        found[page].first = _seconds(client, page)
    for _ in range(ROUNDS):
        for page in pages:
            found[page].warm.append(_seconds(client, page))
    for number, page in enumerate(pages):
        listen = {"listened_at": int(time.time()) - 90 * number, "artist": "Artist 1", "title": f"New {uuid4().hex}"}
        client.send("POST", "/api/v1/listens", {"listens": [listen]})
        found[page].fresh = _seconds(client, page)
    return found


def _is_idle(server: Database) -> bool:
    """Say whether no statement has run for a second, and none will at once."""
    time.sleep(2)
    with server.begin() as session:
        long = "state = 'active' and pid <> pg_backend_pid() and now() - query_start > interval '1 s'"
        return not session.execute(text(f"select exists (select from pg_stat_activity where {long})")).scalar_one()  # noqa: S608


def _pages(system: System, listener: UUID, until: datetime) -> list[str]:
    """Return the addresses of every page of statistics and history, in every range."""
    listens = system.services.listens
    keys = {
        entity: listens.ranked(listener, entity, Span(), limit=1).items[0].key
        for entity in ("artists", "releases", "recordings")
    }
    third, tenth = (until - timedelta(days=365 * years) for years in (3, 9))
    ranges = [
        *(f"range={word}" for word in ("this_week", "this_month", "this_year", "week", "month", "year", "all_time")),
        f"from={third:%Y-%m-%d}&to={until:%Y-%m-%d}",
        f"from={tenth:%Y-%m-%d}&to={third:%Y-%m-%d}",
    ]
    pages = [f"/statistics?{each}" for each in ranges]
    pages += [f"/statistics/{entity}?{each}" for entity in keys for each in ranges]
    pages += [f"/{entity}/{key}?{each}" for entity, key in keys.items() for each in (ranges[1], ranges[5], ranges[6])]
    pages += ["/history", f"/history?day={third:%Y-%m-%d}", f"/history?day={tenth:%Y-%m-%d}", "/history?q=Song+7"]
    pages += ["/history?q=nothing+like+that", f"/year/{until.year - 1}", f"/year/{until.year - 1}.svg"]
    return pages


def _seconds(client: Client, page: str) -> float:
    started = time.perf_counter()
    client.send("GET", page)
    return time.perf_counter() - started
