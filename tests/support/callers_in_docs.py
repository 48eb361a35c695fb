"""`python -m tests.support.callers_in_docs [write]`: is docs/security-matrix.md what the list of calls says?"""

import sys
from pathlib import Path

from app.composition import MODULES, contract_of
from app.contracts.callers import allowed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security-matrix.md"
HEAD = """# What each part may call

Made from `app/contracts/callers.py` (`python -m tests.support.callers_in_docs write`). A process may call what the
modules in it need, and nothing else: that is all that its service key opens. `manage.py security drill MODULE` tries
every method of every other module with MODULE's key, and every schema with its two database roles, on the running
system. The fronts (gateway, pages, administration, protocols) may call whatever people may, and a few methods besides;
the command line may call all.

"""


def page() -> str:
    modules = [*MODULES]
    lines = [f"| caller | {' | '.join(f'`{module}`' for module in modules)} |", "|---" * (len(modules) + 1) + "|"]
    for caller in (*modules, "fronts"):
        cells = []
        for module in modules:
            contract = contract_of(module)
            if caller == module:
                cells.append("itself")
                continue
            names = allowed(contract, () if caller == "fronts" else (caller,), is_front=caller == "fronts")
            listed = ", ".join(f"`{name}`" for name in sorted(names)) or "–"
            cells.append(f"{len(names)} of {len(contract.methods)}" if caller == "fronts" else listed)
        lines.append(f"| {caller if caller == 'fronts' else f'`{caller}`'} | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        sys.exit("docs/security-matrix.md is not up to date: python -m tests.support.callers_in_docs write")
