"""Which tests a change can break, by the graph of imports.

`python -m tests.support.affected module playlists` prints the tests of a module and of those that use its contract;
`… affected changed FILE …` prints the groups of tests that the CI workflow runs for changed files.
"""

import ast
import json
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = "everything"
# The tests of a part, and the packages whose change can break them.
GROUPS = {
    "kernel": ["app.kernel", "app.settings", "app.contracts", "app.topology"],
    "host": ["app.host", "app.cli"],
    "ml": ["app.ml"],
    "datasets": ["app.datasets"],
    "protocols": ["app.protocols"],
    "web": ["app.web", "app.admin"],
    "topology": ["app.composition", "app.topology", "app.bench", "services"],
    "security": ["app.composition", "app.modules", "app.web", "app.admin", "app.protocols"],
    "modules/accounts": ["app.modules.accounts"],
    "modules/catalog": ["app.modules.catalog"],
    "modules/listens": ["app.modules.listens"],
    "modules/recommendations": ["app.modules.recommendations"],
    "modules/training": ["app.modules.training"],
    "modules/playlists": ["app.modules.playlists"],
}


def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", "services", cache_dir=None)


def users_of_contract(module: str) -> list[str]:
    """Return the parts that import a module's contract: modules, pages, protocols."""
    found = graph().find_modules_that_directly_import(f"app.contracts.{module}")
    parts = {".".join(name.split(".")[: 3 if name.startswith("app.modules.") else 2]) for name in found}
    return sorted(part for part in parts if part.startswith(("app.modules.", "app.web", "app.protocols", "app.admin")))


def tests_of_module(module: str) -> list[str]:
    """Return the tests of a module, and those tests of its contract's users that speak of it."""
    chosen = [f"tests/modules/{module}", "tests/kernel/test_compatibility.py"]
    for part in users_of_contract(module):
        folder = ROOT / "tests" / part.removeprefix("app.").replace(".", "/").replace("admin", "web")
        if folder != ROOT / "tests" / "modules" / module and folder.is_dir():
            for file in sorted(folder.glob("test_*.py")):
                chosen += [f"{file.relative_to(ROOT)}::{test}" for test in _speaking_of(f"services.{module}.", file)]
    return list(dict.fromkeys(chosen))


def _speaking_of(what: str, file: Path) -> list[str]:
    """Return the tests of a file in which something is said, by themselves or in a function or fixture they name."""
    text = file.read_text()
    if what not in text:
        return []
    functions = {each.name: each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)}
    names = {
        name: {word.id for word in ast.walk(each) if isinstance(word, ast.Name)} for name, each in functions.items()
    }
    names = {name: found | {arg.arg for arg in functions[name].args.args} for name, found in names.items()}
    said = {name for name, each in functions.items() if what in (ast.get_source_segment(text, each) or "")}
    while more := {name for name, found in names.items() if found & said} - said:
        said |= more
    return [name for name in functions if name in said and name.startswith("test_")]


def groups_for(changed: list[str]) -> list[str]:
    """Return which groups of tests changed files can break."""
    imports = graph()
    packages = set()
    groups = set()
    for name in changed:
        path = Path(name)
        if path.parts[0] == "tests" and len(path.parts) > 2:
            folder = "/".join(path.parts[1:3]) if path.parts[1] == "modules" else path.parts[1]
            groups |= {folder} if folder in GROUPS else set(GROUPS)
        elif path.parts[0] == "migrations" and len(path.parts) > 2:
            groups |= {f"modules/{path.parts[1]}", "kernel"}
        elif path.suffix == ".py" and path.parts[0] in {"app", "services"}:
            packages.add(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        elif path.suffix in {".html", ".css", ".js", ".po"}:
            groups |= {"web"}
        elif path.suffix != ".md":
            return sorted(GROUPS)  # locks, settings, the workflow itself
    reached = set(packages)
    for package in packages & imports.modules:
        reached |= imports.find_downstream_modules(package)
    groups |= {g for g, parts in GROUPS.items() if any(n == p or n.startswith(p + ".") for n in reached for p in parts)}
    return sorted(groups)


if __name__ == "__main__":
    what, *names = sys.argv[1:]
    sys.stdout.write(" ".join(tests_of_module(names[0])) if what == "module" else json.dumps(groups_for(names)))
