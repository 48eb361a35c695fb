"""How often each contract method was called here, how long it took, how often it failed.

Counted in plain numbers, since a call within a process costs less than touching a metric would; `app.kernel.metrics`
carries them over about once a second. An addition to a number is not interrupted between its reading and its
writing by another thread of CPython's, so nothing is locked.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    calls: int = 0
    errors: int = 0  # ended in a failure of ours (a status of 500 or more)
    seconds: float = 0.0


_tallies: dict[str, Tally] = {}


def of(label: str) -> Tally:
    """Return the tally of a method, named `module.method`."""
    return _tallies.setdefault(label, Tally())


def all_of_them() -> dict[str, Tally]:
    return dict(_tallies)
