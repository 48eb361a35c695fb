"""`manage.py canary …`: another version of one service for a share of the listeners."""

import os

import click
from msgspec import structs

from app.cli.programs import metrics_folder
from app.cli.running import ask
from app.cli.shared import SegueError, answer, as_json, note_act, settings, table
from app.host.places import HostError
from app.host.serving import ROOT, SERVING, bind_of, certificates_for, serving_command
from app.kernel import canary as canaries
from app.kernel.canary import Canary
from app.settings import MODULE_NAMES
from app.topology import GATEWAY, Topology
from app.topology import load as load_topology

module_argument = click.argument("module", type=click.Choice(MODULE_NAMES))
url_option = click.option("--url", required=True, help="unix:NAME.sock, http://HOST:PORT or https://HOST:PORT.")


@click.group()
def canary() -> None:
    """Another version of one service, for a share of the listeners."""


@canary.command()
@module_argument
@url_option
@click.option("--workers", type=click.IntRange(1, 64), default=1)
def serve(module: str, url: str, workers: int) -> None:
    """Serve MODULE's process at another address, in the foreground, with the code of this checkout.

    Run it in the checkout of the other version, with SEGUE_DATA_DIR naming the data folder of the running system.
    """
    loaded = settings()
    topology = load_topology(loaded.topology)
    process = _process_of(topology, module)
    served = topology.processes[process]
    try:
        command = serving_command(
            process,
            [bind_of(url, loaded.socket_dir)],
            server=served.server,
            workers=workers,
            threads=served.threads,
            certificates=certificates_for([url], loaded.data_dir),
        )
    except HostError as error:
        raise SegueError(str(error)) from None
    os.chdir(ROOT)
    os.environ |= {
        "SEGUE_DATA_DIR": str(loaded.data_dir),
        **SERVING,
        **metrics_folder(loaded, f"{process}-canary"),
    }
    os.execvp(command[0], command)  # noqa: S606


@canary.command()
@module_argument
@url_option
@click.option("--share", type=click.FloatRange(0.0, 1.0, min_open=True), default=0.1, help="Of the listeners.")
def start(module: str, url: str, share: float) -> None:
    """Let a share of the listeners be answered by the version of MODULE that is served at URL.

    It is taken back by itself when it fails more often than the others.
    """
    loaded = settings()
    process = _process_of(load_topology(loaded.topology), module)
    is_ready, version = ask(url, loaded, process, within_s=5.0)
    if not is_ready:
        raise SegueError(f"nothing at {url} is ready to answer for {process}; see manage.py canary serve")
    note_act("canary.start", module, url=url, share=share)
    canaries.write(loaded.data_dir, {**canaries.read(loaded.data_dir), module: Canary(url, share)})
    click.echo(f"{module} {version} at {url} answers {share:.0%} of the listeners")


@canary.command()
@module_argument
def end(module: str) -> None:
    """Let everybody be answered as before."""
    loaded = settings()
    found = canaries.read(loaded.data_dir)
    if module not in found:
        raise SegueError(f"{module} has no canary")
    note_act("canary.end", module, url=found[module].url)
    canaries.write(loaded.data_dir, {name: each for name, each in found.items() if name != module})
    click.echo(f"{module} has no canary any more; the process at {found[module].url} can be stopped")


@canary.command()
@as_json
def status(json_: bool) -> None:
    """Show the canaries, and why one was taken back."""
    found = canaries.read(settings().data_dir)
    rows = [
        [name, each.url, f"{each.share:.0%}", f"taken back: {each.taken_back}" if each.taken_back else "answers"]
        for name, each in found.items()
    ]
    document = {"canaries": [{"module": name, **structs.asdict(each)} for name, each in found.items()]}
    answer(json_, document, *(table(rows, ["MODULE", "URL", "SHARE", "STATE"]) if rows else ["no canaries"]))


def _process_of(topology: Topology, module: str) -> str:
    """Return the process that others ask for a module. Raises SegueError where a module is called within a process."""
    process = topology.owner(module)
    if process == GATEWAY:
        raise SegueError(f"{module} is called inside the gateway; give it a process of its own: topology move {module}")
    return process


COMMANDS = (canary,)
