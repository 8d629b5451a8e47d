"""Run a pipeline on this machine with ``kfp.local``, in containers or as plain processes.

``kfp.local`` 2.17 lets some failures pass for success and runs no container component without an engine. What cannot be
had otherwise is put right here, and here alone; kfp is pinned, and each repair has a test:

* A container that ends before its log is read counts as a success whatever its exit status (kubeflow/pipelines#13332).
* An output that a step did not write is no error.
* Container components are refused as processes.
* Log lines of tasks that run at the same time are mixed beyond recognition; here each line names its task.
* A gate on a named output of a task never opens. That is refused before anything runs; a gate in a nested pipeline,
  which takes the value as its input, works here and on a cluster.
* Artifacts lie in local folders alone; here they may lie in S3, each task being given addresses.
* Retries wait for minutes, as on a cluster; here a failure is final, for it will fail again.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import docker
from docker.errors import DockerException, ImageNotFound
from kfp import local
from kfp.dsl.graph_component import GraphComponent
from kfp.local import docker_task_handler, executor_input_utils, executor_output_utils, subprocess_task_handler
from kfp.local.status import Status

from solid.errors import FailedError, SolidError
from solid.storage.outputs import is_written
from solid.storage.s3 import Prefix

# What a step may want to know of its surroundings: servers, credentials, tracking. Values are not printed.
_PASSED_ON = ("AWS_", "MLFLOW_", "SOLID_")
# Files of this machine, and what the image knows better.
_KEPT_BACK = {"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "SOLID_CACHE", "SOLID_GIT_SHA"}


def run(
    pipeline: GraphComponent, arguments: dict[str, Any], root: Path, *,
    containers: bool, source: str | None = None, store: str | None = None,
) -> Path:  # fmt: skip
    """Run a pipeline to its end and return the folder of its outputs, one folder a task.

    Args:
        pipeline: built for a deployment, whose image is used.
        arguments: of the pipeline.
        root: folder under which the run gets one of its own.
        containers: run each task in a container of its image; else as a process of this Python.
        source: a folder of this machine that containers may read.
        store: address in S3 under which all artifacts go, below a prefix of the run's own. What the steps say to
            Kubeflow, and parameters, stay in the folder. None: everything goes into the folder.

    Raises:
        SolidError: a task failed, an output is missing, a gate could never open, or there is no engine or image.
    """
    for component in _graphs(pipeline):
        _prepare(component)
    runner: Any = _docker_runner(source) if containers else local.SubprocessRunner(use_venv=False)
    if containers:
        _find_image(pipeline)
    folder = root.resolve() / f"{pipeline.name}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    address = f"{store.rstrip('/')}/{folder.name}" if store else None
    if address:
        Prefix(address).objects()  # what is wrong with the store is known before anything runs
    folder.mkdir(parents=True)
    with (
        _repaired(folder, address),
        warnings.catch_warnings(),
        Path(os.devnull).open("w") as void,
        redirect_stdout(void),
    ):
        warnings.filterwarnings("ignore", message=".*have no effect in the current local runner")
        local.init(runner, pipeline_root=str(folder.parent), raise_on_error=True)
        try:
            pipeline(**arguments)
        except (RuntimeError, ValueError) as error:
            raise FailedError(f"{click.unstyle(str(error))}\nWhat the failed step said stands above.") from None
    return folder


def _graphs(pipeline: GraphComponent) -> Iterator[Any]:
    """The pipeline's own graph and those nested in it."""
    spec = pipeline.pipeline_spec
    for component in (spec.root, *spec.components.values()):
        if component.WhichOneof("implementation") == "dag":
            yield component.dag


def _prepare(graph: Any) -> None:
    """Take retries out of a graph and refuse gates that kfp.local would leave closed."""
    for name, task in graph.tasks.items():
        task.ClearField("retry_policy")
        for parameter, source in task.inputs.parameters.items():
            if parameter in task.trigger_policy.condition and source.HasField("task_output_parameter"):
                raise SolidError(
                    f"gate {name}: kfp.local cannot read the output of a task in a condition; put the gate into a "
                    "nested pipeline that takes the value as its input"
                )


def _docker_runner(source: str | None) -> Any:
    """Containers as on a cluster: no privileges, a read-only root, /tmp and the run's folder to write to."""
    mounts = [docker.types.Mount(source, source, type="bind", read_only=True)] if source else []
    return local.DockerRunner(
        user=f"{os.getuid()}:{os.getgid()}",
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        shm_size="1g",
        network_mode="host",  # servers of this machine: object store, MLflow
        environment={
            name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON) and name not in _KEPT_BACK
        }
        | {"SOLID_CACHE": "/tmp/solid"},  # noqa: S108  that of this machine is no place of the container's
        mounts=mounts,
    )


def _find_image(pipeline: GraphComponent) -> None:
    """Make sure that the engine runs and has the image of every task."""
    executors = pipeline.pipeline_spec.deployment_spec["executors"]
    images = {executor["container"]["image"] for executor in executors.values()}
    try:
        client = docker.from_env()
    except DockerException as error:
        raise SolidError(f"no container engine ({error}); start one, or run with --runner processes") from None
    try:
        for image in sorted(images):
            client.images.get(image)
    except ImageNotFound:
        raise SolidError(f"the engine has no image {image}; build it with make image, or pull it") from None
    finally:
        client.close()


@contextmanager
def _repaired(folder: Path, address: str | None) -> Iterator[None]:
    """kfp.local with the faults that this module names put right, outputs in a folder, artifacts at an address."""
    original_artifact = executor_input_utils.artifact_type_schema_to_artifact_list

    def artifact(*, task_root: str, **of: Any) -> Any:
        return original_artifact(task_root=task_root.replace(str(folder), address or str(folder), 1), **of)

    repairs: list[tuple[Any, str, Any]] = [
        (docker_task_handler, "run_docker_container", _run_container),
        (subprocess_task_handler, "SubprocessTaskHandler", _Process),
        (executor_input_utils, "get_local_pipeline_resource_name", lambda _: folder.name),
        (executor_input_utils, "artifact_type_schema_to_artifact_list", artifact),
        (executor_output_utils, "get_outputs_for_task", _outputs),
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in repairs]
    for module, name, repair in repairs:
        setattr(module, name, repair)
    logging.disable(logging.WARNING)  # kfp's own report of progress, which tasks that run at once garble
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for module, name, original in originals:
            setattr(module, name, original)


class _Process:
    """Runs the command of a container component as a process: ``solid`` is that of this Python."""

    def __init__(
        self,
        image: str,
        full_command: list[str],
        pipeline_root: str,
        runner: Any,
        env_vars: dict[str, str] | None = None,
    ) -> None:
        program, *rest = full_command
        self._command = [sys.executable, "-m", "solid.cli", *rest] if program == "solid" else full_command
        self._environment = {**os.environ, **(env_vars or {})}

    def run(self) -> Status:
        with subprocess.Popen(  # noqa: S603
            self._command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            _echo(process.stdout, self._command)
        return Status.SUCCESS if process.returncode == 0 else Status.FAILURE


def _run_container(client: Any, image: str, command: list[str], volumes: dict[str, Any], **options: Any) -> int:
    """Run a container and return its exit status, known for certain because the container stays until it is read."""
    program, *rest = command
    container = client.containers.run(image, rest, entrypoint=[program], detach=True, volumes=volumes, **options)
    try:
        _echo(_lines(container.logs(stream=True, follow=True)), command)
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines of a log that comes in pieces."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _echo(lines: Iterable[bytes], command: list[str]) -> None:
    """Pass the log of a task on, line by line, under the task's name."""
    place = _place(command)
    for line in lines:
        sys.stderr.write(f"{place} | {line.decode(errors='replace').rstrip()}\n")


def _place(command: list[str]) -> str:
    """The task of a command, from where the executor input puts its output."""
    if "--executor-input" not in command:
        return command[0]
    return Path(json.loads(command[command.index("--executor-input") + 1])["outputs"]["outputFile"]).parent.name


def _outputs(
    executor_input: Any, component_spec: Any, _original: Any = executor_output_utils.get_outputs_for_task
) -> Any:
    """The outputs of a task that ended well, every one of which must be there."""
    places = [artifacts.artifacts[0].uri for artifacts in executor_input.outputs.artifacts.values()]
    places += [parameter.output_file for parameter in executor_input.outputs.parameters.values()]
    for place in places:
        if not (is_written(place) if place.startswith("s3://") else Path(place).exists()):
            raise RuntimeError(f"{place}: the task ended well but did not write this output")
    return _original(executor_input=executor_input, component_spec=component_spec)
