"""Each process killed in turn (kill -9), under a load of submissions and recommendations.

`STILL_HOLDS` is the table of the documentation: for each victim, which features answer how while it is away.
"""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import urllib3

from app.bench.system import Process, kill, start_process
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.support.people import Person, new_person
from tests.support.stack import Stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.split, pytest.mark.extended]

# feature → request as (method, path); `submit` sends a listen of its own
FEATURES = {
    "sign-in check": "/api/v1/ping",
    "home page": "/",
    "history": "/api/v1/listens",
    "recommendations": "/api/v1/recommendations?n=5",
    "search": "/api/v1/search?q=garden",
    "playlists": "/api/v1/playlists",
    "submit": "",
}
ALL = set(FEATURES)
STILL_HOLDS = {
    "recommendations": ALL - {"recommendations"},
    "catalog": ALL - {"search"},
    "training": ALL,
    "listens": ALL - {"history", "submit"},
    "playlists": ALL - {"playlists"},
    "accounts": ALL,  # tokens verify with the cached keys
}


@pytest.fixture
def person(split: Stack) -> Person:
    return new_person(split.services)


class Load:
    """Submits listens and asks for recommendations, one after the other, until it is stopped."""

    def __init__(self, api: PublicApi, person: Person) -> None:
        self.api, self.person = api, person
        self.acknowledged: list[int] = []
        self.statuses: list[int] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        at = int(time.time()) - 1_000_000
        while not self._stopping.is_set():
            at += 1
            try:
                if submit(self.api, self.person, at) == 200:
                    self.acknowledged.append(at)
                reply = self.api.get("/api/v1/recommendations?n=5", token=self.person.token)
                self.statuses.append(reply.status)
            except urllib3.exceptions.HTTPError:
                self.statuses.append(0)


def submit(api: PublicApi, person: Person, at: int) -> int:
    listen = {"listened_at": at, "artist": "Load", "title": f"Title {at % 50}"}
    return api.post("/api/v1/listens", json={"listens": [listen]}, token=person.token).status


def probe(api: PublicApi, person: Person, feature: str) -> int:
    if feature == "submit":
        return submit(api, person, int(time.time()) - 2_000_000)
    return api.get(FEATURES[feature], token=person.token).status


@pytest.fixture
def killed(split: Stack) -> Iterator[Callable[[str], None]]:
    """Kill a process of the stack; it is started again, and all are ready, before the next test."""
    gone: list[str] = []

    def kill_process(name: str) -> None:
        kill(split.processes[name])
        gone.append(name)

    yield kill_process
    for name in gone:
        restart(split, name)


def restart(split: Stack, name: str) -> Process:
    if split.processes[name].poll() is not None:
        split.processes[name] = start_process(split.settings, split.environment, name)
    eventually(lambda: split.request("GET", "/readyz", headers={}, body=None).status == 200, within_s=60, every_s=0.2)
    return split.processes[name]


@pytest.mark.parametrize("victim", STILL_HOLDS)
def test_what_still_holds_while_a_module_is_away(
    split: Stack, person: Person, killed: Callable[[str], None], victim: str
) -> None:
    api = PublicApi(split)
    assert {feature for feature in FEATURES if probe(api, person, feature) == 200} == ALL
    with Load(api, person) as load:
        time.sleep(0.5)
        killed(victim)
        answers, waits = {}, {}
        for feature in FEATURES:
            started = time.monotonic()
            answers[feature] = probe(api, person, feature)
            waits[feature] = time.monotonic() - started
        away = api.get("/readyz").json["away"]
        restart(split, victim)
        eventually(lambda: probe(api, person, "submit") == 200, within_s=10)
        time.sleep(0.5)
    assert away == [victim]
    assert {feature for feature, status in answers.items() if status == 200} == STILL_HOLDS[victim], answers
    assert set(answers.values()) <= {200, 503}, answers
    assert max(waits.values()) < 6, waits
    assert all_present(api, person, load.acknowledged)


def test_the_gateway_killed_comes_back_and_nothing_acknowledged_is_lost(
    split: Stack, person: Person, killed: Callable[[str], None]
) -> None:
    api = PublicApi(split)
    with Load(api, person) as load:
        time.sleep(0.5)
        killed("gateway")
        time.sleep(0.5)
        restart(split, "gateway")
        time.sleep(0.5)
    assert load.acknowledged
    assert all_present(api, person, load.acknowledged)


def all_present(api: PublicApi, person: Person, acknowledged: list[int]) -> bool:
    found: set[int] = set()
    before = ""
    while True:
        page = api.get(f"/api/v1/listens?limit=1000{before}", token=person.token).json
        found |= {int(_epoch(listen["listened_at"])) for listen in page["listens"]}
        if not page["next"]:
            missing = set(acknowledged) - found
            assert not missing, f"{len(missing)} acknowledged listens are gone"
            return True
        before = f"&before={page['next']}"


def _epoch(said: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(said.replace("Z", "+00:00")).timestamp()


def test_a_submission_while_listens_is_away_says_when_to_try_again(
    split: Stack, person: Person, killed: Callable[[str], None]
) -> None:
    api = PublicApi(split)
    killed("listens")
    listen = {"listened_at": int(time.time()), "artist": "A", "title": "B"}
    reply = api.post("/api/v1/listens", json={"listens": [listen]}, token=person.token)
    assert reply.status == 503
    assert int(reply.headers["Retry-After"]) > 0
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_an_api_token_seen_lately_still_verifies_while_accounts_is_away(
    split: Stack, person: Person, killed: Callable[[str], None]
) -> None:
    api = PublicApi(split)
    with acting_as(SYSTEM):
        token = split.services.accounts.create_token(person.listener_id, "player", ["read", "scrobble"]).token
    assert api.get("/api/v1/ping", token=token).status == 200
    killed("accounts")
    assert api.get("/api/v1/ping", token=token).status == 200
