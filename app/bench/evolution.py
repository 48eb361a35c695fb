"""docs/evolution.md, from what `bench topologies` measured: the architectures in the order in which systems grow."""

from typing import Any

from app.bench.topologies import FEATURES, TOPOLOGIES

HEAD = """# From one process to many, and what each step costs

Written by `manage.py bench topologies --page docs/evolution.md`, from one run on {cores} cores ({system}, Python
{python}). The demo, one client, a request after the other; {samples} of each kind in turns. In brackets the ratio to
the monolith of the same run: the figures change with the machine, the ratios hardly. A fifth more or less is noise.

"""
STORY = {
    "monolith": """## Monolith: one process, modules inside

All six modules in one process, each with its own contract, schema and database roles. A call to another module is a
function call, one thing is started, one log is read, one debugger sees everything. What it can't do: a part that hangs
or eats memory takes the others with it, and everything is scaled and released together.
""",
    "three-tier": """## Three tiers: pages, modules, database

The pages and the door get processes of their own, all modules stay together behind them. Pages can then be released or
multiplied without the modules, and the machine that faces the internet holds neither data nor database passwords. For
speed nothing is won: each request pays one more hop, and when the middle is away nothing but the door is left.
""",
    "soa": """## A few coarse services

People, music, and what is learned from both: three services of two modules each, cut where calls are few. A fault stays
in its third of the system, and three teams can release without waiting for each other. Most of what a split gives, for
half of its processes.
""",
    "split": """## One service per module

Each module can be restarted, scaled, moved to another machine or written anew alone, and a killed one takes nothing but
itself away. The price is paid all day: memory for each process, a hop for each call, versions beside each other, and
someone who watches all that.
""",
}
ADVICE = """## When to stay a monolith

Nearly always. Stay while one team releases it, one machine carries it, and no part has needs of its own. Segue's
modules are as separate in one process as in six: imports, contracts and database roles are checked in either case, so
waiting costs nothing, and `manage.py topology move` does the step later, while people listen: see
[splitting](splitting.md).

Take a part out when one of these is true of it, and only that part:

- It needs more of something than the rest: cores, memory, another machine. `manage.py bench scale` says what a further
  replica or worker of `recommendations` gives and takes.
- It may hang or crash and must not take submissions with it. `manage.py bench bulkheads` plants both.
- It is released at another pace, or by other people, than the rest.
- It holds data that must lie elsewhere.

Not reasons: order in the code (modules give it), speed (a hop is slower than a call), and that others do it. Put a part
back when its reason is gone; that is one command too.
"""


def page(document: dict[str, Any]) -> str:
    """Return the page; `document` is what the benchmark answered."""
    figures: dict[str, dict[str, Any]] = {name: {} for name in TOPOLOGIES}
    for result in document["results"]:
        topology, _, what = result.name.partition(": ")
        figures[topology][f"{what}, {result.unit}"] = result
    parts = [HEAD.format(**document["machine"], samples=document["samples"])]
    rows = [[what, *(_cell(figures[name][what]) for name in TOPOLOGIES)] for what in figures[TOPOLOGIES[0]]]
    parts.append(_table(["", *TOPOLOGIES], rows))
    for name in TOPOLOGIES:
        parts += [STORY[name], _what_holds(document["holds"][name])]
    return "\n".join([*parts, ADVICE])


def _cell(result: Any) -> str:
    value = f"{result.value:.0f}" if result.value >= 100 or result.unit == "processes" else f"{result.value:.1f}"
    return f"{value} ({result.ratio:.1f})"


def _what_holds(holds: dict[str, list[str]]) -> str:
    rows = []
    for killed, answers in holds.items():
        lost = [feature for feature in FEATURES if feature not in answers]
        rows.append([f"`{killed}`", ", ".join(answers) or "nothing", ", ".join(lost) or "nothing"])
    return _table(["killed", "still answers", "does not"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
