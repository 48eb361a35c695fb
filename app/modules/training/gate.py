"""The gate: whether a new model may serve, by rules in a file, each with its reason. Pure: figures in, results out."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.contracts.training import Figure, GateResult
from app.settings import SettingsError

DEFAULT = Path(__file__).with_name("gate.toml")
METRICS = ("recall", "ndcg")
NUMBERS = {
    "better_than_champion": {"margin"},
    "no_group_worse": {"margin", "fewest"},
    "better_than_popularity": {"margin"},
    "coverage": {"margin"},
    "latency": {"p95_ms"},
    "size": {"most_mb"},
}
WITH_METRIC = {"better_than_champion", "no_group_worse", "better_than_popularity"}

Rules = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """What the gate looks at. `latency_ms` is the 95th percentile of an answer by the written artefact."""

    figures: Sequence[Figure]
    bytes: int
    latency_ms: float | None
    has_champion: bool

    def figure(self, subject: str, metric: str, cohort: str = "all") -> Figure | None:
        wanted = (subject, metric, cohort)
        return next((f for f in self.figures if (f.subject, f.metric, f.cohort) == wanted), None)


def load(file: Path | None) -> Rules:
    """Read the rules. Raises SettingsError, naming what is wrong."""
    file = file or DEFAULT
    try:
        rules: Rules = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"SEGUE_GATE_FILE: {file}: {error}") from None
    for name, rule in rules.items():
        wanted = NUMBERS.get(name)
        if wanted is None or not isinstance(rule, dict):
            raise SettingsError(f"SEGUE_GATE_FILE: {name!r} is not one of the rules {', '.join(NUMBERS)}")
        said = {key for key in rule if key != "metric"}
        if said != wanted or not all(_is_number(rule[key]) for key in wanted):
            raise SettingsError(f"SEGUE_GATE_FILE: {name} takes the numbers {', '.join(sorted(wanted))}")
        if name in WITH_METRIC and rule.get("metric") not in METRICS:
            raise SettingsError(f"SEGUE_GATE_FILE: {name} takes the metric {' or '.join(METRICS)}")
    return rules


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def decide(rules: Rules, candidate: Candidate) -> list[GateResult]:
    """Return what each rule says. While nothing serves, only latency and size can keep a model back."""
    return [result for name, rule in rules.items() for result in _RULES[name](rule, candidate)]


def _result(rule: str, value: float | None, limit: float | None, is_passed: bool, reason: str) -> GateResult:
    return GateResult(
        rule, None if value is None else round(value, 6), None if limit is None else round(limit, 6), is_passed, reason
    )


def _better_than_champion(rule: Mapping[str, Any], candidate: Candidate) -> list[GateResult]:
    name, metric = "better_than_champion", rule["metric"]
    if not candidate.has_champion:
        return [_result(name, None, None, True, "nothing serves yet")]
    gained, served = candidate.figure("difference", metric), candidate.figure("champion", metric)
    if gained is None or served is None:
        return [_result(name, None, None, True, "the champion could not be measured on this data")]
    limit = rule["margin"] * served.value
    is_worse = gained.high is not None and gained.high < 0
    said = f"{metric} {gained.value:+.4f} ({_between(gained)}) against {served.value:.4f}"
    if is_worse and rule["margin"] <= 0:
        return [_result(name, gained.value, limit, False, f"significantly worse: {said}")]
    is_passed = gained.value >= limit
    return [_result(name, gained.value, limit, is_passed, f"{said}; at least {limit:+.4f} is wanted")]


def _no_group_worse(rule: Mapping[str, Any], candidate: Candidate) -> list[GateResult]:
    found = []
    for cohort in ("light", "heavy", "new"):
        gained = candidate.figure("difference", rule["metric"], cohort)
        served = candidate.figure("champion", rule["metric"], cohort)
        if gained is None or served is None or gained.listeners < rule["fewest"]:
            continue
        limit = rule["margin"] * served.value
        is_worse = gained.value < limit and gained.high is not None and gained.high < 0
        reason = f"{cohort} listeners: {rule['metric']} {gained.value:+.4f} ({_between(gained)})"
        found.append(_result(f"no_group_worse: {cohort}", gained.value, limit, not is_worse, reason))
    return found


def _better_than_popularity(rule: Mapping[str, Any], candidate: Candidate) -> list[GateResult]:
    name, metric = "better_than_popularity", rule["metric"]
    own, popular = candidate.figure("model", metric), candidate.figure("popularity", metric)
    if own is None or popular is None:
        return [_result(name, None, None, True, "there is too little data to measure on")]
    limit = popular.value * (1 + rule["margin"])
    reason = f"{metric} {own.value:.4f} against {popular.value:.4f} of the popular items"
    if not candidate.has_champion and own.value < limit:
        return [_result(name, own.value, limit, True, f"{reason}; but something personal is better than nothing")]
    return [_result(name, own.value, limit, own.value >= limit, reason)]


def _coverage(rule: Mapping[str, Any], candidate: Candidate) -> list[GateResult]:
    own, served = candidate.figure("model", "coverage"), candidate.figure("champion", "coverage")
    if own is None or served is None:
        return []
    limit = served.value * (1 + rule["margin"])
    reason = f"{own.value:.1%} of the items are shown to somebody, against {served.value:.1%}"
    return [_result("coverage", own.value, limit, own.value >= limit, reason)]


def _latency(rule: Mapping[str, Any], candidate: Candidate) -> list[GateResult]:
    if candidate.latency_ms is None:
        return []
    is_passed = candidate.latency_ms <= rule["p95_ms"]
    reason = f"{candidate.latency_ms:.1f} ms at the 95th percentile"
    return [_result("latency", candidate.latency_ms, rule["p95_ms"], is_passed, reason)]


def _size(rule: Mapping[str, Any], candidate: Candidate) -> list[GateResult]:
    size = candidate.bytes / 1e6
    return [_result("size", size, rule["most_mb"], size <= rule["most_mb"], f"{size:.1f} MB")]


def _between(figure: Figure) -> str:
    return f"{figure.low or 0:+.4f} to {figure.high or 0:+.4f}"


_RULES: dict[str, Callable[[Mapping[str, Any], Candidate], list[GateResult]]] = {
    "better_than_champion": _better_than_champion,
    "no_group_worse": _no_group_worse,
    "better_than_popularity": _better_than_popularity,
    "coverage": _coverage,
    "latency": _latency,
    "size": _size,
}
