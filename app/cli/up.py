"""What `manage.py up` starts for a topology, and what it does the first time."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import click

from app.cli.changes import Changes, State, resume
from app.cli.programs import programs
from app.cli.runs import wait_for
from app.cli.shared import SegueError, progress
from app.composition import Container, process_names, services_for
from app.host.places import HostError
from app.host.up import Environment, Hooks, Options
from app.host.up import up as run_up
from app.kernel import context, migrations
from app.kernel.contract import DomainError
from app.settings import MODULE_NAMES
from app.settings import load as load_settings
from app.topology import Topology
from app.topology import load as load_topology

DEMO_LISTENER = "demo"
KINDS = ("recordings", "artists")
PROFILE_WITHIN_S = 60


def run_everything(topology_name: str, *, host: str, port: int, workers: int | None, has_demo: bool) -> None:
    """Run a topology in the foreground until a signal; without a name the one that was in force last.

    Raises SegueError when it can't start.
    """
    data_dir = load_settings({**os.environ, "SEGUE_PUBLIC_URL": _public_url(host, port)}).data_dir
    state = State(data_dir)
    if topology_name:
        state.forget_topology()
    topology_name = topology_name or state.topology_name() or "monolith"
    topology = load_topology(topology_name)
    if topology_name.endswith(".toml"):
        topology_name = str(Path(topology_name).absolute())
    asked = load_settings({**os.environ, "SEGUE_PUBLIC_URL": _public_url(host, port)})
    environment = {
        "SEGUE_TOPOLOGY": topology_name,
        "SEGUE_BIND": f"{host}:{port}",
        "SEGUE_PUBLIC_URL": asked.public_url,
        **state.database_variables(),
    }
    options = Options(
        data_dir=asked.data_dir,
        process_names=process_names(topology),
        port=port,
        host=host,
        environment=environment,
        database_url=os.environ.get("DATABASE_URL", ""),
        broker_url=os.environ.get("BROKER_URL", ""),
    )
    first = FirstStart(topology, has_demo=has_demo)
    hooks = Hooks(
        bootstrap_and_migrate=lambda found: _prepare(state, found),
        programs=lambda found: programs(load_settings({**os.environ, **found}), topology, found, workers),
        load_demo=first.load_demo,
        train=first.train,
        announce=first.announce,
        change=Changes(state, topology, workers).perform,
    )
    try:
        run_up(options, hooks)
    except HostError as error:
        raise SegueError(str(error)) from None


def _public_url(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return os.environ.get("SEGUE_PUBLIC_URL") or f"http://{shown}:{port}"


def _prepare(state: State, environment: Environment) -> None:
    if done := resume(state, environment):
        click.echo(done)
    bootstrap_and_migrate(environment)


def bootstrap_and_migrate(environment: Environment) -> None:
    """Bring roles, schemas and tables up to date; a role that may not create others leaves that to an administrator."""
    settings = load_settings({**os.environ, **environment})
    migrations.bootstrap(settings, list(MODULE_NAMES))
    for module in MODULE_NAMES:
        migrations.upgrade(settings, module)


class FirstStart:
    """What happens once: the demo, the first models; and what is said at every start."""

    def __init__(self, topology: Topology, *, has_demo: bool) -> None:
        self.topology = topology
        self.has_demo = has_demo
        self.demo_password = ""

    @contextlib.contextmanager
    def _services(self, environment: Environment) -> Iterator[Container]:
        settings = load_settings({**os.environ, **environment})
        with context.acting_as(context.SYSTEM):
            yield services_for(settings, self.topology, "cli")

    def load_demo(self, environment: Environment) -> None:
        """Load the demo unless it is there, and give its listener a password that is shown at each start."""
        if not self.has_demo:
            return
        from app.datasets.load import load

        with self._services(environment) as services:
            kept = services.settings.data_dir / "secrets" / "demo_password"
            if not kept.exists():
                with progress("loading the demo") as show:
                    load("demo", None, services, show)
                _set_password(services, kept)
            self.demo_password = kept.read_text()

    def train(self, environment: Environment) -> None:
        """Train the first models through the worker, and wait until the demo's listener is recommended something."""
        if not self.has_demo:
            return
        with self._services(environment) as services:
            served = {model.kind for model in services.training.champions()}
            missing = [kind for kind in KINDS if kind not in served]
            for kind in missing:
                run = wait_for(services, services.training.start_run(kind))
                if run.state != "done":
                    raise SegueError(f"training {kind}: {run.error or run.state}")
            if missing:
                _wait_for_recommendations(services)

    def announce(self, environment: Environment) -> None:
        url = environment["SEGUE_PUBLIC_URL"]
        click.echo(f"\nSegue is running: {url}")
        if self.demo_password:
            click.echo(f"  sign in as {DEMO_LISTENER} with the password {self.demo_password}   (generated demo data)")
        with self._services(environment) as services:
            if code := services.accounts.create_setup_code():
                click.echo(f"  become its administrator: {url}/register?invitation={code}   (valid for an hour, once)")
        click.echo("  Ctrl-C stops everything\n")


def _set_password(services: Container, kept: Path) -> None:
    listener = services.accounts.find_listener(DEMO_LISTENER)
    password = secrets.token_urlsafe(12)
    services.accounts.reset_password(services.accounts.create_reset(listener.listener_id), password)
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password)


def _wait_for_recommendations(services: Container) -> None:
    """Wait until the followers have read the demo; a slow machine only sees popular items for a while longer."""
    listener = services.accounts.find_listener(DEMO_LISTENER)
    deadline = time.monotonic() + PROFILE_WITHIN_S
    with progress("reading the demo's listens") as show:
        while time.monotonic() < deadline:
            with contextlib.suppress(DomainError):
                if not services.recommendations.recommend(listener.listener_id, "recordings", 5).degraded:
                    show(1.0, "")
                    return
            show(1 - (deadline - time.monotonic()) / PROFILE_WITHIN_S, "")
            time.sleep(0.3)
