"""How much carbon the grid emits by the hour, from a table that the operator gives."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.settings import SettingsError

TYPICAL = 400.0  # g CO2 per kWh, where no table says better: about the mean of Europe and North America
HOURS = 24


@dataclass(frozen=True)
class Grid:
    """Grams of CO2 per kWh for each hour of the day, UTC; `is_known` tells whether a table says so."""

    by_hour: tuple[float, ...] = (TYPICAL,) * HOURS
    is_known: bool = False

    def now(self, at: datetime | None = None) -> float:
        return self.by_hour[(at or datetime.now(UTC)).hour]

    def is_low(self, at: datetime) -> bool:
        """Say whether an hour is among the lowest third of the day."""
        return self.by_hour[at.hour] <= sorted(self.by_hour)[HOURS // 3 - 1]


def load(file: Path | None) -> Grid:
    """Read a table (CSV) with the columns hour (0 to 23, UTC) and gco2_per_kwh. Raises SettingsError."""
    if file is None:
        return Grid()
    try:
        with file.open(newline="") as opened:
            rows = {int(row["hour"]): float(row["gco2_per_kwh"]) for row in csv.DictReader(opened)}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise SettingsError(f"SEGUE_GRID_FILE: {file}: {type(error).__name__}: {error}") from None
    if set(rows) != set(range(HOURS)) or min(rows.values()) < 0:
        raise SettingsError(
            f"SEGUE_GRID_FILE: {file}: needs each hour from 0 to 23 once, with grams that are not negative"
        )
    return Grid(tuple(rows[hour] for hour in range(HOURS)), is_known=True)
