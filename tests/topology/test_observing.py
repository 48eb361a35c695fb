"""What an administrator can see of a running system: one trace through all processes, figures of all of them."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from app.bench.system import Servers, System, kill, running_system
from app.cli import logs
from app.kernel.celery import broker_state, doorbell, make_celery
from tests.support.commands import manage_json
from tests.support.fired import firing, samples
from tests.support.people import Person, new_person
from tests.support.waiting import eventually

pytestmark = [pytest.mark.split, pytest.mark.extended]

WAITING = 'segue_run_waits_seconds{kind="recordings",process="training"}'


@pytest.fixture(scope="module")
def observed(servers: Servers, folder: Path) -> Iterator[System]:
    with running_system(servers, folder / "observed", "split", has_worker=True) as system:
        yield system


@pytest.fixture(scope="module")
def admin(observed: System) -> Person:
    """Return somebody who has played enough to train on."""
    person = new_person(observed.services, is_admin=True)
    listens = ",".join(
        f'{{"listened_at":{1_700_000_000 + 300 * n},"artist":"Artist {n % 4}","title":"Song {n}"}}' for n in range(40)
    )
    assert send(observed, person, "POST", "/api/v1/listens", f'{{"listens":[{listens}]}}')[0] == 200
    return person


def send(system: System, person: Person, method: str, path: str, body: str = "") -> tuple[int, str]:
    """Return the status and the trace id of a request."""
    headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"}
    reply = system.request(method, path, headers=headers, body=body.encode() or None)
    return reply.status, reply.headers["X-Request-Id"]


def lines_of(system: System, trace: str) -> list[dict[str, object]]:
    files = [str(file) for file in sorted(system.settings.data_dir.glob("*.log"))]
    found: list[dict[str, object]] = manage_json(system, "logs", "--trace", trace, *files)["lines"]
    return found


def test_one_trace_leads_from_the_request_to_the_task(observed: System, admin: Person) -> None:
    status, trace = send(observed, admin, "POST", "/api/v1/admin/runs", '{"kind":"artists"}')
    assert status in {200, 201, 202}
    log = observed.settings.data_dir / "worker.log"
    eventually(
        lambda: any((line["event"], line.get("trace_id")) == ("task", trace) for line in logs.lines_of(log)),
        within_s=60,
        every_s=0.2,
    )
    lines = lines_of(observed, trace)
    assert {"gateway", "training", "listens", "worker"} <= {line["process"] for line in lines}
    assert [line["timestamp"] for line in lines] == sorted(str(line["timestamp"]) for line in lines)
    assert {line["trace_id"] for line in lines} == {trace}


def test_one_address_tells_of_gateway_services_and_workers(observed: System, admin: Person) -> None:
    send(observed, admin, "GET", "/api/v1/recommendations?n=5")
    text = observed.request("GET", "/metrics").text
    for series in (
        'segue_http_requests_total{method="GET",process="gateway",route="/api/v1/recommendations',
        'segue_calls_total{method="start_run",module="training",process="training"}',
        'segue_tasks_total{outcome="done",process="worker",task="training.run"}',
        'segue_recommendations_total{answer="',
        'segue_background_caught_up_timestamp_seconds{process="recommendations",work="recommendations follows',
        'segue_part_up{part="worker"} 1.0',
    ):
        assert series in text, series
    if shutil.which("promtool"):
        command = ["promtool", "check", "metrics"]
        linted = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert linted.returncode == 0, linted.stderr


def test_a_worker_of_another_system_on_the_same_broker_is_not_ones_own(observed: System) -> None:
    own, other = (
        make_celery(structs.replace(observed.settings, queue=queue)) for queue in (observed.settings.queue, "other")
    )
    eventually(lambda: broker_state(own) == ("up", "up"), within_s=60, every_s=0.5)
    assert broker_state(other) == ("up", "down")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Prometheus) is not installed")
def test_planted_faults_fire_their_alerts(observed: System, admin: Person, tmp_path: Path) -> None:
    """The last test of this file: it leaves the system without recommendations, training's leader and worker."""

    def scrape() -> str:
        return observed.request("GET", "/metrics").text

    newcomer = new_person(observed.services)
    eventually(lambda: 'segue_part_up{part="worker"} 1' in scrape(), within_s=60, every_s=0.5)  # it starts last
    well = scrape()
    assert not {"PartDown", "CallsLost", "RequestsFail"} & firing(well, scrape(), now=time.time(), folder=tmp_path)
    for _ in range(10):  # nobody has played anything of a model that serves recordings: there is none
        send(observed, newcomer, "GET", "/api/v1/recommendations?n=5")
    doorbell(observed.settings, expires_s=60)("training.run", "no such run")
    eventually(lambda: 'outcome="failed",process="worker"' in scrape(), within_s=60, every_s=0.5)
    kill(observed.processes["worker"])
    send(observed, admin, "POST", "/api/v1/admin/runs", '{"kind":"recordings"}')
    eventually(lambda: samples(scrape()).get(WAITING, 0.0) > 0, within_s=60, every_s=0.5)
    kill(observed.processes["recommendations"])
    for _ in range(10):
        assert send(observed, newcomer, "GET", "/api/v1/recommendations?n=5")[0] == 503
        send(observed, newcomer, "GET", "/")
    eventually(lambda: 'segue_part_up{part="worker"} 0' in scrape(), within_s=60, every_s=1)
    fired = firing(well, scrape(), now=time.time(), folder=tmp_path)
    assert fired >= {
        "PartDown", "CallsLost", "RequestsFail", "RecommendationsFallBack", "TasksFail", "RunsWait", "FollowerBehind"
    }  # fmt: skip
