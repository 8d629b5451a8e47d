"""How steps run on a cluster, as settings: image, requests and limits, retries, placement, secrets, security."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from kfp import dsl, kubernetes
from kubernetes.utils import parse_quantity
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from solid.chain import RETRAINING, TRAINING
from solid.errors import SettingsError
from solid.kinds import HEADS
from solid.settings.fields import Section
from solid.settings.loading import faults
from solid.settings.strict_yaml import read_mapping
from solid.steps import TRAIN

# Keys of a secret or config map -> variables that the AWS and MLflow clients read. All may be missing.
S3_SECRET = {"accesskey": "AWS_ACCESS_KEY_ID", "secretkey": "AWS_SECRET_ACCESS_KEY"}
MLFLOW_SECRET = {"username": "MLFLOW_TRACKING_USERNAME", "password": "MLFLOW_TRACKING_PASSWORD"}
CONFIG = ("AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "MLFLOW_TRACKING_URI", "SOLID_TRACKING")

# What Kubernetes takes for these, said here because it would say no only when a pod is made.
_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
Cores = Annotated[str, Field(pattern=r"^[0-9]*\.?[0-9]+m?$")]
Bytes = Annotated[str, Field(pattern=r"^[0-9]+([EPTGM]i?|Ki)?$")]
Resource = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Key = Annotated[str, Field(pattern=rf"^([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}$")]
Value = Annotated[str, Field(pattern=rf"^({_NAME})?$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

# Where a step finds the authorities of a deployment, and the variables by which its libraries look for them.
_CERTIFICATES, _AUTHORITIES = "/etc/solid/certificates", "ca.crt"
_TRUST = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_SECRET = re.compile(r"KEY|PASS|SECRET|TOKEN|CREDENTIAL", re.IGNORECASE)
_CREDENTIALS = re.compile(r"://[^/@]*@")


class Toleration(Section):
    """A taint of nodes that pods put up with; keys as in Kubernetes."""

    key: Key | None = Field(None, description="of the taint; none: any, with operator Exists")
    operator: Literal["Equal", "Exists"] = "Equal"
    value: Value | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(None, description="none: any")

    @model_validator(mode="after")
    def _as_kubernetes_takes_it(self) -> Self:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes any value; leave value out")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("give a key, or operator: Exists to put up with every taint")
        return self


class Placement(Section):
    """Which nodes pods may go to."""

    node_selector: dict[Key, Value] = Field({}, description="labels that a node must have")
    tolerations: tuple[Toleration, ...] = Field((), description="taints of nodes that do not keep pods away")

    def put(self, task: dsl.PipelineTask) -> None:
        """Send a task's pod to these nodes; a second placement adds to the first."""
        for key, value in self.node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        for toleration in self.tolerations:
            kubernetes.add_toleration(task, **toleration.model_dump())


class Size(Placement):
    """What a step asks for (requests), what it may not exceed (limits), for how long, and on which nodes."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # cpu_limit: 2

    cpu_request: Cores = Field(description="cores, such as 500m or 2")
    cpu_limit: Cores
    memory_request: Bytes = Field(description="such as 16Gi")
    memory_limit: Bytes
    hours: float = Field(gt=0, description="after which the step is stopped")
    accelerated: bool = Field(False, description="whether it gets one accelerator, where the deployment has any")

    @model_validator(mode="after")
    def _limits_are_not_below_requests(self) -> Self:
        for of in ("cpu", "memory"):
            request, limit = getattr(self, f"{of}_request"), getattr(self, f"{of}_limit")
            if parse_quantity(request) > parse_quantity(limit):
                raise ValueError(f"{of}_request {request} is above {of}_limit {limit}")
        return self


SMALL = Size(cpu_request="500m", cpu_limit="2", memory_request="1Gi", memory_limit="4Gi", hours=1)
LARGE = Size(cpu_request="1", cpu_limit="4", memory_request="2Gi", memory_limit="16Gi", hours=4)
HEAVY = Size(cpu_request="1", cpu_limit="4", memory_request="4Gi", memory_limit="16Gi", hours=24, accelerated=True)
_SMALL = {"embed", "champion"}
_MIXES = {name for name, kind in HEADS.items() if kind.by == "mixing"}
# What is trained in epochs, or may be; a mixture judges, on the CPU.
_HEAVY = {stage.name for stage in TRAINING.stages if stage.step is TRAIN and stage.options["head"] not in _MIXES}
# By stage of the chain; the names are those of dvc.yaml.
SIZES = {
    stage.name: HEAVY if stage.name in _HEAVY else SMALL if stage.name in _SMALL else LARGE
    for stage in (*TRAINING.stages, *RETRAINING.stages)
}


class Deployment(Placement):
    """Where and how a pipeline is going to run."""

    image: str = Field(
        min_length=1, description="of every step; by digest, so that Kubeflow's cache knows when the code has changed"
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="none: as Kubernetes decides"
    )
    image_pull_secrets: tuple[Resource, ...] = Field((), description="secrets for the registry of the image")
    accelerator: Key | None = Field(None, description="resource, such as nvidia.com/gpu; none: training on CPU")
    retries: int = Field(2, ge=0, description="of a step whose pod vanished, each later one after twice the time")
    backoff: str = Field("30s", pattern=r"^[0-9]+[smh]$", description="time before the first retry")
    shm: Bytes = Field("1Gi", description="size limit of /dev/shm, in memory, for data loaders")
    scratch: Bytes = Field(
        "10Gi", description="size limit of /tmp, the only other place a step writes to besides its outputs"
    )
    s3_secret: Resource = Field("solid-s3", description="secret with the keys of S3_SECRET")
    mlflow_secret: Resource = Field("solid-mlflow", description="secret with the keys of MLFLOW_SECRET")
    config: Resource = Field("solid", description="config map with variables of CONFIG")
    variables: dict[Variable, str] = Field(
        {}, description="environment of every step, such as HTTPS_PROXY; all can read them, so no secrets"
    )
    certificates: Resource | None = Field(
        None, description="config map whose key ca.crt holds all authorities to trust; none: those of the image"
    )
    run_as_user: int | None = Field(10001, ge=1, description="never root; none: the image's, or as the cluster assigns")
    run_as_group: int | None = Field(10001, ge=1, description="likewise")
    labels: dict[Key, Value] = Field({}, description="of every pod")
    annotations: dict[Key, str] = Field({}, description="of every pod")
    sizes: dict[str, Size] = Field(SIZES, description="by stage; what is left out keeps the stage's default")

    @field_validator("variables")
    @classmethod
    def _says_no_secret_and_nothing_twice(cls, given: dict[str, str]) -> dict[str, str]:
        ours = {*S3_SECRET.values(), *MLFLOW_SECRET.values(), *CONFIG, *_TRUST, "SOLID_IMAGE", "SOLID_KFP_RUN_ID"}
        for name, value in given.items():
            if _SECRET.search(name) or _CREDENTIALS.search(value):  # the value itself is not repeated
                raise ValueError(f"{name}: a compiled pipeline shows its variables; put secrets into s3_secret")
            if name in ours:
                raise ValueError(f"{name} comes from a secret, the config map, or certificates; leave it out here")
        return given

    @field_validator("sizes", mode="before")
    @classmethod
    def _over_the_defaults(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        sizes: dict[str, object] = dict(SIZES)
        for stage, keys in given.items():
            if stage not in SIZES:
                raise ValueError(f"unknown stage {stage!r}; there are {', '.join(SIZES)}")
            sizes[stage] = SIZES[stage].model_dump() | keys if isinstance(keys, dict) else keys
        return sizes

    def place(self, task: dsl.PipelineTask, stage: str, title: str, *, cache: bool = True) -> dsl.PipelineTask:
        """Give a task a name for people and all that its step needs to run on a cluster.

        Args:
            task: of a component.
            stage: its name in dvc.yaml, which decides its size.
            title: shown in the UI.
            cache: whether a run with the same inputs may be taken from the cache.
        """
        size = self.sizes[stage]
        task.set_display_name(title).set_container_image(self.image).set_caching_options(cache)
        task.set_cpu_request(size.cpu_request).set_cpu_limit(size.cpu_limit)
        task.set_memory_request(size.memory_request).set_memory_limit(size.memory_limit)
        if self.accelerator and size.accelerated:
            task.set_accelerator_type(self.accelerator).set_accelerator_limit(1)
        task.set_retry(self.retries, backoff_duration=self.backoff, backoff_factor=2, backoff_max_duration="600s")
        kubernetes.set_timeout(task, round(size.hours * 3600))
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=self.shm)  # noqa: S108
        kubernetes.empty_dir_mount(task, "scratch", "/tmp", size_limit=self.scratch)  # noqa: S108
        kubernetes.use_secret_as_env(task, self.s3_secret, S3_SECRET, optional=True)
        kubernetes.use_secret_as_env(task, self.mlflow_secret, MLFLOW_SECRET, optional=True)
        # So that a run of MLflow leads back here; the label is Kubeflow's.
        task.set_env_variable("SOLID_IMAGE", self.image)
        for name, value in self.variables.items():
            task.set_env_variable(name, value)
        if self.certificates:
            kubernetes.use_config_map_as_volume(task, self.certificates, _CERTIFICATES)
            for name in _TRUST:
                task.set_env_variable(name, f"{_CERTIFICATES}/{_AUTHORITIES}")
        kubernetes.use_field_path_as_env(task, "SOLID_KFP_RUN_ID", "metadata.labels['pipeline/runid']")
        kubernetes.use_config_map_as_env(task, self.config, {name: name for name in CONFIG}, optional=True)
        # Kubeflow itself adds what has no setting: no privilege escalation, no capabilities, RuntimeDefault seccomp.
        kubernetes.set_security_context(task, self.run_as_user, self.run_as_group, run_as_non_root=True)
        if self.image_pull_policy:
            kubernetes.set_image_pull_policy(task, self.image_pull_policy)
        if self.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(self.image_pull_secrets))
        for placement in (self, size):
            placement.put(task)
        for key, value in self.labels.items():
            kubernetes.add_pod_label(task, key, value)
        for key, value in self.annotations.items():
            kubernetes.add_pod_annotation(task, key, value)
        return task


def load_deployment(path: Path | None = None, **given: str | None) -> Deployment:
    """Read a deployment from a YAML file, whose keys are those of ``Deployment``.

    Args:
        path: the file; None: the defaults.
        given: fields that count more than the file, where they are not None.

    Raises:
        SettingsError: the file is not YAML, a key or value does not fit (every fault is named), or nothing says which
            image.
    """
    values: dict[str, Any] = read_mapping(path, "keys such as 'accelerator:'") if path else {}
    values |= {name: value for name, value in given.items() if value is not None}
    if "image" not in values:
        raise SettingsError("no image: name it with --image, with SOLID_IMAGE, or as image in a deployment file")
    try:
        return Deployment.model_validate(values)
    except ValidationError as error:
        place = f"{path}: " if path else ""
        raise SettingsError(
            f"{place}the deployment does not fit:" + "".join(f"\n  {fault}" for fault in faults(error, Deployment))
        ) from None
