"""What the kubelet would give the containers of the local overlay: their command, settings and secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from manifests import K8S, Manifest, find, render

Secrets = dict[tuple[str, str], dict[str, str]]
PLUGIN = K8S / "mlflow" / "plugin"


def make_secrets() -> Secrets:
    """Secrets of the local overlay by namespace and name."""
    printed = subprocess.run([sys.executable, str(K8S / "make_secrets.py"), "local"], check=True, capture_output=True)
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["stringData"]
        for item in json.loads(printed.stdout)["items"]
    }


def container(kind: str, name: str) -> dict[str, Any]:
    return find(render("local"), kind, name)["spec"]["template"]["spec"]["containers"][0]


def environment(of: dict[str, Any], secrets: Secrets) -> dict[str, str]:
    """What the kubelet would give a container of the namespace "solid"."""
    manifests: list[Manifest] = render("local")
    given: dict[str, str] = {}
    for source in of.get("envFrom", []):
        if "configMapRef" in source:
            name = source["configMapRef"]["name"].rpartition("-")[0]
            given |= find(manifests, "ConfigMap", name)["data"]
        else:
            given |= secrets["solid", source["secretRef"]["name"]]
    for variable in of.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        given[variable["name"]] = (
            secrets["solid", reference["name"]][reference["key"]] if reference else variable["value"]
        )
    return given
