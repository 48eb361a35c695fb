"""Where each module runs: one TOML file, checked before anything starts."""

import json
import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import structs

from app.kernel.rpc import Resilience
from app.settings import MODULE_NAMES

SHIPPED = Path(__file__).resolve().parents[1] / "services" / "topologies"
GATEWAY = "gateway"
COMING = Path("topology", "coming.toml")  # below the data folder, while a running system takes it on
FRONTS = ("web", "admin", "protocols")


class TopologyError(Exception):
    """The topology can't be used; the message says what is missing, double or unreachable."""


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process and the modules in it. `url` is where others reach it: `http://host:port`, `unix:name.sock`,
    or `https://host:port` with certificates of the instance on both sides (`manage.py pki`).

    `nice`, 0 to 19, lets it yield the cores to the processes beside it, which answer sooner when it computes.
    `server` is how it is served: by Flask on gunicorn, or by FastAPI on uvicorn where services/ has such an entry.
    """

    modules: list[str] = []
    url: str | list[str] = ""
    workers: int = 1
    threads: int = 8
    nice: int = 0
    server: Literal["flask", "fastapi"] = "flask"

    @property
    def urls(self) -> list[str]:
        return [self.url] if isinstance(self.url, str) and self.url else list(self.url or [])


class Topology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    processes: dict[str, Process]
    resilience: dict[str, Resilience] = {}
    name: str = ""

    def owner(self, module: str) -> str:
        return next(name for name, process in self.processes.items() if module in process.modules)

    def urls(self, module: str) -> list[str]:
        return self.processes[self.owner(module)].urls

    def is_split(self) -> bool:
        return len(self.processes) > 1

    def has_doors(self, process: str) -> bool:
        """Say whether others reach modules of this process."""
        return self.is_split() or bool(self.processes[process].urls)


def load(name_or_file: str) -> Topology:
    """Read a shipped topology by its name, or a file. Raises TopologyError."""
    file = Path(name_or_file)
    if not name_or_file.endswith(".toml"):
        file = SHIPPED / f"{name_or_file}.toml"
    try:
        return parse(file.read_bytes(), file.stem)
    except OSError:
        raise TopologyError(f"topology: no file {file}") from None


def parse(text: bytes, name: str = "") -> Topology:
    """Read a topology. Raises TopologyError."""
    try:
        topology = msgspec.convert({"name": name, **tomllib.loads(text.decode())}, Topology)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise TopologyError(f"topology {name}: {error}") from None
    if found := mistakes(topology):
        raise TopologyError(f"topology {name}: " + "; ".join(found))
    return topology


def moved(topology: Topology, module: str, target: Topology) -> Topology:
    """Return the topology with one module where `target` has it, and everything else where it is.

    Raises TopologyError when that makes no topology.
    """
    left, goes_to = topology.owner(module), target.owner(module)
    processes = dict(topology.processes)
    processes[left] = structs.replace(processes[left], modules=[m for m in processes[left].modules if m != module])
    if goes_to in processes:
        there = processes[goes_to]
        processes[goes_to] = structs.replace(there, modules=[*there.modules, module])
    else:
        processes[goes_to] = structs.replace(target.processes[goes_to], modules=[module])
    processes = {name: p for name, p in processes.items() if p.modules or name == GATEWAY}
    gateway = processes[GATEWAY]
    if len(processes) > 1 and gateway.modules and not gateway.urls:
        url = target.processes[GATEWAY].url or f"unix:{GATEWAY}.sock"
        processes[GATEWAY] = structs.replace(gateway, url=url)
    found = structs.replace(topology, processes=processes)
    if wrong := mistakes(found):
        raise TopologyError(f"{module} can't move to {goes_to!r}: " + "; ".join(wrong))
    return found


def to_toml(topology: Topology) -> str:
    """Write a topology down in the form that `load` reads."""
    lines = []
    for kind, tables in (("processes", topology.processes), ("resilience", topology.resilience)):
        for name, table in tables.items():
            lines.append(f"[{kind}.{name}]")
            values = msgspec.to_builtins(table)
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items() if value not in ("", [], None)]
            lines.append("")
    return "\n".join(lines)


def mistakes(topology: Topology) -> list[str]:
    """Return what is wrong with a topology, in words; empty when it can be used."""
    found = []
    owners: dict[str, str] = {}
    if GATEWAY not in topology.processes:
        found.append("there is no process `gateway`")
    names = [name for name in topology.processes if not re.fullmatch("[a-z][a-z0-9_]{0,31}", name)]
    found += [f"process {name!r}: use small letters, digits and _ for its name" for name in names]
    for name, process in topology.processes.items():
        for module in process.modules:
            if module not in MODULE_NAMES:
                found.append(f"process {name!r} lists an unknown module {module!r}")
            elif module in owners:
                found.append(f"module {module!r} is in both {owners[module]!r} and {name!r}")
            owners.setdefault(module, name)
        if len(topology.processes) > 1 and not process.urls and (name != GATEWAY or process.modules):
            found.append(f"process {name!r} needs a `url`, or the others can't reach it")
        found += _mistakes_of(name, process)
    used = [url for process in topology.processes.values() for url in process.urls]
    found += [f"the address {url!r} is used twice" for url in sorted({u for u in used if used.count(u) > 1})]
    found += [f"no process runs module {module!r}" for module in MODULE_NAMES if module not in owners]
    found += [f"[resilience.{name}] names no module" for name in topology.resilience if name not in MODULE_NAMES]
    return found


def _mistakes_of(name: str, process: Process) -> list[str]:
    found = []
    for url in process.urls:
        if not url.startswith(("http://", "https://", "unix:")):
            found.append(f"process {name!r}: {url!r} is none of http://, https:// and unix:")
        if url.startswith("https://") and (name == GATEWAY or process.server == "fastapi"):
            found.append(f"process {name!r}: https:// is for processes behind the gateway, on gunicorn")
    if process.server == "fastapi":
        if not (SHIPPED.parent / name / "asgi.py").exists():
            found.append(f"process {name!r} has no services/{name}/asgi.py to be served by fastapi")
        if len(process.urls) != 1:
            found.append(f"process {name!r} is served by fastapi at one `url`")
    if not 0 <= process.nice <= 19:
        found.append(f"process {name!r}: nice is 0 to 19")
    if process.workers < 1 or process.threads < 1:
        found.append(f"process {name!r}: workers and threads are 1 or more")
    return found
