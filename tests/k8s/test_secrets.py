"""k8s/make_secrets.py makes what the manifests refer to, key by key, and shows it to nobody."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml
from manifests import K8S, OVERLAYS, find, render, workloads
from policies import EXTERNAL

GIVEN = {
    "SOLID_AWS_ACCESS_KEY_ID": "solid-key",
    "SOLID_AWS_SECRET_ACCESS_KEY": "solid-secret",
    "MLFLOW_AWS_ACCESS_KEY_ID": "mlflow-key",
    "MLFLOW_AWS_SECRET_ACCESS_KEY": "mlflow-secret",
    "PGUSER": "tracker",
    "PGPASSWORD": "a b%c",
}


def make(overlay: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(K8S / "make_secrets.py"), overlay]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def made(overlay: str) -> dict[tuple[str, str], dict[str, str]]:
    """Contents by namespace and name."""
    items = json.loads(make(overlay, **GIVEN).stdout)["items"]
    return {(item["metadata"]["namespace"], item["metadata"]["name"]): item["stringData"] for item in items}


def referred(overlay: str) -> dict[tuple[str, str], set[str]]:
    """Keys that the manifests name, by namespace and name of the secret; empty where a whole secret is taken."""
    found: dict[tuple[str, str], set[str]] = {}
    for workload in workloads(render(overlay)):
        for container in workload.containers:
            for source in container.get("envFrom", []):
                if "secretRef" in source:
                    found.setdefault((workload.namespace, source["secretRef"]["name"]), set())
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    found.setdefault((workload.namespace, reference["name"]), set()).add(reference["key"])
        for volume in workload.pod.get("volumes", []):
            if "secret" in volume:
                found.setdefault((workload.namespace, volume["secret"]["secretName"]), set())
    providers = yaml.safe_load(find(render(overlay), "ConfigMap", "kfp-launcher")["data"]["providers"])
    reference = providers["s3"]["default"]["credentials"]["secretRef"]
    found["kubeflow", reference["secretName"]] = {reference["accessKeyKey"], reference["secretKeyKey"]}
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_secret_and_key_that_a_manifest_names_is_made(overlay: str) -> None:
    secrets = made(overlay)
    for where, keys in referred(overlay).items():
        assert keys <= set(secrets[where]), where
    # The steps of a pipeline take this one, and no manifest of ours does.
    assert set(secrets) - set(referred(overlay)) == {("kubeflow", "solid-mlflow")}


def test_the_policies_know_the_same_secrets() -> None:
    known = {(namespace, name) for kind, namespace, name in EXTERNAL if kind == "Secret"}
    # That of the server is the operator's to make: docs/serve.md.
    assert known == set(referred("local")) | {("solid", "solid-serve")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_them(overlay: str) -> None:
    for item in json.loads(make(overlay, **GIVEN).stdout)["items"]:
        kubernetes_validate.validate(item, "1.37", strict=True)


def test_the_settings_of_the_server_and_its_passwords_do_not_overlap() -> None:
    """envFrom takes the last of two equal names in silence."""
    settings = find(render("local"), "ConfigMap", "mlflow-settings")["data"]
    names = [*settings]
    for secret in ("mlflow-database", "mlflow-s3", "mlflow-server"):
        names += made("local")["solid", secret]
    assert len(set(names)) == len(names)


def test_local_draws_every_value_anew_and_long_enough() -> None:
    first, second = made("local"), made("local")
    assert first["solid", "mlflow-server"] != second["solid", "mlflow-server"]
    drawn = [
        value
        for data in first.values()
        for name, value in data.items()
        if "PASSWORD" in name.upper() or "SECRET" in name.upper()
    ]
    assert min(map(len, drawn)) >= 32
    assert "solid-key" not in str(first)


def test_the_key_of_the_launcher_opens_the_pipelines_bucket_alone() -> None:
    secrets = made("local")
    users = {
        user["name"]: user for user in json.loads(secrets["solid", "seaweedfs-identities"]["s3.json"])["identities"]
    }
    assert set(users) == {"solid", "mlflow"}
    keys = {
        "accessKey": secrets["kubeflow", "solid-s3"]["accesskey"],
        "secretKey": secrets["kubeflow", "solid-s3"]["secretkey"],
    }
    assert users["solid"]["credentials"] == [keys]
    assert users["solid"]["actions"] == ["Read:solid", "Write:solid", "List:solid", "Tagging:solid"]
    assert users["mlflow"]["credentials"][0]["accessKey"] == secrets["solid", "mlflow-s3"]["AWS_ACCESS_KEY_ID"]


def test_cloud_takes_what_exists_from_the_environment() -> None:
    secrets = made("cloud")
    assert secrets["kubeflow", "solid-s3"] == {"accesskey": "solid-key", "secretkey": "solid-secret"}
    assert secrets["solid", "mlflow-s3"] == {
        "AWS_ACCESS_KEY_ID": "mlflow-key",
        "AWS_SECRET_ACCESS_KEY": "mlflow-secret",
    }
    assert secrets["solid", "mlflow-database"] == {"PGUSER": "tracker", "PGPASSWORD": "a b%c"}
    assert secrets["solid", "solid-mlflow"] == secrets["kubeflow", "solid-mlflow"]


def test_cloud_names_every_variable_that_is_missing() -> None:
    result = make("cloud", **{name: value for name, value in GIVEN.items() if not name.startswith("PG")})
    assert result.returncode == 2
    assert result.stdout == ""
    assert "export PGUSER, PGPASSWORD: " in result.stderr


def test_a_screen_is_shown_no_secret() -> None:
    screen, other_end = pty.openpty()
    command = [sys.executable, str(K8S / "make_secrets.py"), "local"]
    result: Any = subprocess.run(command, stdout=other_end, stderr=subprocess.PIPE, text=True)
    os.close(other_end)
    os.close(screen)
    assert result.returncode == 2
    assert "kubectl create -f -" in result.stderr
