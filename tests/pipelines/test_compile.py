"""Components and pipelines as Kubeflow gets them."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_hand import ROOT
from click.testing import CliRunner

from components.interface import component
from components.unrolled import Turn, Unrolled
from pipelines import catalogue, cli
from solid.chain import RETRAINING, TRAINING
from solid.kinds import BACKBONES
from solid.settings.schema import Settings

DIGEST = "registry.example/solid@sha256:" + "0" * 64
GOLDEN = Path(__file__).parent / "training.yaml"
TURNS = [
    (unrolled, turn)
    for unrolled in (Unrolled.of(chain, Settings()) for chain in (TRAINING, RETRAINING))
    for stage in unrolled.chain.stages
    for turn in unrolled.turns(stage)
]
MODELS = ["transitions", "ease", "static", "item", "semantic-auto", "solid-auto", "mixture"]  # for the default lists


def compile_training(out: Path, *arguments: str, name: str = "training") -> str:
    done = CliRunner().invoke(cli.main, ["compile", name, "--out", str(out), *arguments])
    assert done.exit_code == 0, done.output
    return out.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["retraining", "training"])  # backbones has the steps of training, again and again
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
        "--parameter", "generator=apg", "--parameter", "registering=false",
    )  # fmt: skip
    inputs = next(yaml.safe_load_all(text))["root"]["inputDefinitions"]["parameters"]
    assert inputs["training"]["defaultValue"]["epochs"] == 3
    assert inputs["backbone"]["defaultValue"] == "din"
    assert inputs["generator"]["defaultValue"] == "apg"
    assert inputs["registering"]["defaultValue"] is False


LISTS = ["--set", "semantics.modalities=[id,text_image]", "--set", "evaluation.baselines=[static,ease]"]
FIRST = {name: name for name in ("ingest", "prepare", "features")}
# Task -> what people call it, for the lists above.
CHAIN = {
    "train-item": "train item model",
    "embed": "embed",
    "assign-id": "assign id",
    "assign-text-image": "assign text_image",
    "train-semantic-id": "train semantic model id",
    "train-semantic-text-image": "train semantic model text_image",
    "train-solid-id": "train SOLID id",
    "train-solid-text-image": "train SOLID text_image",
    "train-mixture": "train mixture",
    "evaluate": "evaluate",
    "register": "register",
}
BASELINES = {"train-static": "train static", "train-ease": "train ease"}
IN_ONE_LAYER = {
    "training": FIRST | CHAIN | BASELINES,
    "retraining": FIRST | CHAIN | BASELINES | {"champion": "champion", "check": "check"},
}


def names(graph: dict[str, Any]) -> dict[str, str]:
    return {task: about["taskInfo"]["name"] for task, about in graph["dag"]["tasks"].items()}


def has_control_flow(spec: dict[str, Any]) -> bool:
    """Whether a task of any layer is a loop or a condition, each of which costs a pod and a layer."""
    graphs = [spec["root"], *(part for part in spec["components"].values() if "dag" in part)]
    tasks = [task for graph in graphs for task in graph["dag"]["tasks"].values()]
    return any({"parameterIterator", "artifactIterator", "triggerPolicy"} & set(task) for task in tasks)


@pytest.mark.parametrize("name", IN_ONE_LAYER)
def test_the_root_shows_every_step_by_its_name_and_nothing_else(name: str, tmp_path: Path) -> None:
    spec = next(yaml.safe_load_all(compile_training(tmp_path / "p.yaml", "--image", DIGEST, *LISTS, name=name)))
    assert names(spec["root"]) == IN_ONE_LAYER[name]
    assert len(set(IN_ONE_LAYER[name].values())) == len(IN_ONE_LAYER[name])
    assert not [
        part for part in spec["components"].values() if "dag" in part
    ]  # so a driver a step, and one of the root
    assert not has_control_flow(spec)


def test_a_step_that_reads_models_of_many_has_an_input_for_each(tmp_path: Path) -> None:
    spec = next(yaml.safe_load_all(compile_training(tmp_path / "p.yaml", "--image", DIGEST, *LISTS)))
    models = {
        "static": ("static_model", "train-static"),
        "ease": ("ease_model", "train-ease"),
        "{{$.inputs.parameters['generator']}}": ("item_model", "train-item"),
        "SOLID id": ("solid_id_model", "train-solid-id"),
        "SOLID text_image": ("solid_text_image_model", "train-solid-text-image"),
    }
    mixed = {"mixture": ("mixture_model", "train-mixture")}  # of the others, and one of those that are compared
    for step, option, read in [
        ("train-mixture", "--part", models),
        ("evaluate", "--model", models | mixed),
        ("register", "--model", models | mixed),
    ]:
        inputs = spec["root"]["dag"]["tasks"][step]["inputs"]["artifacts"]
        for port, maker in read.values():
            assert inputs[port] == {"taskOutputArtifact": {"outputArtifactKey": port, "producerTask": maker}}
        args = spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]["args"]
        given = [text for flag, text in pairwise(args) if flag == option]
        assert given == [f"{name}={{{{$.inputs.artifacts['{port}'].path}}}}" for name, (port, _) in read.items()]
        assert 'semantics.modalities=["id", "text_image"]' in args


def test_backbones_are_compared_in_a_layer_each_one_after_another(tmp_path: Path) -> None:
    chosen = ["--backbone", "gru4rec", "--backbone", "sasrec"]
    text = compile_training(tmp_path / "p.yaml", "--image", DIGEST, *LISTS, *chosen, name="backbones")
    spec = next(yaml.safe_load_all(text))
    assert names(spec["root"]) == FIRST | {"gru4rec": "gru4rec", "sasrec": "sasrec"}
    assert {key for key, part in spec["components"].items() if "dag" in part} == {"comp-gru4rec", "comp-sasrec"}
    assert not has_control_flow(spec)
    tasks = spec["root"]["dag"]["tasks"]
    assert tasks["gru4rec"]["dependentTasks"] == ["features", "prepare"]
    assert tasks["sasrec"]["dependentTasks"] == ["features", "gru4rec", "prepare"]  # registrations know of each other
    assert "backbone" not in spec["root"]["inputDefinitions"]["parameters"]
    for backbone in ("gru4rec", "sasrec"):
        # Kubeflow's pages and kfp.local know artifacts by task and name, whatever their layer.
        assert names(spec["components"][f"comp-{backbone}"]) == {
            f"{task}-{backbone}": name for task, name in (CHAIN | BASELINES).items()
        }
        trained = spec["components"][f"comp-{backbone}"]["dag"]["tasks"][f"train-item-{backbone}"]
        assert trained["inputs"]["parameters"]["backbone"] == {"runtimeValue": {"constant": backbone}}


def test_each_backbone_gets_the_steps_of_training(tmp_path: Path) -> None:
    given = ["--image", DIGEST, "--params", str(ROOT / "params.yaml")]
    text = compile_training(tmp_path / "p.yaml", *given, name="backbones")
    training, backbones = (
        next(yaml.safe_load_all(compiled))["deploymentSpec"]["executors"]
        for compiled in (GOLDEN.read_text(encoding="utf-8"), text)
    )
    shared = {f"exec-{name}" for name in FIRST}
    again = {f"{name}-{backbone}": name for name in training.keys() - shared for backbone in BACKBONES}
    assert {name: again.get(name, name) for name in backbones} == again | {name: name for name in shared}
    for name, executor in backbones.items():
        assert executor == training[again.get(name, name)]


def test_all_backbones_are_compared_unless_some_are_named(tmp_path: Path) -> None:
    spec = next(yaml.safe_load_all(compile_training(tmp_path / "p.yaml", "--image", DIGEST, name="backbones")))
    assert set(names(spec["root"])) == {*FIRST, *BACKBONES}
    done = CliRunner().invoke(cli.main, ["compile", "training", "--image", DIGEST, "--backbone", "din"])
    assert done.exit_code == 2
    assert "--backbone is of pipeline backbones; that of training is --set model.backbone=..." in done.output


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
    assert done.exit_code == 2
    assert done.output.startswith(f"Error: image {image}: name it by its digest (name@sha256:...)")
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(cli.main, [*arguments, "--allow-tag"]).exit_code == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("epochs=3", "pipeline training has no such parameter; it has apg, backbone, counting, data, data_version, "),
        ("backbones=[sasrec]", "pipeline training has no such parameter; did you mean backbone?"),
        ("backbone", "write it as NAME=VALUE, for example backbone=sasrec"),
        ("registering=1", "expected a value of type boolean"),
        ("registering=[a", "not valid YAML: line 1, column 3: expected ',' or ']', but got '<stream end>'"),
        ("modalities=[id]", "compile (or run) it with --set 'semantics.modalities=[...]'"),
        ("baselines=[ease]", "compile (or run) it with --set 'evaluation.baselines=[...]'"),
        (
            "semantics={modalities: [id]}",
            "a pipeline is compiled with a step for each of semantics.modalities, which no",
        ),
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


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("training", ["training={seed: x}"], "training.seed: Input should be a valid integer"),
        ("training", ["training={seeds: 1}"], "training.seeds: unknown key"),
        ("training", ["backbone=rnn"], "model.backbone: Input should be 'sasrec', "),
        (
            "training",
            ["registry={metric: full_ndcg_3}"],
            "registry.metric full_ndcg_3 needs 3 among evaluation.cutoffs",
        ),
        ("training", ["registry={metric: full_ndcg_3}", "evaluation={cutoffs: [3]}"], ""),
        ("retraining", ["changes={training: {seed: x}}"], "training.seed: Input should be a valid integer"),
    ],
)
def test_what_a_step_would_refuse_is_refused_at_once(tmp_path: Path, name: str, given: list[str], message: str) -> None:
    pairs = [text for pair in given for text in ("--parameter", pair)]
    arguments = ["compile", name, "--out", str(tmp_path / "p.yaml"), "--image", DIGEST, *pairs]
    done = CliRunner().invoke(cli.main, arguments)
    assert (done.exit_code != 0) == bool(message)
    assert message in done.output
    assert bool(list(tmp_path.iterdir())) != bool(message)


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
    assert len(steps()) == 14
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
    assert len(policies) == 14
    for policy in policies:
        assert policy["maxRetryCount"] == 2
        assert (policy["backoffDuration"], policy["backoffFactor"]) == ("30s", 2.0)


def test_an_accelerator_goes_to_the_training_steps_alone_but_not_to_the_mixture(tmp_path: Path) -> None:
    text = compile_training(tmp_path / "p.yaml", "--image", DIGEST, "--accelerator", "nvidia.com/gpu")
    executors = next(yaml.safe_load_all(text))["deploymentSpec"]["executors"]
    wanted = {
        name: executor["container"]["resources"]["accelerator"]
        for name, executor in executors.items()
        if "accelerator" in executor["container"]["resources"]
    }
    assert set(wanted) == {f"exec-train-{model}" for model in MODELS} - {"exec-train-mixture"}
    assert all(asked["resourceType"] == "nvidia.com/gpu" for asked in wanted.values())


@pytest.mark.parametrize(
    ("unrolled", "turn"), TURNS, ids=[f"{unrolled.chain.name}-{unrolled.component(turn)}" for unrolled, turn in TURNS]
)
def test_a_component_explains_itself_and_every_input_and_output(unrolled: Unrolled, turn: Turn) -> None:
    spec = component(unrolled, turn).component_spec
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
    chain = [*FIRST, "embed", "assign-auto", *(f"train-{model}" for model in MODELS), "evaluate"]
    shared = {f"exec-{name}" for name in chain}
    assert training.keys() == shared | {"exec-register"}
    assert retraining.keys() == training.keys() | {"exec-champion", "exec-check"}
    for name in shared:  # register is told of the checks besides
        assert training[name] == retraining[name]
