"""The system itself: services with their latency and errors, workers and queues, and the settings in force."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, current_app, make_response, render_template
from flask.typing import ResponseReturnValue
from prometheus_client import Metric

from app.contracts.services import Services
from app.kernel import metrics
from app.kernel.celery import workers_and_queue
from app.settings import Settings, shown

SLOWEST = 10


@dataclass(slots=True)
class Traffic:
    """What a module or route answered since its processes started."""

    name: str
    count: float = 0.0
    errors: float = 0.0
    seconds: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)

    @property
    def mean_ms(self) -> float | None:
        return self.seconds / self.count * 1000 if self.count else None

    @property
    def p95_ms(self) -> float | None:
        """Return the upper bound of the bucket that holds the 95th of a hundred."""
        whole = max(self.buckets.values(), default=0.0)
        bounds = [bound for bound, count in sorted(self.buckets.items()) if whole and count >= 0.95 * whole]
        return bounds[0] * 1000 if bounds and bounds[0] != float("inf") else None


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    def told() -> dict[str, Any]:
        found = metrics.collected(with_others=True)
        return {
            "parts": current_app.extensions["segue"].health(),
            "modules": traffic_of_modules(found),
            "routes": sorted(traffic_of_routes(found), key=lambda each: -(each.p95_ms or 0))[:SLOWEST],
        }

    @bp.get("/services")
    def services_page() -> ResponseReturnValue:
        return render_template("admin/services.html", **told())

    @bp.get("/services/fragment")
    def services_fragment() -> ResponseReturnValue:
        """The figures alone, for the script that keeps them fresh."""
        response = make_response(render_template("admin/_services.html", **told()))
        response.headers["X-Segue-Live"] = "1"
        return response

    @bp.get("/workers")
    def workers() -> ResponseReturnValue:
        return render_template("admin/workers.html", **at_work())

    @bp.get("/workers/fragment")
    def workers_fragment() -> ResponseReturnValue:
        response = make_response(render_template("admin/_workers.html", **at_work()))
        response.headers["X-Segue-Live"] = "1"
        return response

    @bp.get("/settings")
    def settings_page() -> ResponseReturnValue:
        return render_template("admin/settings.html", settings=shown(settings))

    def at_work() -> dict[str, Any]:
        found, waiting = workers_and_queue(settings)
        tasks = traffic_of_tasks(metrics.collected(with_others=True))
        return {"workers": found, "waiting": waiting, "queue": settings.queue, "tasks": tasks}


def traffic_of_modules(found: Iterable[Metric]) -> dict[str, Traffic]:
    """Return the calls that each module answered."""
    by_module: dict[str, Traffic] = {}
    fields = {"segue_calls_total": "count", "segue_call_errors_total": "errors", "segue_call_seconds_total": "seconds"}
    for sample in (s for metric in found for s in metric.samples if s.name in fields):
        each = by_module.setdefault(sample.labels["module"], Traffic(sample.labels["module"]))
        setattr(each, fields[sample.name], getattr(each, fields[sample.name]) + sample.value)
    return by_module


def traffic_of_routes(found: Iterable[Metric]) -> list[Traffic]:
    """Return what each route answered."""
    by_route: dict[str, Traffic] = {}
    for sample in (s for metric in found for s in metric.samples if "route" in s.labels):
        each = by_route.setdefault(sample.labels["route"], Traffic(sample.labels["route"]))
        if sample.name == "segue_http_requests_total":
            each.count += sample.value
            each.errors += sample.value if str(sample.labels["status"]).startswith("5") else 0
        elif sample.name == "segue_http_request_seconds_sum":
            each.seconds += sample.value
        elif sample.name == "segue_http_request_seconds_bucket":
            bound = float(sample.labels["le"])
            each.buckets[bound] = each.buckets.get(bound, 0.0) + sample.value
    return list(by_route.values())


def traffic_of_tasks(found: Iterable[Metric]) -> list[Traffic]:
    """Return what the workers did, by task."""
    by_task: dict[str, Traffic] = {}
    for sample in (s for metric in found for s in metric.samples if "task" in s.labels):
        each = by_task.setdefault(sample.labels["task"], Traffic(sample.labels["task"]))
        if sample.name == "segue_tasks_total":
            each.count += sample.value
            each.errors += sample.value if sample.labels["outcome"] == "failed" else 0
        elif sample.name == "segue_task_seconds_sum":
            each.seconds += sample.value
    return sorted(by_task.values(), key=lambda each: each.name)
