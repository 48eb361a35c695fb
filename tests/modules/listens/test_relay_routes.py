"""The public routes of relays; and from one Segue to another, by the protocol that it speaks to players."""

import time
from collections.abc import Iterator

import pytest

from app.bench.system import Process, kill, start_worker
from app.composition import Container
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.modules.listens.others import FakeListenBrainz, running
from tests.support.people import Person, new_person
from tests.support.stack import Stack
from tests.support.waiting import eventually


@pytest.fixture
def lb() -> Iterator[FakeListenBrainz]:
    other = FakeListenBrainz()
    with running(other):
        yield other


@pytest.fixture(scope="module")
def split_worker(split: Stack) -> Iterator[Process]:
    process = start_worker(split.settings, split.environment)
    yield process
    kill(process)


@pytest.fixture
def any_worker(stack: Stack, request: pytest.FixtureRequest) -> None:
    """A worker of the topology that the test runs on."""
    request.getfixturevalue("worker" if stack.name == "loopback" else "split_worker")


def connect(api: PublicApi, person: Person, lb: FakeListenBrainz, **more: object) -> str:
    body = {"service": "listenbrainz", "address": lb.address, "credential": lb.token, **more}
    made = api.post("/api/v1/relays", json=body, token=person.token)
    assert made.status == 201, made.text
    assert lb.token not in made.text
    relay_id: str = made.json["relay_id"]
    return relay_id


def test_a_relay_is_made_changed_tested_and_removed(api: PublicApi, person: Person, lb: FakeListenBrainz) -> None:
    relay_id = connect(api, person, lb)
    path = f"/api/v1/relays/{relay_id}"
    assert api.post(f"{path}/test", token=person.token).json == {
        "is_working": True,
        "message": f"It works: you are {lb.name} there.",
        "user_name": lb.name,
    }
    changed = api.patch(path, json={"is_enabled": False, "direction": "both"}, token=person.token).json
    assert (changed["is_enabled"], changed["direction"]) == (False, "both")
    assert api.post(f"{path}/retry", token=person.token).json["is_enabled"] is False
    listed = api.get("/api/v1/relays", token=person.token).json["relays"]
    assert [each["relay_id"] for each in listed] == [relay_id]
    assert api.delete(path, token=person.token).status == 204
    assert api.get("/api/v1/relays", token=person.token).json == {"relays": []}
    assert api.delete(path, token=person.token).status == 404


def test_acts_on_relays_are_recorded_without_what_signs_in(
    api: PublicApi, services: Container, person: Person, lb: FakeListenBrainz
) -> None:
    relay_id = connect(api, person, lb)
    path = f"/api/v1/relays/{relay_id}"
    assert api.patch(path, json={"credential": "another"}, token=person.token).status == 200
    assert api.delete(path, token=person.token).status == 204
    assert api.delete(path, token=person.token).status == 404
    with acting_as(SYSTEM):
        told = [each for each in services.accounts.list_audit(limit=50) if each.actor == person.name]
    assert [(each.act, each.subject, each.details) for each in reversed(told) if each.act.startswith("relay")] == [
        ("relay.add", "listenbrainz", {"direction": "push"}),
        ("relay.change", relay_id, {"new_credential": True}),
        ("relay.remove", relay_id, {}),
        ("relay.remove", relay_id, {}),
        ("relay.remove.failed", relay_id, {"code": "listens.relay_not_found"}),
    ]


def test_what_can_not_work_is_refused_with_its_reason(api: PublicApi, person: Person, lb: FakeListenBrainz) -> None:
    connect(api, person, lb)
    for body in (
        {"service": "listenbrainz", "address": lb.address, "credential": "x"},
        {"service": "segue", "credential": "x"},
        {"service": "elsewhere", "credential": "x"},
        {"service": "listenbrainz", "credential": "x", "options": {"pull_every_s": 1}},
        {"service": "listenbrainz", "credential": "x", "surprise": 1},
    ):
        assert api.post("/api/v1/relays", json=body, token=person.token).status == 422, body


def test_relays_of_others_are_not_there(api: PublicApi, services: Container, lb: FakeListenBrainz) -> None:
    owner, stranger = new_person(services), new_person(services)
    path = f"/api/v1/relays/{connect(api, owner, lb)}"
    assert api.get("/api/v1/relays", token=stranger.token).json == {"relays": []}
    assert api.patch(path, json={"is_enabled": False}, token=stranger.token).status == 404
    assert api.post(f"{path}/test", token=stranger.token).status == 404
    assert api.delete(path, token=stranger.token).status == 404


@pytest.mark.usefixtures("any_worker")
def test_listens_go_from_one_segue_to_another_and_come_back_as_no_more(
    api: PublicApi, services: Container, stack: Stack
) -> None:
    here, there = new_person(services), new_person(services)
    with acting_as(there.actor):
        token = services.accounts.create_token(there.listener_id, "relay", ["read", "scrobble"]).token
    body = {"service": "segue", "address": stack.base_url, "credential": token, "direction": "both"}
    made = api.post("/api/v1/relays", json={**body, "options": {"pull_every_s": 60}}, token=here.token)
    assert made.status == 201, made.text
    assert api.post(f"/api/v1/relays/{made.json['relay_id']}/test", token=here.token).json["user_name"] == there.name
    now = int(time.time())
    mine = [{"listened_at": now - 100 * n, "artist": "Ädä", "title": f"Söng {n}", "release": "R"} for n in range(150)]
    assert api.post("/api/v1/listens", json={"listens": mine}, token=here.token).json["accepted"] == 150
    theirs = {"listened_at": now + 2, "artist": "Theirs", "title": "Alone"}
    assert api.post("/api/v1/listens", json={"listens": [theirs]}, token=there.token).json["accepted"] == 1
    eventually(lambda: len(titles(api, there)) == 151, within_s=60, every_s=0.3)
    time.sleep(3)  # what is fetched must be in the past
    assert api.post(f"/api/v1/relays/{made.json['relay_id']}/retry", token=here.token).status == 200
    eventually(lambda: "Alone" in titles(api, here), within_s=30, every_s=0.3)
    assert len(titles(api, here)) == 151
    assert len(titles(api, there)) == 151
    seen = api.get("/api/v1/relays", token=here.token).json["relays"][0]
    assert (seen["waiting"], seen["dead"], seen["push_error"], seen["pull_error"]) == (0, 0, "", "")


def titles(api: PublicApi, person: Person) -> list[str]:
    return [each["title"] for each in api.get("/api/v1/listens?limit=1000", token=person.token).json["listens"]]
