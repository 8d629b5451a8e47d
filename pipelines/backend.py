"""A Kubeflow Pipelines API server: where it is, and what a compiled pipeline becomes there.

Where and as whom is said by the variables of the ``kfp`` command: KFP_ENDPOINT, KFP_NAMESPACE, KFP_EXISTING_TOKEN. In
a pod KF_PIPELINES_SA_TOKEN_PATH names a file instead, whose token Kubernetes renews. A token is never an option, for
command lines are seen and kept.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click
from urllib3.exceptions import HTTPError

from pipelines.package import Package
from solid.errors import UnavailableError
from solid.storage.names import unknown_name
from solid.tracking import git_sha

_TEMPLATES = ("system-container-impl", "retry-system-container-impl")  # of the pods that do the work


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
            raise UnavailableError(f"{self.endpoint}: no answer while {what} ({why}); check KFP_ENDPOINT") from None
        except self.models.ApiException as error:
            remedy = {
                401: "; check KFP_EXISTING_TOKEN, which may have expired",
                403: "; the account may not do that in this namespace, see KFP_NAMESPACE",
                404: "; is KFP_ENDPOINT the address of the API?",
            }.get(error.status, "")
            raise UnavailableError(f"{self.endpoint}: {error.status} {_reason(error)} while {what}{remedy}") from None

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

    def upload(self, package: Package) -> tuple[str, str, dict[str, str]]:
        """Upload a pipeline's version unless it is there.

        Returns:
            The version's name, which people tell apart by date and commit and which ends in the digest of the file;
            where the pages show it; and the reference to it.

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
                pipeline.pipeline_id, filter=named(package.digest, "IS_SUBSTRING")
            )
            version = (versions.pipeline_versions or [None])[0]
            if version is None:
                commit = re.sub(r"^([0-9a-f]{7})[0-9a-f]*", r"\1", git_sha() or "unknown")
                version = self._uploads.upload_pipeline_version(
                    str(package.path),
                    name=f"{datetime.now(UTC):%Y-%m-%d}-{commit}-{package.digest}",
                    pipelineid=pipeline.pipeline_id,
                )
        reference = {"pipeline_id": pipeline.pipeline_id, "pipeline_version_id": version.pipeline_version_id}
        place = f"{self.ui}/#/pipelines/details/{pipeline.pipeline_id}/version/{version.pipeline_version_id}"
        return str(version.display_name), place, reference

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


def named(name: str, operation: str = "EQUALS") -> str:
    """The API's filter for things of this name."""
    predicate = {"operation": operation, "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


class Target(NamedTuple):
    """Where a pipeline goes, and what its runs are given: what the options of :func:`target_options` say."""

    endpoint: str
    namespace: str | None
    ui: str | None
    experiment: str
    parameters: tuple[str, ...]
    pipeline_root: str | None

    def connect(self) -> Backend:
        """The server; nothing is sent yet."""
        return Backend(self.endpoint, self.namespace, self.ui)


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where to go and what a run is given; the command gets them as one ``target``."""

    @wraps(command)
    def with_target(**given: Any) -> None:
        command(target=Target(**{name: given.pop(name) for name in Target._fields}), **given)

    for option in (
        click.option("--pipeline-root", help="Where outputs go, such as s3://bucket/kfp  [default: the cluster's]"),
        click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
                     help="Value of a parameter of the pipeline, in YAML; may be repeated."),
        click.option("--experiment", default="solid", show_default=True, help="Experiment that runs belong to."),
        click.option("--ui", envvar="KFP_UI_ENDPOINT", show_envvar=True,
                     help="Address of the web pages for links  [default: the endpoint]"),
        click.option("--namespace", envvar="KFP_NAMESPACE", show_envvar=True,
                     help="Namespace, where Kubeflow serves several users."),
        click.option("--endpoint", envvar="KFP_ENDPOINT", required=True, show_envvar=True,
                     help="Address of the Kubeflow Pipelines API."),
    ):  # fmt: skip
        with_target = option(with_target)
    return with_target


def _reason(error: Any) -> str:
    """What the server says: its message where it sends one, else the reason of the status."""
    with suppress(TypeError, ValueError, AttributeError):
        body = json.loads(error.body)
        return str(body.get("error_message") or body.get("message") or error.reason).splitlines()[0]
    return str(error.reason)
