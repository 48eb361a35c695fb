"""The public routes for admins, on every topology."""

from uuid import uuid4

from app.composition import Container
from app.contracts.listens import ListenerListens, NewListen
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.support.line import START
from tests.support.people import Person

RUN = {"id", "kind", "state", "progress", "model", "created", "ended", "error"}
MODEL = {"id", "kind", "number", "state", "metrics", "created", "sha256"}


def test_a_run_is_started_watched_and_cancelled(services: Container, api: PublicApi, admin: Person) -> None:
    with acting_as(SYSTEM):
        listens = [NewListen(START, f"Artist {uuid4()}", "One")]
        services.listens.load([ListenerListens(admin.listener_id, listens)], "tests")
    started = api.post("/api/v1/admin/runs", token=admin.token, json={"kind": "artists"})
    assert started.status == 202, started.text
    assert set(started.json) >= RUN
    run = started.json["id"]
    again = api.post("/api/v1/admin/runs", token=admin.token, json={"kind": "artists"})
    assert again.json["id"] == run
    listed = api.get("/api/v1/admin/runs?n=5", token=admin.token)
    assert run in [each["id"] for each in listed.json["runs"]]
    cancelled = api.post(f"/api/v1/admin/runs/{run}/cancel", token=admin.token)
    if cancelled.status == 409:  # a worker of this instance was quicker
        assert cancelled.json["code"] == "training.illegal_move"
    else:
        assert cancelled.json["state"] in {"cancelled", "cancelling"}
    assert api.get(f"/api/v1/admin/runs/{run}", token=admin.token).json["id"] == run


def test_what_is_wrong_has_its_own_answer(services: Container, api: PublicApi, admin: Person) -> None:
    token = admin.token
    for path, body, status, code in (
        ("runs", {"kind": "albums"}, 422, "invalid_request"),
        ("runs", {"kind": "artists", "colour": 1}, 422, "invalid_request"),
        ("runs", {"kind": "artists", "snapshot": "0" * 64}, 404, "training.snapshot_not_found"),
        ("runs", {"kind": "artists", "snapshot": "../x"}, 422, "invalid_request"),
        (f"runs/{uuid4()}/cancel", None, 404, "training.run_not_found"),
        (f"models/{uuid4()}/promote", {}, 404, "training.model_not_found"),
        ("models/rollback", {}, 422, "invalid_request"),
    ):
        reply = api.post(f"/api/v1/admin/{path}", token=token, json=body)
        assert (reply.status, reply.json["code"]) == (status, code), path
    assert api.get(f"/api/v1/admin/runs/{uuid4()}", token=token).status == 404


def test_snapshots_and_models_are_listed(services: Container, api: PublicApi, admin: Person) -> None:
    with acting_as(SYSTEM):
        listens = [NewListen(START, f"Artist {uuid4()}", "One")]
        services.listens.load([ListenerListens(admin.listener_id, listens)], "tests")
    taken = api.post("/api/v1/admin/snapshots", token=admin.token)
    assert taken.status == 201, taken.text
    listed = api.get("/api/v1/admin/snapshots", token=admin.token).json["snapshots"]
    assert taken.json["snapshot_id"] in [each["snapshot_id"] for each in listed]
    for model in api.get("/api/v1/admin/models?kind=artists", token=admin.token).json["models"]:
        assert set(model) >= MODEL


def test_only_admins_see_the_training(services: Container, api: PublicApi, person: Person) -> None:
    for path in ("runs", "models", "snapshots"):
        assert api.get(f"/api/v1/admin/{path}", token=person.token).status == 403
        assert api.get(f"/api/v1/admin/{path}").status == 401
