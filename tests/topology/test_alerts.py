"""Rules, dashboard and runbooks agree, and promtool finds each alert to fire as it should."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.stack import ROOT

PROMETHEUS = ROOT / "docker" / "prometheus"
NEEDS_PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Prometheus) is not installed")
SERIES = re.compile(r"\bsegue_[a-z_]+")


def rules() -> list[dict[str, str]]:
    found: list[dict[str, str]] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
    return found


def promtool(*arguments: str, folder: Path = PROMETHEUS) -> None:
    result = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@NEEDS_PROMTOOL
def test_configuration_and_rules_are_valid_and_each_alert_fires() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("test", "rules", "alerts.test.yml")
    tested = {test["name"] for test in yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]}
    assert tested == {rule["alert"] for rule in rules()}


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in rules()}


def test_rules_and_dashboard_ask_for_series_that_exist() -> None:
    source = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    made = set(SERIES.findall(source))
    panels = json.loads((ROOT / "docker/grafana/dashboards/segue.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    asked += [rule["expr"] for rule in rules()]
    names = {re.sub(r"_bucket$", "", name) for each in asked for name in SERIES.findall(each)}
    assert names <= made
