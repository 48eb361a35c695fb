import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.host.serving import yielding
from app.settings import MODULE_NAMES
from app.topology import TopologyError, load


def write(folder: Path, text: str) -> str:
    file = folder / "some.toml"
    file.write_text(text)
    return str(file)


def processes(**modules: list[str]) -> str:
    return "\n".join(
        f'[processes.{name}]\nmodules = {found!r}\nurl = "unix:{name}.sock"'.replace("'", '"')
        for name, found in modules.items()
    )


@pytest.mark.parametrize("name", ["monolith", "split"])
def test_the_shipped_topologies_are_sound(name: str) -> None:
    topology = load(name)
    assert {topology.owner(module) in topology.processes for module in MODULE_NAMES} == {True}


def test_a_mixture_is_a_topology_too(tmp_path: Path) -> None:
    rest = [module for module in MODULE_NAMES if module != "recommendations"]
    topology = load(write(tmp_path, processes(gateway=rest, recommendations=["recommendations"])))
    assert topology.owner("recommendations") == "recommendations"
    assert topology.owner("listens") == "gateway"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (processes(gateway=[m for m in MODULE_NAMES if m != "catalog"]), "no process runs module 'catalog'"),
        (processes(gateway=[*MODULE_NAMES], second=["catalog"]), "module 'catalog' is in both"),
        (processes(gateway=[*MODULE_NAMES, "jukebox"]), "unknown module 'jukebox'"),
        (processes(pages=[*MODULE_NAMES]), "no process `gateway`"),
        ("[processes.gateway]\n" + f"modules = {[*MODULE_NAMES]!r}\nspeed = 1".replace("'", '"'), "speed"),
        ("[processes.gateway\n", "line 1"),
        (
            f"[processes.gateway]\n[processes.rest]\nmodules = {[*MODULE_NAMES]!r}".replace("'", '"'),
            "'rest' needs a `url`",
        ),
        (
            processes(gateway=[*MODULE_NAMES][:3], rest=[*MODULE_NAMES][3:]).replace("rest.sock", "gateway.sock"),
            "used twice",
        ),
        (processes(gateway=[*MODULE_NAMES]) + "\nnice = -5", "nice is 0 to 19"),
        (processes(gateway=[*MODULE_NAMES]) + "\n[resilience.jukebox]\nattempts = 1", "names no module"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TopologyError) as caught:
        load(write(tmp_path, text))
    assert said in str(caught.value)


def test_a_process_that_yields_does_so_under_its_own_id() -> None:
    said = [sys.executable, "-c", "import os; print(os.getpid(), os.nice(0))"]
    process = subprocess.Popen(yielding(7, said), stdout=subprocess.PIPE, text=True)
    assert process.communicate()[0].split() == [str(process.pid), str(min(19, os.nice(0) + 7))]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"no file .*nowhere\.toml"):
        load(str(tmp_path / "nowhere.toml"))
