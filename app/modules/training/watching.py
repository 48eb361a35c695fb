"""Watches what serves and is tried: takes out what fails or is worse, promotes what is better where that was asked.

Reads the other side's sums by its contract, outside of transactions; what is decided is decided by `deciding`.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.experiments import ArmSums, EffectDay, Experiment, ExperimentEffect, ExperimentSums, ModelHealth
from app.contracts.recommendations import Recommender
from app.contracts.training import IllegalMove, Model, NothingToRollBackTo
from app.kernel.contract import DeadlineExceeded, ServiceUnavailable
from app.kernel.db import Database
from app.modules.training import deciding, evidence, experiments, registry
from app.modules.training.deciding import Finding, Rule

log = logging.getLogger(__name__)

SUMS_EVERY_S = 30.0
# Errors show at once; whom a new champion serves has come by within an hour.
WATCHED = timedelta(hours=1)
LATELY = timedelta(minutes=15)


class Watch:
    """`look` does one round: technical failures each time, what listeners do every half minute."""

    def __init__(self, database: Database, recommendations: Callable[[], Recommender]) -> None:
        self.database = database
        self.recommendations = recommendations
        self._next_sums = 0.0

    def look(self) -> None:
        with self.database.begin() as session:
            tried = experiments.all_running(session)
            serving = registry.champions(session)
        now = datetime.now(UTC)
        fresh = [m for m in serving if m.promoted_at is not None and now - m.promoted_at < WATCHED]
        try:
            for model in fresh:
                self._watch_champion(model)
            for experiment in tried:
                self._watch_health(experiment)
            if time.monotonic() >= self._next_sums:
                self._next_sums = time.monotonic() + SUMS_EVERY_S
                for experiment in tried:
                    self.count(experiment.experiment_id)
        except (ServiceUnavailable, DeadlineExceeded) as error:
            log.info("watching waits", extra={"reason": error.message})

    def _watch_champion(self, model: Model) -> None:
        assert model.promoted_at is not None
        with self.database.begin() as session:
            before = registry.previous(session, model.kind)
        if before is None:
            return
        now = self._health([model.sha256], model.promoted_at).get(model.sha256)
        usual = self._health([before.sha256], model.promoted_at - LATELY).get(before.sha256)
        if (reason := deciding.failure(now, usual)) is None:
            return
        reason = f"rolled back by itself: model {model.number} {reason}"
        with self.database.begin() as session:
            current = registry.champion(session, model.kind)
            if current is None or current.model_id != model.model_id:
                return
            try:
                registry.roll_back(session, model.kind, reason)
            except NothingToRollBackTo:
                return
        log.error("champion rolled back", extra={"kind": model.kind, "model": str(model.model_id), "reason": reason})

    def _watch_health(self, experiment: Experiment) -> None:
        treatment, control = self._models(experiment)
        found = self._health([treatment.sha256, control.sha256], max(experiment.started_at, _ago(LATELY)))
        reason = deciding.failure(found.get(treatment.sha256), found.get(control.sha256))
        if reason is not None:
            self._roll_back(experiment, "failing", reason)

    def count(self, experiment_id: UUID) -> Finding:
        """Read an experiment's sums, keep them as today's, and do what they say."""
        with self.database.begin() as session:
            experiment = experiments.get(session, experiment_id)
        treatment, control = self._models(experiment)
        sums = self.recommendations().outcome_sums(
            experiment.kind, control.sha256, treatment.sha256, experiment.started_at, experiment.ended_at
        )
        days = (datetime.now(UTC) - experiment.started_at) / timedelta(days=1)
        finding = deciding.judge(rule_of(experiment), days, sums.control, sums.treatment)
        with self.database.begin() as session:
            _store(session, experiment_id, sums, finding)
        if experiment.state != "running" or experiment.mode == "shadow":
            return finding
        if finding.verdict == "worse":
            self._roll_back(experiment, "worse", finding.reason)
            return finding
        with self.database.begin() as session:
            experiments.note_verdict(session, experiment_id, finding.verdict, finding.reason)
            if finding.verdict == "better" and experiment.promotes_itself:
                evidence.explain(session, f"promoted by itself: {finding.reason}")
                registry.promote(session, experiment.treatment_id, f"promoted by itself: {finding.reason}")
        return finding

    def effect(self, experiment_id: UUID) -> ExperimentEffect:
        """Return what is known of an experiment; without the other side, what was known last."""
        with self.database.begin() as session:
            experiment = experiments.get(session, experiment_id)
        srm_p, needed, health = None, None, []
        try:
            if experiment.state == "running":
                finding = self.count(experiment_id)
                srm_p, needed = finding.srm_p, finding.listeners_needed
            treatment, control = self._models(experiment)
            health = list(self._health([control.sha256, treatment.sha256], _ago(LATELY)).values())
        except (ServiceUnavailable, DeadlineExceeded):
            pass
        with self.database.begin() as session:
            return ExperimentEffect(
                experiments.get(session, experiment_id), _days(session, experiment_id), health, srm_p, needed
            )

    def _roll_back(self, experiment: Experiment, verdict: Any, reason: str) -> None:
        try:
            with self.database.begin() as session:
                experiments.roll_back(session, experiment.experiment_id, verdict, reason)
        except IllegalMove:
            return  # it has ended meanwhile
        log.error("experiment rolled back", extra={"experiment": str(experiment.experiment_id), "reason": reason})

    def _models(self, experiment: Experiment) -> tuple[Model, Model]:
        with self.database.begin() as session:
            return registry.get(session, experiment.treatment_id), registry.get(session, experiment.control_id)

    def _health(self, hashes: list[str], since: datetime) -> dict[str, ModelHealth]:
        return {found.sha256: found for found in self.recommendations().model_health(hashes, since)}


def rule_of(experiment: Experiment) -> Rule:
    share = experiment.share
    shares = (share, share) if experiment.mode == "ab" else (1 - share, share)
    return Rule(experiment.alpha, experiment.min_days, experiment.min_listeners, shares)


def _ago(by: timedelta) -> datetime:
    return datetime.now(UTC) - by


def _store(session: Session, experiment_id: UUID, sums: ExperimentSums, finding: Finding) -> None:
    session.execute(
        text(
            """
            insert into experiment_day (experiment_id, day, control, treatment, effect, low, high)
            values (:id, :day, cast(:control as jsonb), cast(:treatment as jsonb), :effect, :low, :high)
            on conflict (experiment_id, day) do update
            set control = excluded.control, treatment = excluded.treatment,
                effect = excluded.effect, low = excluded.low, high = excluded.high
            """
        ),
        {
            "id": experiment_id,
            "day": datetime.now(UTC).date(),
            "control": msgspec.json.encode(sums.control).decode(),
            "treatment": msgspec.json.encode(sums.treatment).decode(),
            "effect": finding.effect,
            "low": finding.low,
            "high": finding.high,
        },
    )


def _days(session: Session, experiment_id: UUID) -> list[EffectDay]:
    rows = session.execute(
        text(
            "select day, control, treatment, effect, low, high from experiment_day "
            "where experiment_id = :id order by day"
        ),
        {"id": experiment_id},
    ).all()
    return [
        EffectDay(
            row.day,
            msgspec.convert(row.control, ArmSums),
            msgspec.convert(row.treatment, ArmSums),
            row.effect,
            row.low,
            row.high,
        )
        for row in rows
    ]
