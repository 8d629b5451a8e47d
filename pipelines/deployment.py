"""How steps run on a cluster: image, requests and limits, retries, timeouts, secrets; all in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from kfp import dsl, kubernetes

# Keys of a secret or config map -> variables that the AWS and MLflow clients read. All may be missing.
S3_SECRET = {"accesskey": "AWS_ACCESS_KEY_ID", "secretkey": "AWS_SECRET_ACCESS_KEY"}
MLFLOW_SECRET = {"username": "MLFLOW_TRACKING_USERNAME", "password": "MLFLOW_TRACKING_PASSWORD"}
CONFIG = ("AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "MLFLOW_TRACKING_URI", "SOLID_TRACKING")


@dataclass(frozen=True)
class Size:
    """What a step asks for (requests), what it may not exceed (limits), and for how long.

    Attributes:
        cpu: cores, requested and limit.
        memory: requested and limit, as Kubernetes writes it.
        hours: after which the step is stopped.
        trains: whether it uses an accelerator where there is one.
    """

    cpu: tuple[str, str]
    memory: tuple[str, str]
    hours: float
    trains: bool = False


SMALL = Size(cpu=("500m", "2"), memory=("1Gi", "4Gi"), hours=1)
LARGE = Size(cpu=("1", "4"), memory=("2Gi", "16Gi"), hours=4)
TRAINING = Size(cpu=("1", "4"), memory=("4Gi", "16Gi"), hours=24, trains=True)
# By stage of the chain; the names are those of dvc.yaml.
SIZES = {
    "ingest": LARGE,
    "prepare": LARGE,
    "features": LARGE,
    "baseline": TRAINING,
    "item": TRAINING,
    "embed": SMALL,
    "assign": LARGE,
    "semantic": TRAINING,
    "solid": TRAINING,
    "evaluate": LARGE,
    "register": LARGE,
    "champion": SMALL,
    "check": LARGE,
}


@dataclass(frozen=True)
class Deployment:
    """Where and how a pipeline is going to run.

    Attributes:
        image: of every step; by digest, so that Kubeflow's cache knows when the code has changed.
        accelerator: resource that training steps ask for one of, such as nvidia.com/gpu; None: CPU.
        retries: of a failed step, the first after ``backoff`` and each later one after twice the time.
        backoff: such as 30s.
        shm: size limit of /dev/shm, in memory, for data loaders.
        scratch: size limit of /tmp, the only other place a step writes to besides its outputs.
        s3_secret: secret with the keys of S3_SECRET.
        mlflow_secret: secret with the keys of MLFLOW_SECRET.
        config: config map with variables of CONFIG.
        sizes: by stage.
    """

    image: str
    accelerator: str | None = None
    retries: int = 2
    backoff: str = "30s"
    shm: str = "1Gi"
    scratch: str = "10Gi"
    s3_secret: str = "solid-s3"  # noqa: S105  a name, no password
    mlflow_secret: str = "solid-mlflow"  # noqa: S105
    config: str = "solid"
    sizes: dict[str, Size] = field(default_factory=lambda: dict(SIZES))

    def place(self, task: dsl.PipelineTask, stage: str, *, cache: bool = True) -> dsl.PipelineTask:
        """Give a task the name of its stage and all that its step needs to run on a cluster.

        Args:
            task: of a component.
            stage: its name in dvc.yaml, shown in the UI, which decides its size.
            cache: whether a run with the same inputs may be taken from the cache.
        """
        size = self.sizes[stage]
        task.set_display_name(stage).set_container_image(self.image).set_caching_options(cache)
        task.set_cpu_request(size.cpu[0]).set_cpu_limit(size.cpu[1])
        task.set_memory_request(size.memory[0]).set_memory_limit(size.memory[1])
        if self.accelerator and size.trains:
            task.set_accelerator_type(self.accelerator).set_accelerator_limit(1)
        task.set_retry(self.retries, backoff_duration=self.backoff, backoff_factor=2, backoff_max_duration="600s")
        kubernetes.set_timeout(task, round(size.hours * 3600))
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=self.shm)  # noqa: S108
        kubernetes.empty_dir_mount(task, "scratch", "/tmp", size_limit=self.scratch)  # noqa: S108
        kubernetes.use_secret_as_env(task, self.s3_secret, S3_SECRET, optional=True)
        kubernetes.use_secret_as_env(task, self.mlflow_secret, MLFLOW_SECRET, optional=True)
        # So that a run of MLflow leads back here; the label is Kubeflow's.
        task.set_env_variable("SOLID_IMAGE", self.image)
        kubernetes.use_field_path_as_env(task, "SOLID_KFP_RUN_ID", "metadata.labels['pipeline/runid']")
        kubernetes.use_config_map_as_env(task, self.config, {name: name for name in CONFIG}, optional=True)
        return task
