"""`python -m services.kubernetes`: write docker/kubernetes from the topology and the list of calls (for developers).

A process may be reached by those whose modules call it, and by nobody else: the network policy comes from
`app/contracts/callers.py`, as does what the processes themselves let through.
"""

import functools
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from app.composition import MODULES, WORKER_MODULES, Callers
from app.kernel.autoscaling import RULES
from app.settings import MODULE_NAMES
from app.topology import Topology, load

HERE = Path(__file__).resolve().parents[1] / "docker" / "kubernetes"
TOPOLOGY = "docker/split.toml"
IMAGE = "segue"
LABEL = "app.kubernetes.io/component"
PORT = 8000
TMP = "/tmp"  # noqa: S108 (of the pod alone)
# Processes whose modules keep files: one volume, which the worker shares with them.
WITH_FILES = ("training", "listens", "worker")
USES_BROKER = ("gateway", "training", "listens", "worker")
SETTINGS = {
    "SEGUE_TOPOLOGY": TOPOLOGY,
    "SEGUE_PUBLIC_URL": "https://segue.example",
    "SEGUE_TRUSTED_PROXIES": "1",
    "DATABASE_URL": "postgresql://postgres/segue",
    "BROKER_URL": "redis://valkey:6379/0",
    "SEGUE_RESULTS_URL": "redis://valkey:6379/1",
    "SEGUE_LIMITS_URL": "redis://valkey:6379/2",
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def resource(kind: str, version: str, name: str, component: str, **fields: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "segue", LABEL: component}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels}, **fields}


def selector(component: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": "segue", LABEL: component}}


def probe(path: str, **more: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5, **more}


def command_of(process: str) -> list[str]:
    if process == "worker":
        celery = ["python", "-m", "celery", "-A", "services.worker.celery_app", "worker"]
        return [*celery, "-B", "-c", "2", "-s", f"{TMP}/beat-schedule"]
    gunicorn = ["python", "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "-w", "2"]
    return [*gunicorn, "-b", f"0.0.0.0:{PORT}", f"services.{process}.wsgi:app"]


def pod(process: str, modules: list[str]) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": process,
        "image": IMAGE,
        "command": command_of(process),
        "envFrom": [{"configMapRef": {"name": "segue"}}],
        "securityContext": CONTAINER_SECURITY,
        "resources": {
            "requests": {"cpu": "250m" if process != "worker" else "1", "memory": "256Mi"},
            "limits": {"memory": "1Gi" if process != "worker" else "4Gi"},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "secrets", "mountPath": "/data/secrets", "readOnly": True},
            {"name": "tmp", "mountPath": TMP},
        ],
    }
    if process != "worker":
        container["ports"] = [{"name": "http", "containerPort": PORT}]
        container["startupProbe"] = probe("/healthz", periodSeconds=2, failureThreshold=60)
        container["readinessProbe"] = probe("/readyz?self", periodSeconds=5)
        container["livenessProbe"] = probe("/healthz", periodSeconds=10, failureThreshold=6)
        container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "5"]}}}
    data = {"persistentVolumeClaim": {"claimName": "segue-data"}} if process in WITH_FILES else {"emptyDir": {}}
    return {
        "serviceAccountName": "segue",
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": 30,
        "containers": [container],
        "volumes": [
            {"name": "data", **data},
            {"name": "secrets", "projected": {"defaultMode": 0o440, "sources": secrets_of(process, modules)}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def secrets_of(process: str, modules: list[str]) -> list[dict[str, Any]]:
    """A process sees its own key, the public ones of all, and the passwords of its modules' roles; no more."""
    own = [f"service_{process}.pem"] + [f"db_{module}_app" for module in modules]
    own += ["secret_key"] if process == "gateway" or {"accounts", "listens", "playlists"} & {*modules} else []
    own += ["pseudonym_key"] if "listens" in modules else []
    own += ["model_signing_key"] if "training" in modules else []
    own += ["model_signing_public"] if {"training", "recommendations"} & {*modules} else []
    items = [{"key": name, "path": name} for name in own]
    return [
        {"secret": {"name": "segue-secrets", "items": items}},
        {"configMap": {"name": "segue-public-keys"}},
    ]


def deployment(process: str, modules: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "selector": selector(process),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": selector(process)["matchLabels"]}, "spec": pod(process, modules)},
    }
    if process not in RULES:
        spec["replicas"] = 1 if process == "worker" else 2
    if process == "worker":
        spec["strategy"] = {"type": "Recreate"}  # its beat must not tick twice
    return resource("Deployment", "apps/v1", process, process, spec=spec)


def service(process: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": PORT, "targetPort": "http"}]
    spec = {"selector": selector(process)["matchLabels"], "ports": ports}
    return resource("Service", "v1", process, process, spec=spec)


def budget(process: str) -> dict[str, Any]:
    spec = {"maxUnavailable": 1, "selector": selector(process)}
    return resource("PodDisruptionBudget", "policy/v1", process, process, spec=spec)


def autoscaler(process: str) -> dict[str, Any]:
    rule = RULES[process]
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": round(100 * rule.target)}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": process},
        "minReplicas": rule.least,
        "maxReplicas": rule.most,
        "metrics": [{"type": "Resource", "resource": metric}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": int(rule.window_s)}},
    }
    return resource("HorizontalPodAutoscaler", "autoscaling/v2", process, process, spec=spec)


def callers(topology: Topology, process: str) -> list[str]:
    """Return the processes that call one: those with a right to some method of its modules."""
    modules = topology.processes[process].modules
    found = {name for module in modules for name in Callers(topology, module).names()} - {process, "cli"}
    return sorted(found)


def policy(topology: Topology, process: str) -> dict[str, Any]:
    called = [other for other in topology.processes if other != process and process in callers(topology, other)]
    to: list[dict[str, Any]] = [{"podSelector": selector(other)} for other in called]
    egress: list[dict[str, Any]] = [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {"to": [{"podSelector": selector("postgres")}], "ports": [{"port": 5432}]},
    ]
    if to:
        egress.append({"to": to, "ports": [{"port": PORT}]})
    if process in USES_BROKER:
        egress.append({"to": [{"podSelector": selector("valkey")}], "ports": [{"port": 6379}]})
    if process in {"worker", "playlists", "listens"}:
        egress.append({"ports": [{"port": 443}]})  # relays, libraries, histories of other services
    ingress: list[dict[str, Any]] = []
    if process == "gateway":
        ingress.append({"ports": [{"port": PORT}]})
    elif process in topology.processes:
        sources = [{"podSelector": selector(name)} for name in callers(topology, process)]
        ingress.append({"from": sources, "ports": [{"port": PORT}]})
    spec = {
        "podSelector": selector(process),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }
    return resource("NetworkPolicy", "networking.k8s.io/v1", process, process, spec=spec)


def deny_all() -> dict[str, Any]:
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return resource("NetworkPolicy", "networking.k8s.io/v1", "nothing-else", "all", spec=spec)


def migration() -> dict[str, Any]:
    """Creates roles and schemas and migrates, before the processes of a release start; only it has all secrets."""
    job = pod("migrate", [])
    job["restartPolicy"] = "OnFailure"
    container = job["containers"][0]
    for name in ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle"):
        container.pop(name)
    container["command"] = ["sh", "-ec", "python manage.py db bootstrap && python manage.py db upgrade"]
    container["env"] = [
        {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "segue-administrator", "key": "database-url"}}}
    ]
    names = [f"db_{module}_{role}" for module in MODULE_NAMES for role in ("app", "migrate")]
    items = [{"key": name, "path": name} for name in names]
    job["volumes"][1]["projected"]["sources"] = [{"secret": {"name": "segue-secrets", "items": items}}]
    template = {"metadata": {"labels": selector("migrate")["matchLabels"]}, "spec": job}
    spec = {"backoffLimit": 3, "ttlSecondsAfterFinished": 3600, "template": template}
    return resource("Job", "batch/v1", "migrate", "migrate", spec=spec)


@functools.cache
def files() -> dict[str, list[dict[str, Any]]]:
    """Return what each file of base/ holds."""
    topology = load(TOPOLOGY)
    hosted = {name: [*process.modules] for name, process in topology.processes.items()}
    hosted["worker"] = [*WORKER_MODULES]
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "20Gi"}}}
    found: dict[str, list[dict[str, Any]]] = {
        "shared.yaml": [
            resource("ServiceAccount", "v1", "segue", "all", automountServiceAccountToken=False),
            resource("ConfigMap", "v1", "segue", "all", data=SETTINGS),
            resource("PersistentVolumeClaim", "v1", "segue-data", "all", spec=claim),
        ],
        "migrate.yaml": [migration(), policy(topology, "migrate")],
        "nothing-else.yaml": [deny_all()],
    }
    for name, modules in hosted.items():
        parts = [deployment(name, modules), policy(topology, name)]
        if name in topology.processes:
            parts += [service(name), budget(name)]
        if name in RULES:
            parts.append(autoscaler(name))
        found[f"{name}.yaml"] = parts
    return found


def kustomization(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **fields}


def overlays() -> dict[str, dict[str, Any]]:
    small = [{"op": "replace", "path": "/spec/minReplicas", "value": 1}]
    large = [{"op": "replace", "path": "/spec/maxReplicas", "value": 12}]
    scaler = {"kind": "HorizontalPodAutoscaler"}
    return {
        "small": kustomization(
            namespace="segue-small",
            resources=["../../base"],
            images=[{"name": IMAGE, "newTag": "latest"}],
            patches=[{"target": scaler, "patch": json.dumps(small)}],
        ),
        "production": kustomization(
            namespace="segue",
            resources=["../../base"],
            images=[{"name": IMAGE, "newName": "registry.example/segue", "newTag": "0.1.0"}],
            patches=[{"target": scaler, "patch": json.dumps(large)}],
        ),
    }


def as_yaml(document: dict[str, Any]) -> str:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return yaml.dump(document, Dumper=Plain, sort_keys=False, width=110)


def written() -> dict[Path, str]:
    """Return every file and its text."""
    head = "# Made by services/kubernetes.py\n"
    texts = {
        HERE / "base" / name: head + "".join("---\n" + as_yaml(part) for part in parts)
        for name, parts in files().items()
    }
    listed = kustomization(resources=sorted(files()))
    texts[HERE / "base" / "kustomization.yaml"] = head + as_yaml(listed)
    for name, overlay in overlays().items():
        texts[HERE / "overlays" / name / "kustomization.yaml"] = head + as_yaml(overlay)
    return texts


if __name__ == "__main__":
    assert set(MODULES) == set(MODULE_NAMES)
    for path, text in written().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    sys.stdout.write(f"{len(written())} files\n")
