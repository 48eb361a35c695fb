"""Everything on one machine, in the foreground: servers, migrations, programs, and an orderly end.

What to migrate, load, train and run is handed in as hooks: nothing here knows the modules.
"""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.host import mailbox, secrets, servers
from app.host.places import HostError, run_folder, socket_folder
from app.host.processes import Program
from app.host.readiness import check_port, is_ready
from app.host.stopping import Stopped, stopping_on_signals
from app.host.supervisor import ManagerAway, Supervisor, only_one, stop_leftovers, write_private

READY_WITHIN_S = 240  # a small board takes a minute to import everything eight times
WATCH_INTERVAL_S = 1.0

# Variables in which settings are read: addresses of the servers, socket folder, and what the caller adds.
Environment = dict[str, str]


@dataclass(frozen=True)
class Options:
    """What to start, and where. Addresses are those that were given: empty starts an embedded server.

    `process_names` get a service key each; `environment` is added to what hooks, programs and other commands see.
    """

    data_dir: Path
    process_names: list[str]
    port: int
    host: str = "127.0.0.1"
    environment: Environment = field(default_factory=dict)
    database_url: str = ""
    broker_url: str = ""


@dataclass(frozen=True)
class Hooks:
    """What the caller does at each step.

    Programs with `autostart` start, and are waited for, before the demo is loaded and trained on, the others after.
    `change` does what other commands ask a running system for, and returns what to tell them.
    """

    bootstrap_and_migrate: Callable[[Environment], None]
    programs: Callable[[Environment], list[Program]]
    load_demo: Callable[[Environment], None]
    train: Callable[[Environment], None]
    announce: Callable[[Environment], None]
    change: Callable[[Supervisor, Environment, mailbox.Request], str] | None = None


def say(line: str) -> None:
    """Print a line; a terminal that is gone must not keep the rest from being stopped."""
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


def up(options: Options, hooks: Hooks) -> None:
    """Run until a signal, then stop everything. Raises HostError, whose message is one line."""
    with stopping_on_signals(), only_one(options.data_dir), contextlib.suppress(Stopped):
        if left := stop_leftovers(options.data_dir):
            say(f"stopped what a former start left running: {', '.join(sorted(left))}")
        mailbox.clear(options.data_dir)
        check_port(options.host, options.port)
        secrets.ensure(options.data_dir, options.process_names)
        noted = run_folder(options.data_dir) / "environment.json"
        found = servers.prepare(options.data_dir, database_url=options.database_url, broker_url=options.broker_url)
        supervisor = Supervisor(options.data_dir, found.programs())
        try:
            supervisor.launch()
            found.wait_ready()
            say(found.described())
            known = {**options.environment, **found.addresses(), **_folders(options.data_dir)}
            write_private(noted, json.dumps(known))
            environment = _given(options) | known
            _run(supervisor, hooks, environment)
            watch(supervisor, lambda request: _change(supervisor, hooks, environment, request))
        finally:
            say("\nstopping")
            supervisor.shutdown()
            noted.unlink(missing_ok=True)
            say("stopped")


def _run(supervisor: Supervisor, hooks: Hooks, environment: Environment) -> None:
    hooks.bootstrap_and_migrate(environment)
    programs = hooks.programs(environment)
    supervisor.add(programs)
    wait_ready(supervisor, [p for p in programs if p.autostart])
    hooks.load_demo(environment)
    hooks.train(environment)
    late = [p for p in programs if not p.autostart]
    for program in late:
        supervisor.start(program.name)
    wait_ready(supervisor, late)
    hooks.announce(environment)


def wait_ready(supervisor: Supervisor, programs: list[Program], timeout_s: float = READY_WITHIN_S) -> None:
    """Wait until each program that has an address answers that it can serve."""
    deadline = time.monotonic() + timeout_s
    for program in programs:
        while program.ready_at and not is_ready(program.ready_at):
            if time.monotonic() > deadline:
                raise HostError(f"{program.name} was not ready within {timeout_s:g} s: see log/{program.name}.log")
            if not supervisor.is_running():
                supervisor.relaunch()
            time.sleep(0.1)


def note(data_dir: Path, environment: Environment) -> None:
    """Tell other commands under which settings the system runs."""
    write_private(run_folder(data_dir) / "environment.json", json.dumps(environment))


def _change(supervisor: Supervisor, hooks: Hooks, environment: Environment, request: mailbox.Request) -> str:
    if hooks.change is None:
        raise HostError("this system takes no changes")
    say(f"asked to {request['do']} {request.get('module') or request.get('part') or ''}".rstrip())
    return hooks.change(supervisor, environment, request)


def watch(supervisor: Supervisor, change: Callable[[mailbox.Request], str]) -> None:
    """Say what died and was started again; start the process manager again when it died itself. Does not return.

    Between two looks it does what is asked for in the mailbox.
    """
    known: dict[str, int | None] = {}
    while True:
        if not supervisor.is_running():
            say("the process manager died: starting everything again")
            supervisor.relaunch()
            known = {}
        with contextlib.suppress(ManagerAway):  # it may die just now; the next round sees it
            for process in supervisor.state():
                name, pid = process["name"], process["pid"]
                if known.get(name) and pid != known[name]:
                    say(f"{name} died and is started again: see log/{name}.log")
                known[name] = pid
        deadline = time.monotonic() + WATCH_INTERVAL_S
        while time.monotonic() < deadline:
            if mailbox.serve(supervisor.data_dir, change):
                known = {}
            time.sleep(0.1)


def _given(options: Options) -> Environment:
    given = {"DATABASE_URL": options.database_url, "BROKER_URL": options.broker_url}
    return {name: value for name, value in given.items() if value}


def _folders(data_dir: Path) -> Environment:
    return {"SEGUE_DATA_DIR": str(data_dir.absolute()), "SEGUE_SOCKET_DIR": str(socket_folder(data_dir))}
