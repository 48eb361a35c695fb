"""The import contracts hold, and each of them can fail."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import MODULE_NAMES
from tests.support.stack import ROOT


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, to plant violations in."""
    folder = tmp_path_factory.mktemp("sources")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("app", "services"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "static", "templates"))
    return folder


def test_the_imports_obey_the_contracts(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout[-3000:]


PLANTED = [
    ("app/kernel/clock.py", "import app.contracts.listens", "layers"),
    ("app/contracts/catalog.py", "import app.modules.catalog.service", "layers"),
    ("app/settings.py", "import app.kernel.clock", "layers"),
    ("app/modules/listens/service.py", "import app.composition", "layers"),
    ("app/modules/catalog/service.py", "import app.modules.listens.models", "know each other only through contracts"),
    ("app/web/views.py", "import app.modules.listens.service", "layers"),
    ("app/ml/popularity.py", "import app.kernel.clock", "pure library"),
    ("app/ml/popularity.py", "import flask", "pure library"),
    ("app/modules/playlists/service.py", "import app.ml.popularity", "use ml"),
    ("app/modules/training/service.py", "import celery", "neither Flask nor Celery"),
    ("app/contracts/accounts.py", "import flask", "neither Flask nor Celery"),
]


@pytest.mark.parametrize(("file", "line", "rule"), PLANTED, ids=[f"{f}: {x}" for f, x, _ in PLANTED])
def test_a_planted_violation_is_found(copy: Path, file: str, line: str, rule: str) -> None:
    path = copy / file
    source = path.read_text()
    path.write_text(f"{source}\n{line}\n")
    try:
        result = lint(copy)
    finally:
        path.write_text(source)
    assert result.returncode != 0
    broken = [row for row in result.stdout.splitlines() if row.rstrip().endswith("BROKEN")]
    assert any(rule in row for row in broken), broken


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_a_module_imports_without_the_others(module: str) -> None:
    others = [f"app.modules.{name}" for name in MODULE_NAMES if name != module]
    code = (
        f"import sys\nimport app.modules.{module}.wiring, app.modules.{module}.api\n"
        f"found = [n for n in sys.modules for o in {others!r} if n == o or n.startswith(o + '.')]\n"
        "assert not found, found"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_serving_never_imports_what_only_fitting_needs() -> None:
    code = (
        "import sys\nimport app.composition, app.modules.recommendations.wiring, app.web.views, app.admin.views\n"
        "found = [n for n in ('sklearn', 'pyarrow', 'celery.bin') if n in sys.modules]\nassert not found, found"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_module_has_files_of_the_usual_names() -> None:
    usual = {"__init__", "service", "models", "api", "wiring"}
    for module in MODULE_NAMES:
        names = {path.stem for path in (ROOT / "app" / "modules" / module).glob("*.py")}
        assert usual <= names, f"{module} lacks {usual - names}"
        assert importlib.util.find_spec(f"app.modules.{module}") is not None
