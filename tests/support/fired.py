"""Which alerts fire when what was seen of a running system goes on: two scrapes, handed to promtool as series."""

import re
import subprocess
from pathlib import Path

import yaml

from tests.support.stack import ROOT

SAMPLE = re.compile(r"^(\w+(?:\{.*\})?) (\S+)(?: \S+)?$", re.M)
STEPS = 120
STEP_S = 15


def samples(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in SAMPLE.findall(text)}


def firing(before: str, after: str, *, now: float, folder: Path) -> set[str]:
    """Return the alerts that fire within half an hour of scrapes 15 s apart, each series going on as it did.

    `now` is when the second scrape was made: moments are moved to promtool's clock, which begins at zero.
    """
    first, second = samples(before), samples(after)
    series = []
    for name, value in second.items():
        start = first.get(name, 0.0 if "_total" in name or "_bucket" in name else value)
        slope = value - start
        if "_timestamp_seconds" in name:
            start, slope = value - now, 0.0
        elif name.startswith("segue_part_up"):
            start, slope = value, 0.0  # it stays as it was seen last
        elif name.startswith("segue_run_waits_seconds") and value:
            start, slope = value, float(STEP_S)  # it goes on waiting
        series.append({"series": name, "values": f"{start}{slope:+}x{STEPS}"})
    expression = 'group by (alertname) (ALERTS{alertstate="firing"})'
    test = {
        "rule_files": [str(ROOT / "docker/prometheus/alerts.yml")],
        "evaluation_interval": f"{STEP_S}s",
        "tests": [
            {
                "interval": f"{STEP_S}s",
                "input_series": series,
                "promql_expr_test": [{"expr": expression, "eval_time": "29m", "exp_samples": []}],
            }
        ],
    }
    (folder / "fired.yml").write_text(yaml.safe_dump(test))
    said = subprocess.run(
        ["promtool", "test", "rules", str(folder / "fired.yml")], capture_output=True, text=True, check=False
    )
    return set(re.findall(r'alertname="(\w+)"', (said.stdout + said.stderr).partition("got:")[2]))
