"""The steps of a run, in their order: snapshot, checks, fit, evaluation, gate, registry. Killed, they are begun again.

Each step leaves what it found where the next attempt finds it: the snapshot in the run's row, what was chosen and
measured in a checkpoint, the model under the hash of its bytes. The last step is one transaction.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.contracts.training import ChecksFailed, DataCheck, Model, NotReproducible, Run
from app.kernel.db import Database
from app.modules.training import checks, evidence, fitting, gate, registry, runs, search
from app.modules.training.checkpoint import Checkpoint
from app.modules.training.energy import Meter
from app.modules.training.grid import Grid
from app.modules.training.heart import Stopped
from app.modules.training.model_store import ModelStore
from app.modules.training.plays import Plays
from app.modules.training.record import record
from app.modules.training.snapshot_files import Damaged, hash_of
from app.modules.training.snapshots import Progress, Snapshots


@dataclass(frozen=True)
class Options:
    """What the operator sets: the gate's rules, the grid's table, the price of a kilowatt-hour."""

    rules: gate.Rules
    grid: Grid
    price_kwh: float


class Steps:
    def __init__(
        self,
        database: Database,
        snapshots: Snapshots,
        models: ModelStore,
        options: Options,
    ) -> None:
        self.database = database
        self.snapshots = snapshots
        self.models = models
        self.options = options

    def advance(self, run: Run, progress: Progress) -> None:
        """Bring a run to its end. Raises Stopped when it is cancelled, NotReproducible, NothingToTrain, Damaged."""
        meter = Meter(self.options.grid, self.options.price_kwh)
        noted = record(int(run.parameters.get("seed", 0)))
        with self.database.begin() as session:
            runs.note_record(session, run, noted)
        try:
            self._advance(run, noted, progress)
        finally:
            with self.database.begin() as session:
                runs.note_resources(session, run, meter.read())

    def _advance(self, run: Run, noted: dict[str, Any], progress: Progress) -> None:
        snapshot_id = self._snapshot(run, progress)
        with self.database.begin() as session:
            known = None if run.reproduces else runs.same(session, run, snapshot_id, noted["code"])
            champion = registry.champion(session, run.kind)
        if known is not None:
            self._end_without_work(run, known)
            return
        progress(0.1, "reading the snapshot")
        current = self.snapshots.current(snapshot_id)
        plays = self.snapshots.read(current)
        if stopped := [each for each in self.check(current, plays) if each.level == "stop"]:
            raise ChecksFailed("; ".join(f"{each.name}: {each.message}" for each in stopped))
        run = self._searched(run, snapshot_id, plays, progress)
        checkpoint = self._checkpoint(run, snapshot_id, noted)
        fitted = fitting.fit(
            plays,
            run.kind,
            run.parameters,
            snapshot_id,
            self.models.home,
            lambda fraction, step: progress(0.15 + 0.8 * fraction, step),
            rival=None if run.reproduces else self._recipe(champion),
            checkpoint=checkpoint,
        )
        if run.reproduces:
            self._compare(run.reproduces, fitted.sha256, noted)
        self.models.publish(fitted.sha256)
        progress(0.97, "registering")
        self._register(run, snapshot_id, fitted)
        checkpoint.forget()

    def _snapshot(self, run: Run, progress: Progress) -> str:
        if run.snapshot_id is not None:
            return run.snapshot_id
        taken = self.snapshots.create(lambda _fraction, step: progress(0.02, step)).snapshot_id
        with self.database.begin() as session:
            runs.note_snapshot(session, run, taken)
        return taken

    def check(self, snapshot_id: str, plays: Plays | None = None) -> list[DataCheck]:
        """Look at the data, and how it drifted, once for each snapshot."""
        with self.database.begin() as session:
            found = evidence.data_checks(session, snapshot_id)
        if not found:
            plays = plays or self.snapshots.read(snapshot_id)
            older = self.snapshots.before(snapshot_id)
            try:
                before = self.snapshots.read(older.snapshot_id) if older else None
            except Damaged:
                before = None
            found = checks.check(plays, before, datetime.now(UTC))
            moved = checks.drift(snapshot_id, plays, older.snapshot_id, before) if older and before else []
            with self.database.begin() as session:
                evidence.store_checks(session, snapshot_id, found)
                evidence.store_drift(session, moved)
        return found

    def _searched(self, run: Run, snapshot_id: str, plays: Plays, progress: Progress) -> Run:
        """Return the run with the parameters that its search found; without a search, as it is."""
        count = int(run.parameters.get("search", 0))
        if not count:
            return run
        best = search.search(
            self.database,
            run,
            snapshot_id,
            count,
            fitting.scorer_of_parameters(plays, run.kind, lambda _fraction, step: progress(0.12, f"search: {step}")),
            lambda fraction, step: progress(0.1 + 0.05 * fraction, step),
        )
        with self.database.begin() as session:
            return runs.note_parameters(session, run, best)

    def _checkpoint(self, run: Run, snapshot_id: str, noted: dict[str, Any]) -> Checkpoint:
        inputs = hash_of({"snapshot": snapshot_id, "kind": run.kind, "parameters": run.parameters, **noted})
        return Checkpoint(self.models.home.parent / "runs" / str(run.run_id), inputs)

    def _recipe(self, champion: Model | None) -> fitting.Recipe | None:
        """Return how the champion was made, None where its files are not here."""
        if champion is None:
            return None
        try:
            manifest = json.loads((self.models.folder(champion.sha256) / "manifest.json").read_bytes())
        except (OSError, ValueError):
            return None
        return fitting.recipe_of(manifest)

    def _end_without_work(self, run: Run, known: Run) -> None:
        with self.database.begin() as session:
            said = f"nothing has changed since run {known.run_id}, whose model this is"
            evidence.tell(session, run.run_id, said)
            evidence.explain(session, said)
            if known.model_id is None or not runs.finish(session, run, known.model_id):
                raise Stopped

    def _compare(self, reproduced: UUID, sha256: str, noted: dict[str, Any]) -> None:
        with self.database.begin() as session:
            old = runs.get(session, reproduced)
            made = registry.get(session, old.model_id) if old.model_id else None
        if made is not None and made.sha256 == sha256:
            return
        changed = sorted(name for name in noted if old.record.get(name) != noted[name])
        why = f"what has changed since: {', '.join(changed)}" if changed else "nothing that is recorded has changed"
        raise NotReproducible(f"other bytes: {sha256[:12]}, not {made.sha256[:12] if made else '-'}; {why}")

    def _register(self, run: Run, snapshot_id: str, fitted: fitting.Fitted) -> None:
        with self.database.begin() as session:
            registry.lock_kind(session, run.kind)
            champion = registry.champion(session, run.kind)
            model, is_new = registry.register(
                session, run.kind, fitted.sha256, fitted.bytes, fitted.metrics, run.run_id, snapshot_id
            )
            evidence.store_figures(session, run.run_id, fitted.figures)
            if is_new:
                candidate = gate.Candidate(fitted.figures, fitted.bytes, fitted.latency_ms, champion is not None)
                results = gate.decide(self.options.rules, candidate)
                evidence.store_decision(session, model.model_id, run.run_id, results)
                if registry.judge(session, model, results):
                    first = "passed the gate" if champion else "the first of its kind"
                    registry.promote(session, model.model_id, first)
            evidence.explain(session, "")
            if not runs.finish(session, run, model.model_id):
                raise Stopped  # and with it the transaction: an attempt that is not the one any more leaves nothing
