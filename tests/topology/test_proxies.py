"""The proxies' own programs accept what is generated for them, and HAProxy passes requests on."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.cli.proxies import addresses, haproxy, nginx
from app.topology import load

REPLICAS = """
[processes.gateway]
modules = ["accounts", "catalog", "listens", "training", "playlists"]
url = "unix:gateway.sock"

[processes.recommendations]
modules = ["recommendations"]
url = ["unix:recommendations.sock", "http://127.0.0.1:9301"]
"""
CHECKS = {"haproxy": ("haproxy", "-c", "-f"), "nginx": ("nginx", "-t", "-q", "-c")}


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize("name", ["replicas", "soa", "split"])
def test_the_generated_configuration_is_accepted(kind: str, name: str, tmp_path: Path) -> None:
    command = CHECKS[kind]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / "replicas.toml").write_text(REPLICAS)
    topology = load(str(tmp_path / "replicas.toml") if name == "replicas" else name)
    text = {"haproxy": haproxy, "nginx": nginx}[kind](topology, tmp_path)
    if kind == "nginx":
        text = f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\n{text}"
    (tmp_path / "proxy.conf").write_text(text)
    result = subprocess.run([*command, str(tmp_path / "proxy.conf")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for process in addresses(topology, "127.0.0.1", 9101):
        assert process in text
    assert text.count("9301") == (name == "replicas")
