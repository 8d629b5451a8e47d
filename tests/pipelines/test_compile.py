"""Components and pipelines as Kubeflow gets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_hand import ROOT
from click.testing import CliRunner

from components.interface import component
from pipelines import catalogue, cli
from solid.chain import RETRAINING, TRAINING, Chain, Stage

DIGEST = "registry.example/solid@sha256:" + "0" * 64
GOLDEN = Path(__file__).parent / "training.yaml"
STAGES = [(chain, stage) for chain in (TRAINING, RETRAINING) for stage in chain.stages]


def compile_training(out: Path, *arguments: str, name: str = "training") -> str:
    done = CliRunner().invoke(cli.main, ["compile", name, "--out", str(out), *arguments])
    assert done.exit_code == 0, done.output
    return out.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(catalogue.PIPELINES))
def test_the_compiled_pipeline_is_the_golden_copy(name: str, tmp_path: Path) -> None:
    given = ["--image", DIGEST, "--params", str(ROOT / "params.yaml")]
    compiled = compile_training(tmp_path / "compiled.yaml", *given, name=name)
    assert compiled == Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8"), (
        f"the pipeline has changed; if it should have: solid-pipeline compile {name} "
        f"--image {DIGEST} --out tests/pipelines/{name}.yaml"
    )


def test_settings_and_parameters_become_defaults(tmp_path: Path) -> None:
    text = compile_training(
        tmp_path / "p.yaml", "--image", DIGEST, "--set", "training.epochs=3", "--set", "model.backbone=din",
        "--parameter", "modalities=[id,text]", "--parameter", "registering=false",
    )  # fmt: skip
    inputs = next(yaml.safe_load_all(text))["root"]["inputDefinitions"]["parameters"]
    assert inputs["training"]["defaultValue"]["epochs"] == 3
    assert inputs["backbones"]["defaultValue"] == ["din"]
    assert inputs["modalities"]["defaultValue"] == ["id", "text"]
    assert inputs["registering"]["defaultValue"] is False


def test_gitops_resources_name_pipeline_version_and_namespace(tmp_path: Path) -> None:
    text = compile_training(
        tmp_path / "p.yaml", "--image", DIGEST, "--manifests", "--namespace", "kubeflow", "--version-name", "git-abc"
    )
    pipeline, version = yaml.safe_load_all(text)
    assert (pipeline["kind"], pipeline["metadata"]) == ("Pipeline", {"name": "training", "namespace": "kubeflow"})
    assert (version["kind"], version["metadata"]) == ("PipelineVersion", {"name": "git-abc", "namespace": "kubeflow"})
    assert version["spec"]["pipelineName"] == "training"
    assert DIGEST in json.dumps(version["spec"]["pipelineSpec"])


@pytest.mark.parametrize("image", ["registry.example/solid:1.0", "solid@sha256:abc"])
def test_an_image_that_is_not_pinned_is_refused_unless_allowed(tmp_path: Path, image: str) -> None:
    arguments = ["compile", "training", "--out", str(tmp_path / "p.yaml"), "--image", image]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: image {image}: name it by its digest (name@sha256:...)")
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(cli.main, [*arguments, "--allow-tag"]).exit_code == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("epochs=3", "pipeline training has no such parameter; it has apg, backbones, baselines, counting, data, "),
        ("modality=[id]", "pipeline training has no such parameter; did you mean modalities?"),
        ("backbones", "write it as NAME=VALUE, for example backbones=[sasrec]"),
        ("backbones=sasrec", "expected a value of type list"),
        ("backbones=[a", "not valid YAML: line 1, column 3: expected ',' or ']', but got '<stream end>'"),
        ("training={seed: 1, seed: 2}", "the key 'seed' stands twice, first in line 1, column 2"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(tmp_path: Path, given: str, message: str) -> None:
    arguments = ["compile", "training", "--out", str(tmp_path / "p.yaml"), "--image", DIGEST, "--parameter", given]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code != 0
    assert f"Error: --parameter {given}: " in done.output
    assert message in done.output
    assert not list(tmp_path.iterdir())


def test_the_command_line_knows_every_pipeline() -> None:
    assert set(cli.NAMES.choices) == set(catalogue.PIPELINES)


def steps() -> list[dict[str, Any]]:
    """Container and platform settings of each step of the golden copy."""
    spec, platform = yaml.safe_load_all(GOLDEN.read_text(encoding="utf-8"))
    kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors = spec["deploymentSpec"]["executors"]
    assert set(executors) == set(kubernetes)
    return [{**executor["container"], **kubernetes[name]} for name, executor in executors.items()]


def test_every_step_has_image_limits_deadline_scratch_and_credentials_by_reference() -> None:
    assert len(steps()) == 11
    for step in steps():
        assert step["image"] == DIGEST
        for limit in ("cpuRequest", "cpuLimit", "memoryRequest", "memoryLimit"):
            assert step["resources"][f"resource{limit[0].upper()}{limit[1:]}"]
        assert int(step["activeDeadlineSeconds"]) >= 3600
        assert [mount["mountPath"] for mount in step["emptyDirMounts"]] == ["/dev/shm", "/tmp"]
        assert {secret["secretName"] for secret in step["secretAsEnv"]} == {"solid-s3", "solid-mlflow"}
        assert step["env"] == [{"name": "SOLID_IMAGE", "value": DIGEST}]


def test_retries_wait_longer_each_time() -> None:
    spec = next(yaml.safe_load_all(GOLDEN.read_text(encoding="utf-8")))
    graphs = [spec["root"]["dag"], *(part["dag"] for part in spec["components"].values() if "dag" in part)]
    tasks = [task for graph in graphs for task in graph["tasks"].values()]
    policies = [task["retryPolicy"] for task in tasks if "retryPolicy" in task]
    assert len(policies) == 11
    for policy in policies:
        assert policy["maxRetryCount"] == 2
        assert (policy["backoffDuration"], policy["backoffFactor"]) == ("30s", 2.0)


def test_an_accelerator_goes_to_the_training_steps_alone(tmp_path: Path) -> None:
    text = compile_training(tmp_path / "p.yaml", "--image", DIGEST, "--accelerator", "nvidia.com/gpu")
    executors = next(yaml.safe_load_all(text))["deploymentSpec"]["executors"]
    wanted = {
        name: executor["container"]["resources"]["accelerator"]
        for name, executor in executors.items()
        if "accelerator" in executor["container"]["resources"]
    }
    assert set(wanted) == {f"exec-train-{model}" for model in ("baseline", "item", "semantic", "solid")}
    assert all(asked["resourceType"] == "nvidia.com/gpu" for asked in wanted.values())


@pytest.mark.parametrize(("chain", "stage"), STAGES, ids=[f"{chain.name}-{stage.name}" for chain, stage in STAGES])
def test_a_component_explains_itself_and_every_input_and_output(chain: Chain, stage: Stage) -> None:
    spec = component(chain, stage).component_spec
    assert spec.description.strip()
    for put in [*(spec.inputs or {}).values(), *(spec.outputs or {}).values()]:
        assert put.description, put
    container = spec.implementation.container
    assert container.command[0] == "solid"
    assert "{{$}}" in [str(part) for part in container.args]


def test_components_import_nothing_that_computes() -> None:
    code = "import sys, components.interface; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {"torch", "pandas", "sklearn", "mlflow"}.isdisjoint(done.stdout.split())


def test_retraining_calls_the_steps_of_the_chain_as_training_does() -> None:
    goldens = [GOLDEN, GOLDEN.with_name("retraining.yaml")]
    training, retraining = (
        next(yaml.safe_load_all(golden.read_text(encoding="utf-8")))["deploymentSpec"]["executors"]
        for golden in goldens
    )
    chain = ["ingest", "prepare", "features", "train-item", "embed", "assign", "train-semantic", "train-solid"]
    shared = {f"exec-{name}" for name in chain}
    assert training.keys() & retraining.keys() == shared | {"exec-evaluate", "exec-register"}
    for name in shared:
        assert training[name] == retraining[name]
