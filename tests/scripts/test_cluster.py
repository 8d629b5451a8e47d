"""`make cluster` as a plan: what it would run, in order. No cluster is made here; the workflow kubeflow does that."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "scripts"))

import cluster  # noqa: E402


def plan(*arguments: str) -> list[str]:
    command = [sys.executable, "scripts/cluster.py", *arguments, "--dry-run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("maker", ["kind", "k3d"])
def test_the_plan_goes_from_nothing_to_three_runs(maker: str) -> None:
    lines = plan("up", "--maker", maker)
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    expected = [
        rf"{maker} (create )?cluster ",
        r"kubectl .*apply -k '?github.com/kubeflow/pipelines/manifests/kustomize/cluster-scoped\S+\?ref=2\.17\.0",
        r"kubectl .*apply -k '?github.com/kubeflow/pipelines/manifests/kustomize/env/\S+\?ref=2\.17\.0",
        r".*scripts/image\.sh solid:dev",
        r"docker build .*solid-mlflow:",
        r"docker build .*solid-seaweedfs:",
        rf"{maker} .* solid:dev solid-mlflow:\S+ solid-seaweedfs:\S+$",
        r"kubectl .*apply -f k8s/base/services/namespace\.yaml",
        r".*k8s/make_secrets\.py local \| kubectl .*create -f -",
        r"kubectl .*apply -k k8s/overlays/local",
        r"kubectl .*rollout status deployment/mlflow",
        r"kubectl .*rollout status deployment/ml-pipeline ",
        r".*AWS_SECRET_ACCESS_KEY=\.\.\. solid sample --out s3://solid/data/sample",
        r"solid-pipeline compile training --image solid:dev",
        r".*solid-pipeline submit \S*training\.yaml",
        r"solid-pipeline compile retraining",
        r".*solid-pipeline submit \S*retraining\.yaml",
        r".*solid-pipeline submit \S*retraining\.yaml",
    ]
    for pattern in expected:
        while not re.match(pattern, commands.pop(0)):
            assert commands, f"nothing in the plan is {pattern}"
    assert any("http://localhost:8080" in line for line in lines)
    assert any("http://localhost:5000" in line for line in lines)
    for word in re.findall(r"(?:k8s|scripts)/[\w./-]+", "\n".join(lines)):
        assert (ROOT / word).exists(), word


def test_the_plan_is_for_the_versions_that_are_locked_and_deployed() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert f"kfp=={cluster.KFP}\n" in lock
    assert [name.partition(":")[0] for name in cluster.image_names()] == ["solid", "solid-mlflow", "solid-seaweedfs"]


def test_removing_is_one_command() -> None:
    assert plan("down", "--maker", "kind") == ["$ kind delete cluster --name solid"]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SystemExit, match="kind and docker: not installed; make cluster needs docker, and kind or k3d"):
        cluster.need("kind", "docker")
