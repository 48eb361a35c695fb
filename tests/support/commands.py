"""Running `manage.py` as a person would, against a system of a test."""

import json
import os
import subprocess
import sys
from typing import Any

from app.bench.system import System
from tests.support.stack import ROOT


def manage(system: System, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **system.environment},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=420,  # a first model of tens of thousands of items takes minutes on a busy machine
    )


def manage_json(system: System, *arguments: str) -> Any:
    result = manage(system, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
