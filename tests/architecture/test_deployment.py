"""What is deployed: manifests valid to the letter and made from the list of calls, compose files, what is inside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.composition import WORKER_MODULES
from app.contracts.callers import MODULE_CALLS
from app.kernel.autoscaling import RULES
from services import kubernetes, sbom
from tests.support.stack import ROOT

MANIFESTS = sorted(path for path in (kubernetes.HERE / "base").glob("*.yaml") if path.name != "kustomization.yaml")


def test_the_manifests_are_what_the_topology_says() -> None:
    for path, text in kubernetes.written().items():
        assert path.read_text() == text, f"{path} is not up to date: python -m services.kubernetes"


def test_the_manifests_are_valid_to_the_letter() -> None:
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "--no-warn", *map(str, MANIFESTS)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_manifest_with_a_mistake_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((kubernetes.HERE / "base" / "catalog.yaml").read_text().replace("containerPort", "containerDoor"))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", str(wrong)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def of_kind(kind: str) -> dict[str, dict]:
    return {p["metadata"]["name"]: p for parts in kubernetes.files().values() for p in parts if p["kind"] == kind}


def test_a_pod_is_reached_by_those_who_call_it_and_nobody_else() -> None:
    policies = of_kind("NetworkPolicy")
    for module in MODULE_CALLS:
        [rule] = policies[module]["spec"]["ingress"]
        sources = {source["podSelector"]["matchLabels"][kubernetes.LABEL] for source in rule["from"]}
        calling = {caller for caller, calls in MODULE_CALLS.items() if module in calls}
        everybody = set(MODULE_CALLS) - {module} if module == "accounts" else set()
        hosted_by_worker = {"worker"} if set(WORKER_MODULES) & (calling | everybody) else set()
        assert sources == {"gateway"} | calling | everybody | hosted_by_worker
    assert policies["nothing-else"]["spec"]["podSelector"] == {}


def test_every_pod_is_restricted_and_scales_by_the_rule() -> None:
    for workload in (*of_kind("Deployment").values(), *of_kind("Job").values()):
        spec = workload["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    for process, rule in RULES.items():
        scaler = of_kind("HorizontalPodAutoscaler")[process]["spec"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (rule.least, rule.most)


def test_a_pod_sees_no_other_modules_password() -> None:
    for process, workload in of_kind("Deployment").items():
        [secret, _] = next(v for v in workload["spec"]["template"]["spec"]["volumes"] if v["name"] == "secrets")[
            "projected"
        ]["sources"]
        names = [item["key"] for item in secret["secret"]["items"]]
        assert [name for name in names if name.startswith("service_")] == [f"service_{process}.pem"]
        assert "postgres_password" not in names
        assert not [name for name in names if name.endswith("_migrate")]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.split.yaml"])
def test_the_compose_files_are_valid(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    said = subprocess.run([*command, str(ROOT / "docker" / name)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_bill_of_materials_names_every_pinned_package() -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    made = sbom.document(requirements)
    assert json.loads(json.dumps(made))["bomFormat"] == "CycloneDX"
    assert {"flask", "numpy", "sqlalchemy"} <= {each["name"] for each in made["components"]}
    assert len(made["components"]) == sum(
        "==" in line and not line.startswith(" ") for line in requirements.splitlines()
    )
    assert all(each["hashes"] for each in made["components"])
