"""Deployments: what a file may say, what counts more, and what becomes of it in the compiled pipeline."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_hand import ROOT
from click.testing import CliRunner

from pipelines import cli
from pipelines.deployment import SIZES, Deployment, Size, load_deployment
from solid.errors import SettingsError

DIGEST = "registry.example/solid@sha256:" + "0" * 64
EXAMPLE = ROOT / "docs" / "deployment.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deployment.yaml"


def fault(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        load_deployment(file, image=DIGEST)
    return str(error.value)


def compiled(out: Path, *arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of each step by name: the container, and what Kubernetes is told besides."""
    done = CliRunner().invoke(cli.main, ["compile", "training", "--out", str(out), *arguments])
    assert done.exit_code == 0, done.output
    spec, platform = yaml.safe_load_all(out.read_text(encoding="utf-8"))
    containers = {name: executor["container"] for name, executor in spec["deploymentSpec"]["executors"].items()}
    return containers, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_without_a_file_everything_has_a_default_but_the_image() -> None:
    assert load_deployment(image="solid:dev") == Deployment(image="solid:dev")
    with pytest.raises(SettingsError, match="no image: name it with --image, with SOLID_IMAGE, or as image in a depl"):
        load_deployment()


def test_the_example_names_every_key_and_is_compiled_as_it_says(tmp_path: Path) -> None:
    given = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert set(given) == set(Deployment.model_fields)
    assert set(given["sizes"]["baseline"]) == set(Size.model_fields)
    containers, pods = compiled(tmp_path / "p.yaml", "--deployment", str(EXAMPLE))
    assert {container["image"] for container in containers.values()} == {DIGEST}
    resources = containers["exec-features"]["resources"]
    sizes = {key.removeprefix("resource"): size for key, size in resources.items() if key.startswith("resource")}
    assert sizes == {"CpuRequest": "1", "CpuLimit": "8", "MemoryRequest": "2Gi", "MemoryLimit": "32Gi"}
    accelerated = {name for name, container in containers.items() if "accelerator" in container["resources"]}
    models = ("transitions", "ease", "static", "item", "semantic-auto", "solid-auto")  # a mixture is made on the CPU
    assert accelerated == {f"exec-train-{model}" for model in models}
    batch = {"key": "batch", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}
    gpu = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    for name, pod in pods.items():
        trains = name in accelerated
        hours = 48 if trains else 12 if name == "exec-features" else 1 if name == "exec-embed" else 4
        assert pod["activeDeadlineSeconds"] == str(hours * 3600)
        assert pod["tolerations"] == ([batch, gpu] if trains else [batch])
        arch = {"kubernetes.io/arch": "amd64"}
        assert pod["nodeSelector"] == {"labels": arch | {"pool": "gpu"} if trains else arch}
        assert pod["imagePullPolicy"] == "IfNotPresent"
        assert [secret["secretName"] for secret in pod["imagePullSecret"]] == ["registry"]
        assert [secret["secretName"] for secret in pod["secretAsEnv"]] == ["recommender-s3", "recommender-mlflow"]
        assert [config["configMapName"] for config in pod["configMapAsEnv"]] == ["recommender"]
        assert [mount["sizeLimit"] for mount in pod["emptyDirMounts"]] == ["2Gi", "50Gi"]
        assert [(mount["configMapName"], mount["mountPath"]) for mount in pod["configMapAsVolume"]] == [
            ("company-ca", "/etc/solid/certificates")
        ]
        environment = {variable["name"]: variable["value"] for variable in containers[name]["env"]}
        assert environment.items() >= {
            ("HTTPS_PROXY", "http://proxy.example:3128"),
            ("NO_PROXY", ".svc,.cluster.local"),
            *((v, "/etc/solid/certificates/ca.crt") for v in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")),
        }
        assert pod["podMetadata"] == {
            "labels": {"team": "recommendations", "cost-center": "4711"},
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        }


# What a section of docs/platform.md shows for itself: a test of the container of a step that trains, and of its pod.
PLATFORM: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "A queue of Kueue": lambda _, pod: pod["podMetadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "recommenders",
    "Nodes with GPUs": lambda container, pod: (
        container["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"
        and pod["nodeSelector"] == {"labels": {"pool": "gpu"}}
        and pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    ),
    "A private registry": lambda _, pod: pod["imagePullSecret"][0]["secretName"] == "registry",
    "A proxy, and authorities of one's own": lambda container, pod: (
        {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"} in container["env"]
        and pod["configMapAsVolume"][0]["configMapName"] == "company-ca"
    ),
    "A store and an MLflow of one's own": lambda _, pod: (
        [secret["secretName"] for secret in pod["secretAsEnv"]] == ["team-s3", "team-mlflow"]
        and pod["configMapAsEnv"][0]["configMapName"] == "team"
    ),
    "Users that the cluster assigns": lambda _, pod: "runAsUser" not in pod["securityContext"],
    "Quotas": lambda container, _: container["resources"]["resourceMemoryLimit"] == "8Gi",
}


def platform_examples() -> dict[str, str]:
    """Heading -> the deployment that stands below it."""
    text = (ROOT / "docs" / "platform.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    found = {heading: re.findall(r"```yaml\n(.*?)```", body, re.DOTALL) for heading, body in sections}
    return {heading: example for heading, examples in found.items() for example in examples}


def test_each_need_of_a_platform_has_an_example() -> None:
    assert list(platform_examples()) == list(PLATFORM)


@pytest.mark.parametrize("heading", PLATFORM)
def test_an_example_for_a_platform_is_compiled_as_it_says(file: Path, tmp_path: Path, heading: str) -> None:
    file.write_text(platform_examples()[heading])
    containers, pods = compiled(tmp_path / "p.yaml", "--deployment", str(file), "--image", DIGEST)
    assert PLATFORM[heading](containers["exec-train-static"], pods["exec-train-static"])


def test_the_help_shows_a_file_that_can_be_copied(file: Path) -> None:
    said = CliRunner().invoke(cli.main, ["compile", "--help"]).output
    file.write_text(said.partition("file:\n")[2].partition("docs/deployment.yaml")[0])
    deployment = load_deployment(file)
    assert (deployment.accelerator, deployment.sizes["features"].hours) == ("nvidia.com/gpu", 12)


def test_a_stage_keeps_the_defaults_that_a_file_leaves_out(file: Path) -> None:
    file.write_text("sizes: {solid: {memory_limit: 64Gi}}")
    sizes = load_deployment(file, image=DIGEST).sizes
    assert sizes["solid"] == SIZES["solid"].model_copy(update={"memory_limit": "64Gi"})
    assert sizes | {"solid": SIZES["solid"]} == SIZES


def test_an_option_counts_more_than_its_variable_and_that_more_than_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("image: from-file\naccelerator: amd.com/gpu\n")
    arguments = [str(tmp_path / "p.yaml"), "--allow-tag", "--deployment", str(file)]

    def image_and_accelerator(*more: str) -> tuple[str, str]:
        container = compiled(Path(arguments[0]), *arguments[1:], *more)[0]["exec-train-solid-auto"]
        return container["image"], container["resources"]["accelerator"]["resourceType"]

    monkeypatch.delenv("SOLID_IMAGE", raising=False)
    assert image_and_accelerator() == ("from-file", "amd.com/gpu")
    monkeypatch.setenv("SOLID_IMAGE", "from-variable")
    assert image_and_accelerator() == ("from-variable", "amd.com/gpu")
    given = image_and_accelerator("--image", "from-option", "--accelerator", "nvidia.com/gpu")
    assert given == ("from-option", "nvidia.com/gpu")


def test_steps_never_run_as_root_whoever_chooses_the_user(file: Path, tmp_path: Path) -> None:
    file.write_text("run_as_user: null\nrun_as_group: null\n")
    _, pods = compiled(tmp_path / "p.yaml", "--image", DIGEST, "--deployment", str(file))
    assert {str(pod["securityContext"]) for pod in pods.values()} == {"{'runAsNonRoot': True}"}
    assert fault(file, "run_as_user: 0").endswith("run_as_user: Input should be greater than or equal to 1 (given 0)")


KNOWN = ", ".join(Deployment.model_fields)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("acelerator: nvidia.com/gpu", [f"acelerator: unknown key; known here: {KNOWN}"]),
        ("sizes: {slid: {}}", [f"sizes: unknown stage 'slid'; there are {', '.join(SIZES)}"]),
        (
            "sizes: {solid: {memory: 1Gi}}",
            [f"sizes.solid.memory: unknown key; known here: {', '.join(Size.model_fields)}"],
        ),
        (
            "tolerations: [{operator: Exists}, {name: gpu, key: gpu}]",
            ["tolerations.1.name: unknown key; known here: key, operator, value, effect"],
        ),
        ("sizes: {solid: }", ["sizes.solid: expected a section, with its keys indented below it (given None)"]),
        (
            "sizes: {solid: {memory_request: 32Gi, cpu_limit: 4}}",
            ["sizes.solid: memory_request 32Gi is above memory_limit 16Gi"],
        ),
        ("sizes: {solid: {cpu_limit: 500m}}", ["sizes.solid: cpu_request 1 is above cpu_limit 500m"]),
        ("tolerations: [{value: a}]", ["tolerations.0: give a key, or operator: Exists to put up with every taint"]),
        (
            "tolerations: [{key: a, operator: Exists, value: b}]",
            ["tolerations.0: operator Exists takes any value; leave value out"],
        ),
        *(
            (
                f"variables: {{{name}: {value}}}",
                [f"variables: {name}: a compiled pipeline shows its variables; put secrets into s3_secret"],
            )
            for name, value in (("API_TOKEN", "a"), ("HTTPS_PROXY", "'http://user:canary@proxy'"))
        ),
        (
            "variables: {MLFLOW_TRACKING_URI: a}",
            ["variables: MLFLOW_TRACKING_URI comes from a secret, the config map, or certificates; leave it out here"],
        ),
        (
            "retries: many\nnode_selector: {gpu: true}",
            [
                "node_selector.gpu: Input should be a valid string (given True)",
                "retries: Input should be a valid integer, unable to parse string as an integer (given 'many')",
            ],
        ),
    ],
)
def test_what_does_not_fit_is_named_with_file_and_key(file: Path, text: str, lines: list[str]) -> None:
    assert fault(file, text).splitlines() == [
        f"{file}: the deployment does not fit:", *(f"  {line}" for line in lines)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["shm: 1 GB", "backoff: 30", "labels: {team: a b}", "labels: {/team: a}", "s3_secret: A", "image_pull_secrets: [_]"]
    + [f"sizes: {{solid: {{{key}}}}}" for key in ("memory_limit: 16GB", "cpu_limit: two", "hours: 0")],
)
def test_what_kubernetes_would_refuse_is_refused_here(file: Path, text: str) -> None:
    assert str(file) in fault(file, text)


@pytest.mark.parametrize(
    ("text", "message"), [("- a", "expected keys such as 'accelerator:', found list"), ("a: {", "not valid YAML: ")]
)
def test_a_file_that_is_no_mapping_is_refused(file: Path, text: str, message: str) -> None:
    assert fault(file, text).startswith(f"{file}: {message}")


def test_nothing_is_written_for_a_deployment_that_does_not_fit(file: Path, tmp_path: Path) -> None:
    file.write_text("retry: 3")
    out = tmp_path / "p.yaml"
    done = CliRunner().invoke(
        cli.main, ["compile", "training", "--image", DIGEST, "--out", str(out), "--deployment", str(file)]
    )
    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {file}: the deployment does not fit:\n  retry: unknown key; known here: ")
    assert not out.exists()
