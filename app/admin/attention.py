"""What needs an administrator now, worst first: each with the page where it is seen to.

The conditions are those of the alerts (docker/prometheus/alerts.yml) as far as one look can tell them, and what waits
for a person's decision.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

from flask import url_for

from app.admin.page import or_none
from app.admin.system import traffic_of_modules, traffic_of_tasks
from app.contracts.services import Services
from app.contracts.training import Model, Run
from app.kernel import metrics
from app.kernel.locales import gettext as _
from app.settings import Settings

T = TypeVar("T", Run, Model)

STALE = timedelta(days=14)
WAITS = timedelta(minutes=10)
BACKUP_OLD = timedelta(days=7)
BEHIND_S = 120
CAUGHT_UP = "segue_background_caught_up_timestamp_seconds"
MOST_ERRORS = 0.05
FEWEST_CALLS = 20  # of fewer the share says nothing


@dataclass(frozen=True, slots=True)
class Concern:
    """`tone`: bad is broken or failing, warn is to be looked at."""

    says: str
    address: str
    tone: Literal["bad", "warn"] = "warn"


def concerns(services: Services, parts: list[dict[str, Any]], settings: Settings) -> list[Concern]:
    """Return what needs attention; what is asked of a part that is away is left out."""
    found = [
        *_parts(parts),
        *_traffic(),
        *_runs(or_none(partial(services.training.list_runs, 50)) or []),
        *_models(or_none(services.training.list_models)),
        *_experiments(services),
        *_drift(services),
        *_backup(settings),
    ]
    return sorted(found, key=lambda each: each.tone != "bad")


def _parts(parts: list[dict[str, Any]]) -> Iterator[Concern]:
    for part in parts:
        if part["state"] != "up":
            yield Concern(_("%(part)s is down.", part=part["name"]), url_for("admin.services_page"), "bad")


def _traffic() -> Iterator[Concern]:
    found = metrics.collected(with_others=True)
    for module, traffic in traffic_of_modules(found).items():
        if traffic.count >= FEWEST_CALLS and traffic.errors > MOST_ERRORS * traffic.count:
            share = f"{traffic.errors / traffic.count:.0%}"
            says = _("%(share)s of the calls that %(module)s answered failed.", share=share, module=module)
            yield Concern(says, url_for("admin.services_page"), "bad")
    for task in traffic_of_tasks(found):
        if task.errors:
            says = _("The task %(task)s failed %(count)s times.", task=task.name, count=int(task.errors))
            yield Concern(says, url_for("admin.workers"))
    now = datetime.now(UTC).timestamp()
    for sample in (s for metric in found for s in metric.samples if s.name == CAUGHT_UP):
        if sample.value and now - sample.value > BEHIND_S:
            seconds = int(now - sample.value)
            says = _("%(work)s: has not caught up for %(count)s s.", work=sample.labels["work"], count=seconds)
            yield Concern(says, url_for("admin.services_page"))


def _runs(runs: list[Run]) -> Iterator[Concern]:
    for run in _newest_of_kinds(runs, lambda run: run.ended_at is not None):
        if run.state == "failed":
            says = _("The last run of %(kind)s failed.", kind=_(run.kind))
            yield Concern(says, url_for("admin.run", run_id=run.run_id), "bad")
    for run in runs:
        if run.state == "queued" and datetime.now(UTC) - run.created_at > WAITS:
            yield Concern(_("A run of %(kind)s waits for a worker.", kind=_(run.kind)), url_for("admin.workers"), "bad")


def _models(models: list[Model] | None) -> Iterator[Concern]:
    if models is None:
        return
    if not any(model.state == "champion" for model in models):
        yield Concern(_("No model serves: home shows what is popular."), url_for("admin.runs"))
    for model in models:
        if model.state == "champion" and datetime.now(UTC) - model.created_at > STALE:
            days = (datetime.now(UTC) - model.created_at).days
            says = _("The model of %(kind)s is %(count)s days old.", kind=_(model.kind), count=days)
            yield Concern(says, url_for("admin.runs"))
    for model in _newest_of_kinds(models, lambda _model: True):
        address = url_for("admin.model", model_id=model.model_id)
        if model.state == "rejected":
            says = _("The gate refused model %(number)s of %(kind)s.", number=model.number, kind=_(model.kind))
            yield Concern(says, address)
        elif model.state == "candidate":
            says = _("Model %(number)s of %(kind)s waits for a decision.", number=model.number, kind=_(model.kind))
            yield Concern(says, address)
        elif model.state in {"rolled_back", "quarantined"}:
            says = _("Model %(number)s of %(kind)s was taken out.", number=model.number, kind=_(model.kind))
            yield Concern(says, address, "bad")


def _experiments(services: Services) -> Iterator[Concern]:
    for each in or_none(services.training.list_experiments) or []:
        if each.state == "running" and each.verdict != "undecided":
            kind, verdict = _(each.kind), _(each.verdict)
            says = _("An experiment with %(kind)s waits for a decision: %(verdict)s.", kind=kind, verdict=verdict)
            yield Concern(says, url_for("admin.experiment", experiment_id=each.experiment_id))


def _drift(services: Services) -> Iterator[Concern]:
    found = or_none(services.training.drift) or []
    for each in found:
        if each.snapshot_id == found[0].snapshot_id and each.psi > each.limit:
            says = _("Listening drifts: %(feature)s.", feature=_(each.feature.replace("_", " ")))
            yield Concern(says, url_for("admin.data"))


def _backup(settings: Settings) -> Iterator[Concern]:
    try:
        made = datetime.fromtimestamp((settings.data_dir / "run" / "last-backup").stat().st_mtime, UTC)
    except OSError:
        yield Concern(_("No backup was made yet with `manage.py backup`."), url_for("admin.settings_page"))
        return
    if datetime.now(UTC) - made > BACKUP_OLD:
        says = _("The last backup is %(count)s days old.", count=(datetime.now(UTC) - made).days)
        yield Concern(says, url_for("admin.settings_page"))


def _newest_of_kinds(found: list[T], counts: Callable[[T], bool]) -> list[T]:
    newest: dict[str, T] = {}
    for each in found:  # newest first
        if counts(each):
            newest.setdefault(each.kind, each)
    return list(newest.values())
