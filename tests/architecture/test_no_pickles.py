"""No model is code: nothing of ours reads pickles, and nothing that is written as a model is one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.name.split(".")[0] for each in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def allows_pickle(tree: ast.AST) -> bool:
    """Say whether any call asks numpy to read or write objects, or leaves that open where it would."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            said = {word.arg: word.value for word in node.keywords}
            value = said.get("allow_pickle")
            if value is not None and not (isinstance(value, ast.Constant) and value.value is False):
                return True
            if isinstance(node.func, ast.Attribute) and node.func.attr in {"to_pickle", "read_pickle"}:
                return True
    return False


@pytest.mark.parametrize("folder", ["app", "services", "docker", "migrations"])
def test_no_code_reads_or_writes_pickles(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files or folder != "app"
    guilty = []
    for file in files:
        tree = ast.parse(file.read_text())
        if imported(tree) & FORBIDDEN or allows_pickle(tree):
            guilty.append(str(file.relative_to(ROOT)))
    assert not guilty


@pytest.mark.parametrize("line", ["import pickle", "from joblib import load", "np.load(f, allow_pickle=True)"])
def test_the_search_for_pickles_finds_them(line: str) -> None:
    tree = ast.parse(line)
    assert imported(tree) & FORBIDDEN or allows_pickle(tree)
