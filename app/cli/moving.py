"""Moves the data of a module to another database while it is read and written.

The journal says how far a move is: `copying` and `locked` are undone, `switched` is finished. The switch is one
rename of the state file; before it the old database is closed for writing, so no row is written to the wrong side.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

from app.cli.programs import WORKER
from app.host.places import HostError, run_folder
from app.host.processes import Program, came_true
from app.host.supervisor import Supervisor
from app.host.swapping import is_waiting, swap, swaps, wait_for
from app.host.up import Environment, note
from app.kernel import transfer
from app.settings import Settings
from app.settings import load as load_settings

if TYPE_CHECKING:
    from app.cli.changes import State

MAIN = "main"
SMALL = 200  # changes: what is left for the time in which requests wait
ROUNDS = 50


class DataMove:
    """One move of one module's data; `hosts` are the programs that run the module."""

    def __init__(
        self, state: "State", supervisor: Supervisor, environment: Environment, module: str, hosts: list[str]
    ) -> None:
        self.state = state
        self.supervisor = supervisor
        self.environment = environment
        self.module = module
        self.hosts = hosts

    def run(
        self, database: str, programs: Callable[[Environment], dict[str, Program]], tell: Callable[[str], Any]
    ) -> str:
        """Copy, switch, remove the old copy. Raises HostError when all is as it was before."""
        variable = _variable(self.module)
        after_environment = _with(self.environment, self.module, database)
        if variable in os.environ:
            raise HostError(f"{variable} is set where `up` was started: it decides")
        before, after = _settings(self.environment), _settings(after_environment)
        if transfer.same_place(before, after, self.module):
            return "its data is there already"
        entry = {"module": self.module, "from": self.environment.get(variable) or MAIN, "to": database}
        self.state.begin({**entry, "step": "copying"})
        try:
            moved = transfer.Transfer(before, after, self.module)
            tell("copying")
            moved.begin()
            for _ in range(ROUNDS):
                if moved.catch_up() < SMALL:
                    break
            self.supervisor.stop(WORKER)
            tell("switching")
            self.state.begin({**entry, "step": "locked"})
            counts = self._switch(moved, programs(after_environment), entry)
        except Exception as error:
            if self.state.journal().get("step") != "switched":
                undo(self.state, before, after, self.module)
                self._go_back(programs(self.environment))
                raise HostError(f"the data of {self.module} stays where it is: {error}") from error
            raise
        finally:
            self._gate().unlink(missing_ok=True)
        self.environment.update(after_environment)
        note(self.supervisor.data_dir, self.environment)
        self.supervisor.start(WORKER)
        tell("removing the old copy")
        finish(self.state, before, self.module)
        return f"its data moved: {sum(counts.values())} rows in {len(counts)} tables"

    def _switch(self, moved: transfer.Transfer, programs: dict[str, Program], entry: dict[str, Any]) -> dict[str, int]:
        """Let requests wait at the door, bring the rest over, open the door on the other side."""
        gate, data_dir = self._gate(), self.supervisor.data_dir
        gate.unlink(missing_ok=True)
        before = {name: swaps(data_dir, name) for name in self.hosts}
        for name, program in programs.items():
            self.supervisor.replace(replace(program, gate=str(gate)) if name in self.hosts else program)
        for name in self.hosts:
            swap(data_dir, name, until="waiting")
        counts = moved.finish()
        self.state.begin({**entry, "step": "switched"})
        databases = self.state.databases()
        databases.pop(self.module, None)
        if entry["to"] != MAIN:
            databases[self.module] = entry["to"]
        self.state.commit(databases=databases)
        gate.touch()
        for name in self.hosts:
            self.supervisor.replace(programs[name])
            try:
                wait_for(data_dir, name, before[name])
            except HostError:  # it gave up waiting at the last moment: once more, without a gate
                swap(data_dir, name)
        return counts

    def _go_back(self, programs: dict[str, Program]) -> None:
        """Let those that wait at the gate go on as they were."""
        for program in programs.values():
            self.supervisor.replace(program)
        self._gate().write_text("back")
        for name in self.hosts:
            came_true(lambda name=name: not is_waiting(self.supervisor.data_dir, name), 30)  # type: ignore[misc]
        self.supervisor.start(WORKER)

    def _gate(self) -> Path:
        return run_folder(self.supervisor.data_dir) / f"{self.module}.gate"


def undo(state: "State", before: Settings, after: Settings, module: str) -> None:
    transfer.unlock(before, module)
    with suppress(psycopg2.Error):  # it may never have got so far
        transfer.forget_copy(after, module)
    state.end()


def finish(state: "State", before: Settings, module: str) -> None:
    """Remove what was left behind: a second copy of what people listened to would escape their deletions."""
    transfer.forget_copy(before, module)
    state.end()


def resume(state: "State", environment: Environment, entry: dict[str, Any]) -> str:
    """Undo a move that was not switched yet, finish one that was."""
    old, new = (_settings(_with(environment, entry["module"], entry[side])) for side in ("from", "to"))
    is_switched = state.databases().get(entry["module"], MAIN) == entry["to"]
    if is_switched:
        finish(state, old, entry["module"])
        return f"finished moving the data of {entry['module']}, which was interrupted"
    undo(state, old, new, entry["module"])
    return f"undid moving the data of {entry['module']}, which was interrupted"


def _variable(module: str) -> str:
    return f"SEGUE_{module.upper()}_DATABASE_URL"


def _with(environment: Environment, module: str, database: str) -> Environment:
    """Return the environment with a module's data there: empty for the main database, since a variable that is missing
    is looked up in what the running system noted down, which is where the data was."""
    return {**environment, _variable(module): "" if database == MAIN else database}


def _settings(environment: Environment) -> Settings:
    return load_settings({**os.environ, **environment})
