"""A Kubeflow Pipelines API server: where it is, and what a compiled pipeline becomes there.

Where and as whom is said by the variables of the ``kfp`` command: KFP_ENDPOINT, KFP_NAMESPACE, KFP_EXISTING_TOKEN. In
a pod KF_PIPELINES_SA_TOKEN_PATH names a file instead, whose token Kubernetes renews. A token is never an option, for
command lines are seen and kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml
from urllib3.exceptions import HTTPError

from pipelines.parameters import given
from solid.errors import SolidError
from solid.storage.names import unknown_name

F = TypeVar("F", bound=Callable[..., Any])
_VERSION_LENGTH = 16
_TEMPLATES = ("system-container-impl", "retry-system-container-impl")  # of the pods that do the work


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        path: the YAML file.
        name: of the pipeline, as its author gave it.
        inputs: parameter -> what the file says of it.
        steps: keys of its tasks, from the root inwards -> name for people, of every task that runs a container.
    """

    path: Path
    name: str
    inputs: dict[str, dict[str, Any]]
    steps: dict[tuple[str, ...], str]

    @classmethod
    def read(cls, path: Path) -> Package:
        """Read a file that ``solid-pipeline compile`` wrote.

        Raises:
            SolidError: it is something else.
        """
        try:
            spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
            root, name = spec["root"], str(spec["pipelineInfo"]["name"])
            steps = _steps(spec)
        except (yaml.YAMLError, UnicodeDecodeError, StopIteration, TypeError, KeyError):
            raise SolidError(f"{path}: no compiled pipeline; write one with solid-pipeline compile") from None
        return cls(path, name, root.get("inputDefinitions", {}).get("parameters", {}), steps)

    @cached_property
    def version(self) -> str:
        """The name of its version: a digest, so that the same pipeline is uploaded once."""
        return f"sha256-{hashlib.sha256(self.path.read_bytes()).hexdigest()[:_VERSION_LENGTH]}"

    def arguments(self, pairs: Iterable[str]) -> dict[str, Any]:
        """Arguments of a run from texts NAME=VALUE, the values being YAML.

        Raises:
            SolidError: there is no such parameter, a value is of another type, or one without default is missing.
        """
        kinds = {name: about["parameterType"] for name, about in self.inputs.items()}
        values = given(pairs, kinds, self.name)
        missing = [name for name, about in self.inputs.items() if not about.get("isOptional") and name not in values]
        if missing:
            raise SolidError(
                f"pipeline {self.name}: no value for {', '.join(missing)}; give it with --parameter NAME=VALUE"
            )
        return values


class Backend:
    """The API server, by the generated client that kfp itself is built on.

    kfp's own ``Client`` retries a refused token for half a minute, with tracebacks, before it says so.
    """

    def __init__(self, endpoint: str, namespace: str | None, ui: str | None) -> None:
        """Connect; nothing is sent yet.

        Args:
            endpoint: address of the API.
            namespace: of a multi-user deployment.
            ui: address of the web pages, where it is another.
        """
        import kfp_server_api

        self.endpoint = endpoint.rstrip("/")
        self.ui = (ui or endpoint).rstrip("/")
        self.namespace = namespace
        configuration = kfp_server_api.Configuration(host=self.endpoint)
        configuration.api_key_prefix["authorization"] = "Bearer"
        if token := os.environ.get("KFP_EXISTING_TOKEN"):
            configuration.api_key["authorization"] = token
        elif file := os.environ.get("KF_PIPELINES_SA_TOKEN_PATH"):
            configuration.api_key["authorization"] = ""  # without one, the hook is never asked
            configuration.refresh_api_key_hook = lambda current: current.api_key.update(
                authorization=Path(file).read_text(encoding="utf-8").strip()
            )
        self._client = client = kfp_server_api.ApiClient(configuration)
        self.models = kfp_server_api
        self.runs = kfp_server_api.RunServiceApi(client)
        self.recurring = kfp_server_api.RecurringRunServiceApi(client)
        self._pipelines = kfp_server_api.PipelineServiceApi(client)
        self._uploads = kfp_server_api.PipelineUploadServiceApi(client)
        self._experiments = kfp_server_api.ExperimentServiceApi(client)

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn errors of the API into one line that says where and what to do.

        Args:
            what: is being done, for the message.
        """
        try:
            yield
        except HTTPError as error:
            host = unknown_name(self.endpoint)
            why = f"the name {host} cannot be resolved" if host else type(error).__name__
            raise SolidError(f"{self.endpoint}: no answer while {what} ({why}); check KFP_ENDPOINT") from None
        except self.models.ApiException as error:
            remedy = {
                401: "; check KFP_EXISTING_TOKEN, which may have expired",
                403: "; the account may not do that in this namespace, see KFP_NAMESPACE",
                404: "; is KFP_ENDPOINT the address of the API?",
            }.get(error.status, "")
            raise SolidError(f"{self.endpoint}: {error.status} {_reason(error)} while {what}{remedy}") from None

    def log(self, run_id: str, node: str) -> list[str]:
        """The lines that a node's pod has printed; none where the server does not have them (any more)."""
        workflow, _, digest = node.rpartition("-")
        names = (f"{workflow}-{template}-{digest}" for template in _TEMPLATES)
        for pod in (node, *names):  # whichever way of naming pods Argo was told
            with suppress(HTTPError, self.models.ApiException):
                place = f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log"
                return self._get(place).splitlines()
        return []

    def waiting(self, run_id: str) -> dict[str, str]:
        """What keeps pods of a run from starting, by node, in Argo's words; none where the server does not tell."""
        with suppress(HTTPError, self.models.ApiException, ValueError, KeyError, TypeError):
            run = json.loads(self._get(f"/apis/v1beta1/runs/{run_id}"))
            nodes = json.loads(run["pipeline_runtime"]["workflow_manifest"])["status"]["nodes"]
            waiting = {key: node.get("message") for key, node in nodes.items() if node["phase"] == "Pending"}
            return {key: message for key, message in waiting.items() if message}
        return {}

    def _get(self, place: str) -> str:
        """What the generated client has no method for."""
        answer = self._client.call_api(
            place, "GET", auth_settings=["Bearer"], _preload_content=False, _return_http_data_only=True
        )
        return str(answer.data.decode(errors="replace"))

    def upload(self, package: Package) -> tuple[str, dict[str, str]]:
        """Upload a pipeline's version unless it is there; return where the pages show it, and the reference to it.

        Raises:
            SolidError: the server does not answer or refuses.
        """
        owned = {"namespace": self.namespace} if self.namespace else {}
        with self.asking(f"uploading pipeline {package.name}"):
            listed = self._pipelines.pipeline_service_list_pipelines(filter=named(package.name), **owned)
            pipeline = (listed.pipelines or [None])[0]
            if pipeline is None:
                pipeline = self._uploads.upload_pipeline(str(package.path), name=package.name, **owned)
            versions = self._pipelines.pipeline_service_list_pipeline_versions(
                pipeline.pipeline_id, filter=named(package.version)
            )
            version = (versions.pipeline_versions or [None])[0]
            if version is None:
                version = self._uploads.upload_pipeline_version(
                    str(package.path), name=package.version, pipelineid=pipeline.pipeline_id
                )
        reference = {"pipeline_id": pipeline.pipeline_id, "pipeline_version_id": version.pipeline_version_id}
        place = f"{self.ui}/#/pipelines/details/{pipeline.pipeline_id}/version/{version.pipeline_version_id}"
        return place, reference

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made when it is new."""
        owned = {"namespace": self.namespace} if self.namespace else {}
        with self.asking(f"looking for experiment {name}"):
            listed = self._experiments.experiment_service_list_experiments(filter=named(name), **owned)
            experiment = (listed.experiments or [None])[0]
            if experiment is None:
                wanted = self.models.V2beta1Experiment(display_name=name, **owned)
                experiment = self._experiments.experiment_service_create_experiment(experiment=wanted)
        return str(experiment.experiment_id)

    def job(self, reference: dict[str, str], arguments: dict[str, Any], root: str | None) -> dict[str, Any]:
        """What a run and a recurring run have in common: the version, its arguments, where outputs go."""
        return {
            "pipeline_version_reference": self.models.V2beta1PipelineVersionReference(**reference),
            "runtime_config": self.models.V2beta1RuntimeConfig(parameters=arguments, pipeline_root=root),
        }


def _steps(spec: dict[str, Any]) -> dict[tuple[str, ...], str]:
    """Path and name of each task that runs a container; where names repeat, those of its sub-pipelines come before."""
    found = list(_tasks(spec["root"], spec["components"]))
    often = Counter(names[-1] for _, names in found)
    return {path: names[-1] if often[names[-1]] == 1 else ": ".join(names) for path, names in found}


def _tasks(graph: dict[str, Any], components: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    for key, task in graph["dag"]["tasks"].items():
        component, name = components[task["componentRef"]["name"]], task["taskInfo"]["name"]
        if "dag" not in component:
            yield (key,), (name,)
            continue
        shown = () if {"parameterIterator", "artifactIterator", "triggerPolicy"} & set(task) else (name,)
        for path, names in _tasks(component, components):
            yield (key, *path), (*shown, *names)


def named(name: str) -> str:
    """The API's filter for things of this name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def backend_options(command: F) -> F:
    """Add what says where to go and what to run there."""
    for option in reversed(
        [
            click.argument("package", type=click.Path(dir_okay=False, exists=True, path_type=Path)),
            click.option("--endpoint", envvar="KFP_ENDPOINT", required=True, show_envvar=True,
                         help="Address of the Kubeflow Pipelines API."),
            click.option("--namespace", envvar="KFP_NAMESPACE", show_envvar=True,
                         help="Namespace, where Kubeflow serves several users."),
            click.option("--ui", envvar="KFP_UI_ENDPOINT", show_envvar=True,
                         help="Address of the web pages for links  [default: the endpoint]"),
            click.option("--experiment", default="solid", show_default=True, help="Experiment that runs belong to."),
            click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
                         help="Value of a parameter of the pipeline, in YAML; may be repeated."),
            click.option("--pipeline-root", help="Where outputs go, such as s3://bucket/kfp  [default: the cluster's]"),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def _reason(error: Any) -> str:
    """What the server says: its message where it sends one, else the reason of the status."""
    with suppress(TypeError, ValueError, AttributeError):
        body = json.loads(error.body)
        return str(body.get("error_message") or body.get("message") or error.reason).splitlines()[0]
    return str(error.reason)
