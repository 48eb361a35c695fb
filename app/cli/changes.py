"""What `manage.py up` does when it is asked to change while it serves: restart a process, take on another topology,
move a module.

Processes are replaced one after the other (`app.host.holder`): first those that gain a module, then those that only
call it, last those that lose it. So whoever is asked for a module has it, before and after each step.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from app.cli import moving
from app.cli.programs import WORKER, programs
from app.composition import process_names
from app.host import mailbox, secrets
from app.host.places import HostError, private_folder
from app.host.processes import Program
from app.host.supervisor import Supervisor, write_private
from app.host.swapping import swap
from app.host.up import Environment, note, wait_ready
from app.settings import MODULE_NAMES
from app.settings import load as load_settings
from app.topology import COMING, Topology, TopologyError, load, moved, to_toml


class State:
    """What outlasts `up`: the topology in force, where data was moved to, and the journal of a move under way."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.folder = private_folder(data_dir.absolute() / "topology")

    def topology_name(self) -> str:
        """Return the file of the topology that was taken on last, "" when none was."""
        return str(self._read("state").get("topology", ""))

    def forget_topology(self) -> None:
        self._write("state", {"databases": self.databases()})

    def keep(self, topology: Topology) -> str:
        """Write a topology to a file of its own and return its path; it is in force once `commit` names it."""
        numbers = [int(p.stem.rpartition("-")[2]) for p in self.folder.glob("changed-*.toml")]
        path = self.folder / f"changed-{max(numbers, default=0) + 1}.toml"
        write_private(path, to_toml(topology))
        return str(path)

    @contextmanager
    def coming(self, topology: Topology) -> Iterator[None]:
        """Tell the running processes which topology is being taken on: who gains modules there may call for them."""
        file = self.data_dir.absolute() / COMING
        write_private(file, to_toml(topology))
        try:
            yield
        finally:
            file.unlink()

    def commit(self, *, topology: str = "", databases: dict[str, str] | None = None) -> None:
        databases = self.databases() if databases is None else databases
        self._write("state", {"topology": topology or self.topology_name(), "databases": databases})

    def databases(self) -> dict[str, str]:
        """Return the addresses of modules whose data lies elsewhere than DATABASE_URL says."""
        return dict(self._read("state").get("databases", {}))

    def database_variables(self) -> Environment:
        return {f"SEGUE_{module.upper()}_DATABASE_URL": url for module, url in self.databases().items()}

    def journal(self) -> dict[str, Any]:
        return self._read("journal")

    def begin(self, entry: dict[str, Any]) -> None:
        self._write("journal", entry)

    def end(self) -> None:
        (self.folder / "journal.json").unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def _write(self, name: str, document: dict[str, Any]) -> None:
        write_private(self.folder / f"{name}.json", json.dumps(document))


class Changes:
    """Performs requests of the mailbox on a running system."""

    def __init__(self, state: State, topology: Topology, workers: int | None) -> None:
        self.state = state
        self.topology = topology
        self.workers = workers

    def perform(self, supervisor: Supervisor, environment: Environment, request: mailbox.Request) -> str:
        """Do what is asked and return what to say about it. Raises HostError or TopologyError when it is not done."""
        tell = Path(request["progress"]).write_text
        match request["do"]:
            case "restart":
                return self._restart(supervisor, str(request["part"]), tell)
            case "apply":
                self._apply(supervisor, environment, load(str(request["topology"])), tell)
                return f"the topology in force has {len(self.topology.processes)} processes"
            case "move":
                return self._move(supervisor, environment, request, tell)
        raise HostError(f"what is {request['do']!r}?")

    def _restart(self, supervisor: Supervisor, part: str, tell: Any) -> str:
        process = self.topology.owner(part) if part in MODULE_NAMES else part
        names = names_of(process, supervisor.programs.values())
        if not names:
            raise HostError(f"no process is called {part!r}")
        for name in names:
            tell(f"replacing {name}")
            renew(supervisor, name)
        return f"{' and '.join(names)} replaced"

    def _move(self, supervisor: Supervisor, environment: Environment, request: mailbox.Request, tell: Any) -> str:
        module, to, database = str(request["module"]), str(request["to"]), str(request.get("database") or "")
        said = []
        if to:
            target = moved(self.topology, module, load(to))
            before, after = self.topology.owner(module), target.owner(module)
            if before != after:
                self._apply(supervisor, environment, target, tell)
                said.append(f"{module} runs in {after} now")
            else:
                said.append(f"{module} is in {after} already")
        if database:
            hosts = names_of(self.topology.owner(module), supervisor.programs.values())
            move = moving.DataMove(self.state, supervisor, environment, module, hosts)
            said.append(move.run(database, lambda env: self._programs(env, self.topology), tell))
        return "; ".join(said)

    def _apply(self, supervisor: Supervisor, environment: Environment, target: Topology, tell: Any) -> None:
        """Take a topology on, step by step; when a step fails, what was done is undone."""
        path = self.state.keep(target)
        secrets.ensure(supervisor.data_dir, process_names(target))
        before = dict(supervisor.programs)
        wanted = self._programs({**environment, "SEGUE_TOPOLOGY": path}, target)
        added = [p for name, p in wanted.items() if name not in before]
        replaced: list[str] = []
        with self.state.coming(target):
            try:
                tell(f"starting {', '.join(p.name for p in added)}" if added else "replacing")
                supervisor.add(added)
                wait_ready(supervisor, added)
                for name in in_order(self.topology, target, wanted, before):
                    tell(f"replacing {name}")
                    supervisor.replace(wanted[name])
                    replaced.append(name)
                    renew(supervisor, name)
            except HostError:
                tell("undoing")
                for name in replaced:
                    supervisor.replace(before[name])
                for name in reversed(replaced):
                    with suppress(HostError):
                        renew(supervisor, name)
                for program in added:
                    supervisor.remove(program.name)
                raise
        self.state.commit(topology=path)
        self.topology = target
        environment["SEGUE_TOPOLOGY"] = path
        note(supervisor.data_dir, environment)
        tell("stopping what is no longer needed")
        restart_worker(supervisor, wanted[WORKER])
        for name, program in before.items():
            if program.ready_at and name not in wanted:
                supervisor.remove(name)

    def _programs(self, environment: Environment, topology: Topology) -> dict[str, Program]:
        settings = load_settings({**os.environ, **environment})
        return {p.name: p for p in programs(settings, topology, environment, self.workers)}


def renew(supervisor: Supervisor, name: str) -> None:
    """Replace a program while it serves; one that opens its addresses itself is stopped and started."""
    program = supervisor.programs[name]
    if program.binds:
        swap(supervisor.data_dir, name)
        return
    supervisor.stop(name)
    supervisor.start(name)
    wait_ready(supervisor, [program])


def names_of(process: str, running: Iterable[Program]) -> list[str]:
    """Return the programs of a process: one for each of its addresses."""
    return [p.name for p in running if p.ready_at and (p.name == process or p.name.startswith(f"{process}-"))]


def in_order(old: Topology, new: Topology, wanted: dict[str, Program], before: dict[str, Program]) -> list[str]:
    """Return the programs to replace: first those that gain modules, last those that lose some."""

    def rank(name: str) -> int:
        process = name.partition("-")[0]
        had = set(old.processes[process].modules) if process in old.processes else set()
        has = set(new.processes[process].modules)
        return -1 if has - had else 1 if had - has else 0

    return sorted((n for n, p in wanted.items() if p.ready_at and n in before), key=rank)


def restart_worker(supervisor: Supervisor, program: Program) -> None:
    """Start the worker anew; what it was doing waits in its table and is taken up again."""
    supervisor.stop(WORKER)
    supervisor.replace(program)
    supervisor.start(WORKER)


def resume(state: State, environment: Environment) -> str:
    """Finish or undo a change that was interrupted; called before anything is started. Returns what was done."""
    (state.data_dir.absolute() / COMING).unlink(missing_ok=True)
    entry = state.journal()
    if not entry:
        return ""
    with suppress(TopologyError):
        return moving.resume(state, environment, entry)
    return ""
