"""Acts of administrators on training, written into the audit trail before they happen, however they are asked for.

Pages, the API and the command line all come through the contract. Where the trail can't be written the act does not
happen; that it failed afterwards is written too. What training does by itself (schedules, gate, experiments) does not
come this way: it stands in its own moves.
"""

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from app.contracts.accounts import Accounts
from app.contracts.experiments import Experiment, Mode
from app.contracts.listens import Kind
from app.contracts.training import Model, Run, Schedule, Snapshot
from app.kernel.acts import recorded
from app.modules.training.service import TrainingService


class AuditedTraining(TrainingService):
    """The service as the contract offers it. `accounts` keeps the trail."""

    accounts: Accounts

    def _recorded(self, act: str, subject: object = "", **details: Any) -> AbstractContextManager[None]:
        return recorded(self.accounts.record_act, act, subject, **details)

    def _champion(self, kind: Kind) -> int | None:
        return next((model.number for model in self.champions() if model.kind == kind), None)

    def create_snapshot(self) -> Snapshot:
        with self._recorded("snapshot.create"):
            return super().create_snapshot()

    def start_run(
        self, kind: Kind, snapshot_id: str | None = None, parameters: dict[str, Any] | None = None, search: int = 0
    ) -> Run:
        with self._recorded("run.start", kind, snapshot=snapshot_id, parameters=parameters, search=search or None):
            return super().start_run(kind, snapshot_id, parameters, search)

    def retry_run(self, run_id: UUID) -> Run:
        with self._recorded("run.retry", run_id):
            return super().retry_run(run_id)

    def reproduce_run(self, run_id: UUID) -> Run:
        with self._recorded("run.reproduce", run_id):
            return super().reproduce_run(run_id)

    def archive_model(self, model_id: UUID, reason: str = "") -> Model:
        with self._recorded("model.archive", model_id, before=self.get_model(model_id).state, reason=reason):
            return super().archive_model(model_id, reason)

    def cancel_run(self, run_id: UUID) -> Run:
        with self._recorded("run.cancel", run_id, before=self.get_run(run_id).state):
            return super().cancel_run(run_id)

    def promote(self, model_id: UUID, reason: str = "") -> Model:
        model = self.get_model(model_id)
        facts = {"before": self._champion(model.kind), "after": model.number, "kind": model.kind}
        with self._recorded("model.promote", model_id, **facts, reason=reason):
            return super().promote(model_id, reason)

    def roll_back(self, kind: Kind, reason: str = "") -> Model:
        with self._recorded("model.roll_back", kind, before=self._champion(kind), reason=reason):
            return super().roll_back(kind, reason)

    def start_experiment(
        self,
        treatment_id: UUID,
        mode: Mode = "canary",
        share: float = 0.1,
        control_id: UUID | None = None,
        promotes_itself: bool = False,
        alpha: float = 0.05,
        min_days: int = 7,
        min_listeners: int = 100,
        reason: str = "",
    ) -> Experiment:
        facts = {"mode": mode, "share": share, "promotes_itself": promotes_itself, "reason": reason}
        with self._recorded("experiment.start", treatment_id, **facts):
            return super().start_experiment(
                treatment_id, mode, share, control_id, promotes_itself, alpha, min_days, min_listeners, reason
            )

    def set_share(self, experiment_id: UUID, share: float) -> Experiment:
        before = self.get_experiment(experiment_id).experiment.share
        with self._recorded("experiment.share", experiment_id, before=before, after=share):
            return super().set_share(experiment_id, share)

    def stop_experiment(self, experiment_id: UUID, reason: str = "") -> Experiment:
        with self._recorded("experiment.stop", experiment_id, reason=reason):
            return super().stop_experiment(experiment_id, reason)

    def set_schedule(
        self,
        kind: Kind,
        *,
        is_enabled: bool,
        nightly_minute: int | None,
        new_share: float | None,
        on_drift: bool,
        prefers_low_carbon: bool,
    ) -> Schedule:
        before = next((each for each in self.list_schedules() if each.kind == kind), None)
        after = Schedule(kind, is_enabled, nightly_minute, new_share, on_drift, prefers_low_carbon, None, "")
        with self._recorded("schedule.set", kind, before=_said(before), after=_said(after)):
            return super().set_schedule(
                kind,
                is_enabled=is_enabled,
                nightly_minute=nightly_minute,
                new_share=new_share,
                on_drift=on_drift,
                prefers_low_carbon=prefers_low_carbon,
            )


def _said(schedule: Schedule | None) -> str:
    """Return a schedule in a few words."""
    if schedule is None or not schedule.is_enabled:
        return "off"
    minute = schedule.nightly_minute
    parts = ["" if minute is None else f"{minute // 60:02}:{minute % 60:02}"]
    parts += [f"new {schedule.new_share:.0%}" if schedule.new_share else "", "drift" if schedule.on_drift else ""]
    parts += ["low carbon" if schedule.prefers_low_carbon else ""]
    return ", ".join(part for part in parts if part) or "on"
