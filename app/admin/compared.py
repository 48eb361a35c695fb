"""Figures of runs and models, put side by side for tables and charts."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.admin.charts import Intervals, Value, intervals
from app.contracts.training import Evaluation, Figure, Run
from app.kernel.locales import N_
from app.kernel.locales import gettext as _

SUBJECTS = {"model": N_("this model"), "champion": "champion", "popularity": "popularity", "item-knn": "item-knn"}
DIFFERENCE = "difference"
FIRST = "ndcg"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one run: `chart` compares it with the others, `groups` is model minus champion by cohort.

    `called` are the names of the cohorts.
    """

    all: list[Figure]
    called: dict[str, str]
    metric: str
    chart: Intervals | None
    groups: Intervals | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs side by side in one metric; `differing` parameters only, each with its value by run."""

    metric: str
    metrics: list[str]
    chart: Intervals | None
    rows: list[tuple[str, list[float | None]]]
    differing: list[tuple[str, list[object]]]


def figures_of(evaluations: Sequence[Evaluation]) -> Figures | None:
    """Return the figures of the first evaluation; None where there are none."""
    found = list(evaluations[0].figures) if evaluations else []
    if not found:
        return None
    metric = main_metric(found)
    of_all = [f for f in found if f.metric == metric and f.cohort == "all" and f.subject in SUBJECTS]
    groups = [f for f in found if f.metric == metric and f.subject == DIFFERENCE]
    return Figures(
        found,
        {f.cohort: cohort(f.cohort) for f in found},
        metric,
        intervals([Value(_(SUBJECTS[f.subject]), f.value, f.low, f.high) for f in of_all]),
        intervals([Value(f"{cohort(f.cohort)} ({f.listeners})", f.value, f.low, f.high) for f in groups]),
    )


def cohort(name: str) -> str:
    """Return what a group of listeners is called; `taste 3` is the third group of the model's card."""
    word, _space, number = name.partition(" ")
    return _("taste group %(number)s", number=number) if word == "taste" else _(name)


def compare(runs: Sequence[Run], evaluations: Sequence[Evaluation], metric: str) -> Compared | None:
    """Return runs side by side; None below two."""
    if len(runs) < 2:
        return None
    by_run = {e.run_id: [f for f in e.figures if f.subject == "model" and f.cohort == "all"] for e in evaluations}
    metrics = list(dict.fromkeys(f.metric for figures in by_run.values() for f in figures))
    chosen = metric if metric in metrics else next((m for m in metrics if m.startswith(FIRST)), *metrics[:1] or [""])
    values = [
        Value(name_of(run), f.value, f.low, f.high)
        for run in runs
        for f in by_run.get(run.run_id, ())
        if f.metric == chosen
    ]
    rows = [
        (each, [next((f.value for f in by_run.get(r.run_id, ()) if f.metric == each), None) for r in runs])
        for each in metrics
    ]
    return Compared(chosen, metrics, intervals(values), rows, differing(runs))


def differing(runs: Sequence[Run]) -> list[tuple[str, list[object]]]:
    """Return what the runs were made with and took, where it is not the same for all."""
    facts = [{"snapshot": (r.snapshot_id or "–")[:12], **r.parameters, **r.record, **r.resources} for r in runs]
    names = list(dict.fromkeys(name for each in facts for name in each))
    found = [(name, [each.get(name, "–") for each in facts]) for name in names]
    return [(name, values) for name, values in found if any(value != values[0] for value in values)]


def name_of(run: Run) -> str:
    return f"{_(run.kind)} {str(run.run_id)[:8]}"


def main_metric(figures: Sequence[Figure]) -> str:
    return next((f.metric for f in figures if f.metric.startswith(FIRST)), figures[0].metric)
