"""Submissions per second through the gateway, one listen each and in batches."""

import time
from typing import Any

from app.bench.freshness import TOPOLOGIES
from app.bench.load import CONNECTIONS, Client, at_once, sign_in, with_token
from app.bench.report import Result, against, median_ms, report
from app.bench.system import running_servers, running_system, temporary_folder

ROUNDS = 5
SINGLES, BATCHES, BATCH = 200, 8, 1000


def run() -> dict[str, Any]:
    """Measure with 8 kept connections, a listener each, in turns with the empty authenticated endpoint."""
    results: list[Result] = []
    with temporary_folder() as folder, running_servers(folder) as servers:
        for topology in TOPOLOGIES:
            with running_system(servers, folder / topology, topology) as system:
                names = [f"submitter-{number}" for number in range(CONNECTIONS)]
                clients = [sign_in(system, name) for name in names]
                players = [with_token(system, *each) for each in zip(clients, names, strict=True)]
                results += _measure(topology, clients, players)
    return report("submit", results)


def _measure(topology: str, clients: list[Client], players: list[Client]) -> list[Result]:
    now = int(time.time()) - 10_000_000
    rates: dict[str, list[float]] = {"ping": [], "single": [], "player": [], "batch": []}
    waits: dict[str, list[float]] = {"ping": [], "single": [], "player": []}
    for turn in range(ROUNDS):
        rate, samples = at_once(lambda number: _of(clients, number).ping(), SINGLES)
        rates["ping"].append(rate)
        waits["ping"] += samples
        start = now + turn * 20_000
        rate, samples = at_once(lambda number: _send(_of(clients, number), [start + number]), SINGLES)  # noqa: B023
        rates["single"].append(rate)
        waits["single"] += samples
        rate, samples = at_once(lambda number: _play(_of(players, number), start + 2_000 + number), SINGLES)  # noqa: B023
        rates["player"].append(rate)
        waits["player"] += samples
        first = start + 5_000
        rate, _ = at_once(lambda n: _send(_of(clients, n), range(first + n * BATCH, first + (n + 1) * BATCH)), BATCHES)  # noqa: B023
        rates["batch"].append(rate * BATCH)
    middle = {name: sorted(found)[ROUNDS // 2] for name, found in rates.items()}
    return [
        against(f"{topology}: submissions a second", middle["single"], "1/s", middle["ping"]),
        against(f"{topology}: submissions a second through /1/submit-listens", middle["player"], "1/s", middle["ping"]),
        against(f"{topology}: a submission, median", median_ms(waits["single"]), "ms", median_ms(waits["ping"])),
        against(
            f"{topology}: a submission through /1/submit-listens, median",
            median_ms(waits["player"]),
            "ms",
            median_ms(waits["ping"]),
        ),
        Result(f"{topology}: listens a second in batches of {BATCH}", round(middle["batch"], 1), "1/s"),
    ]


def _of(clients: list[Client], number: int) -> Client:
    return clients[number % len(clients)]


def _send(client: Client, times: Any) -> None:
    listens = [{"listened_at": at, "artist": f"Artist {at % 500}", "title": f"Title {at % 5000}"} for at in times]
    client.send("POST", "/api/v1/listens", {"listens": listens})


def _play(player: Client, at: int) -> None:
    track = {"artist_name": f"Artist {at % 500}", "track_name": f"Title {at % 5000}"}
    body = {"listen_type": "single", "payload": [{"listened_at": at, "track_metadata": track}]}
    player.send("POST", "/1/submit-listens", body)
