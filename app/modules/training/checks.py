"""Checks of a snapshot before training, and how far it drifted from the one before. Pure: arrays in, findings out.

Each check has a level that warns and one that stops; LIMITS says which, and why.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from app.contracts.training import CheckLevel, DataCheck, Drift
from app.modules.training.plays import Ints, Plays

DAY_S = 86_400
CLOCK_S = 3600  # what a player's clock may be ahead


@dataclass(frozen=True)
class Limits:
    """Beyond `warn` a person should look, beyond `stop` nothing is trained; None is never."""

    warn: float | None
    stop: float | None
    is_least: bool = False  # too little is wrong, not too much

    def level(self, value: float) -> CheckLevel:
        for name, limit in (("stop", self.stop), ("warn", self.warn)):
            if limit is not None and (value < limit if self.is_least else value > limit):
                return "stop" if name == "stop" else "warn"
        return "ok"


LIMITS = {
    "volume": Limits(100, 1, is_least=True),  # plays; below a hundred a model says little
    "times": Limits(0.05, 0.5),  # share of listens without a time that can be: before 1970, or ahead of the clock
    "unknown": Limits(0.5, None),  # share of new listens whose item the snapshot before didn't know
    "duplicates": Limits(0.2, 0.95),  # share of a listener's listens that begin in the same second as another
    "time_gap": Limits(14.0, None),  # longest silence in days within the last ninety: an importer that stood still
    "sudden_change": Limits(0.3, 0.9),  # share of plays that the snapshot before had and this one lacks
}


def check(plays: Plays, before: Plays | None, now: datetime) -> list[DataCheck]:
    """Return what was found; `before` is the snapshot before, None where there is none."""
    rows = len(plays.listens) + len(plays.playcounts)
    at = plays.listens[:, 1]
    is_odd = (at <= 0) | (at > now.timestamp() + CLOCK_S)
    odd = float(is_odd.mean()) if len(at) else 0.0
    unknown = _unknown(plays, before)
    rows_before = len(before.listens) + len(before.playcounts) if before else 0
    repeated = _repeated(plays.listens)
    gap = _gap_days(at[~is_odd])
    lost = max(0.0, 1 - rows / rows_before) if rows_before else 0.0
    return [
        _found("volume", float(rows), f"{rows:,} plays of {len(plays.people):,} listeners"),
        _found("times", odd, f"{odd:.1%} of the listens have no time that can be"),
        _found("unknown", unknown, f"{unknown:.1%} of the new listens are of recordings that were not known before"),
        _found(
            "duplicates", repeated, f"{repeated:.1%} of the listens begin in the second of another by the same person"
        ),
        _found("time_gap", gap, f"{gap:.1f} days is the longest silence of the last ninety"),
        _found("sudden_change", lost, f"{lost:.1%} of the plays of the snapshot before are gone"),
    ]


def _found(name: str, value: float, message: str) -> DataCheck:
    limits = LIMITS[name]
    level = limits.level(value)
    limit = limits.stop if level == "stop" else limits.warn
    return DataCheck(name, level, round(value, 6), limit, message)


def _repeated(listens: Ints) -> float:
    """Return the share of listens of a second in which the same person began another."""
    if not len(listens):
        return 0.0
    _, counts = np.unique(listens[:, :2], axis=0, return_counts=True)
    return float(counts[counts > 1].sum() / len(listens))


def _unknown(plays: Plays, before: Plays | None) -> float:
    if before is None or not len(before.listens):
        return 0.0
    new = plays.listens[plays.listens[:, 1] > before.listens[:, 1].max()]
    known = set(before.keys)
    is_known = np.array([key in known for key in plays.keys], dtype=bool)
    return float(1 - is_known[new[:, 2]].mean()) if len(new) else 0.0


def _gap_days(at: Ints) -> float:
    if len(at) < 2:
        return 0.0
    latest = np.sort(at[at > at.max() - 90 * DAY_S])
    return float(np.diff(latest).max() / DAY_S) if len(latest) > 1 else 0.0


# Drift

GROUPS = 20  # of items, and of listeners, by a hash of their key: evenly spread, and the same in every snapshot
HOURS = 24


def drift(snapshot_id: str, plays: Plays, against_id: str, before: Plays, now: datetime | None = None) -> list[Drift]:
    """Return how far the latest plays are from those before, for items, listeners and hours of the day.

    The listens since the older snapshot's last are compared with all of that; where there are none, nothing is.
    """
    if not len(before.listens) or not len(plays.listens):
        return []
    new = plays.listens[plays.listens[:, 1] > before.listens[:, 1].max()]
    if not len(new):
        return []
    found = []
    for feature, one, other in (
        ("items", _groups(plays.keys, new[:, 2]), _groups(before.keys, before.listens[:, 2])),
        ("listeners", _groups(plays.people, new[:, 0]), _groups(before.people, before.listens[:, 0])),
        ("play_times", _hours(new[:, 1]), _hours(before.listens[:, 1])),
    ):
        value, limit = psi(one, other)
        found.append(
            Drift(
                snapshot_id, against_id, feature, round(value, 6), round(limit, 6), len(new), now or datetime.now(UTC)
            )
        )
    return found


def psi(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> tuple[float, float]:
    """Return the population stability index of two histograms, and the limit beyond which it is more than chance.

    Without drift n·m/(n+m) times the index is about chi-squared with (groups - 1) degrees of freedom: with few plays
    the index is large by chance, so the limit falls with n. It is the 99th percentile of chance, and never below 0.1,
    which is what is usually taken for a change that matters.

    Source: Yurdakul & Naranjo 2020.
    """
    from scipy.stats import chi2

    n, m = float(counts.sum()), float(expected.sum())
    is_used = (counts + expected) > 0
    groups = int(is_used.sum())
    # half a play more in each group: an empty one would count without bound
    p = (counts[is_used] + 0.5) / (n + 0.5 * groups)
    q = (expected[is_used] + 0.5) / (m + 0.5 * groups)
    value = float(((p - q) * np.log(p / q)).sum())
    limit = float(chi2.ppf(0.99, max(1, groups - 1)) * (1 / n + 1 / m))
    return value, max(0.1, limit)


def _groups(names: list[bytes], places: Ints) -> NDArray[np.float64]:
    group = np.array([name[-1] % GROUPS for name in names], dtype=np.int64)
    return np.bincount(group[places], minlength=GROUPS).astype(np.float64)


def _hours(at: Ints) -> NDArray[np.float64]:
    return np.bincount((at // 3600) % HOURS, minlength=HOURS).astype(np.float64)
