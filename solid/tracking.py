"""MLflow runs: what a training was given, how it went, and what it left.

MLflow's own variables say where: MLFLOW_TRACKING_URI (default: ``mlflow.db`` in the current folder, with the artifacts
in ``mlartifacts`` beside it), MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID (default: "solid"), and MLFLOW_RUN_ID for
a run that somebody else began, such as Kubeflow Pipelines. ``SOLID_TRACKING=off`` goes without tracking.

Tags lead from a run back to what made it: ``git_sha`` of the code, ``dvc_hash`` of the raw data and, where a pipeline
says so in SOLID_IMAGE and SOLID_KFP_RUN_ID, the ``image`` with its digest and the ``kfp_run_id``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from solid.console import say
from solid.errors import SettingsError, SolidError
from solid.storage.names import unknown_name
from solid.storage.patience import TellTries, patience

_DEFAULTS = {
    # MLflow retries for two minutes unless told otherwise; a person who mistyped an address should not wait for that.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",  # else a screen of advice where there is no git, as in the image
    # A server with an S3 store would send us there by addresses that its own network knows, and ours need not.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}
_SQLITE = "sqlite:///"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else its page opens on traces of language models
_REMEDY = "Check MLFLOW_TRACKING_URI; training alone can go without MLflow, with SOLID_TRACKING=off."
_LOGIN = "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
_STORE = (
    "MLflow answers; its store is what cannot be reached from here. Let the server hand artifacts on (MLflow with "
    "--serve-artifacts; MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=false here), or name a store that is known here, too."
)
# By MLflow's error code, for what it has understood and refuses: its address is right.
_REFUSALS = {
    "RESOURCE_DOES_NOT_EXIST": "Check the name; MLflow's pages show what there is.",
    "UNAUTHENTICATED": _LOGIN,
    "PERMISSION_DENIED": "This user may not do that; whoever made it, or an admin, can grant it.",
    "INVALID_PARAMETER_VALUE": "",
    "RESOURCE_ALREADY_EXISTS": "",
}
# What the libraries below MLflow say of a server that cannot be reached: the host, and in words what is wrong with it.
_UNREACHABLE = (
    (re.compile(r"Failed to resolve '(?P<host>[^']+)'"), "the name {host} cannot be resolved"),
    (re.compile(r'Could not connect to the endpoint URL: "https?://(?P<host>[^:/"]+)'), "{host} cannot be reached"),
    (re.compile(r"host='(?P<host>[^']+)'.*Connection refused"), "{host} refuses the connection"),
    (re.compile(r"host='(?P<host>[^']+)'.*[Tt]imed? ?out"), "{host} does not answer in time"),
)
# MLflow's limits.
_PARAMS_A_BATCH, _METRICS_A_BATCH, _PARAM_LENGTH = 100, 1000, 6000


@dataclass(frozen=True)
class DatasetInfo:
    """The data behind a run.

    Attributes:
        name: for people.
        digest: as DVC names the raw data, so that a run leads back to ``dvc.lock``; at most 36 characters.
        source: folder or address the data came from, without credentials.
    """

    name: str
    digest: str
    source: str

    @classmethod
    def of(cls, stats: Mapping[str, Any]) -> DatasetInfo:
        """Take it from the statistics of prepared data."""
        return cls(stats["format"], stats["digest"], stats["origin"])


class Run:
    """A run that nobody tracks; its methods do nothing."""

    id: str | None = None

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one epoch; names have no '@'."""

    def artifacts(self, folder: Path, place: str = "model") -> None:
        """Log the files of a folder under the name ``place``."""


class _MlflowRun(Run):
    id: str

    def __init__(self, client: Any, run_id: str) -> None:
        self.id = run_id
        self._client = client
        self._unsent: list[Any] = []

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log at once; while the server does not answer, keep the values for the next epoch and train on."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        self._unsent += [Metric(name, value, now, epoch) for name, value in metrics.items()]
        try:
            self.send()
        except SolidError as error:
            say(f"epoch {epoch} is not tracked yet: {error}")

    def send(self) -> None:
        with clear_errors():
            while self._unsent:
                self._client.log_batch(self.id, metrics=self._unsent[:_METRICS_A_BATCH])
                del self._unsent[:_METRICS_A_BATCH]

    def artifacts(self, folder: Path, place: str = "model") -> None:
        with clear_errors():
            self._client.log_artifacts(self.id, str(folder), place)

    def end(self, status: str) -> None:
        with clear_errors():
            self._client.set_terminated(self.id, status)


@contextmanager
def track(name: str, params: Mapping[str, Any], dataset: DatasetInfo, run_id: str | None = None) -> Iterator[Run]:
    """Track the block as one MLflow run, which ends as FINISHED, FAILED (an error) or KILLED (an interruption).

    Args:
        name: of the run.
        params: settings, nested or flat; nested names are joined by dots.
        dataset: what the run learns from.
        run_id: the run of an interrupted training to go on with. A run that is gone, or had other params, is left
            alone and a new one begun. MLFLOW_RUN_ID comes first.

    Raises:
        SolidError: the MLflow server does not answer or refuses.
        SettingsError: SOLID_TRACKING is neither on nor off.
    """
    if not tracking_is_on():
        yield Run()
        return
    with clear_errors():
        client = connect()
        run = _MlflowRun(client, _open(client, name, _texts(params), dataset, run_id))
    try:
        yield run
        run.send()
    except BaseException as error:
        with suppress(SolidError):  # what went wrong in the block matters more
            run.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    run.end("FINISHED")


def tracking_is_on() -> bool:
    """Whether SOLID_TRACKING leaves tracking on, as it is by default."""
    switch = os.environ.get("SOLID_TRACKING", "on")
    if switch not in ("on", "off"):
        raise SettingsError(f"SOLID_TRACKING={switch}: set it to on or off")
    return switch == "on"


def connect() -> Any:
    """Point MLflow at the store and return a client of it; nothing is sent yet.

    Raises:
        SolidError: the store is a sqlite file, and only mlflow-skinny is installed or its folder cannot be made; or
            nobody knows the server's name.
    """
    for variable, value in {**_waiting(), **_DEFAULTS}.items():
        os.environ.setdefault(variable, value)
    import mlflow  # reads some of the variables as it is imported

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = _store()
    if uri.startswith(_SQLITE):
        if find_spec("sqlalchemy") is None:
            raise SolidError(
                f"MLflow at {uri}: mlflow-skinny cannot read sqlite; install 'solid-rec[local]', name a server with "
                "MLFLOW_TRACKING_URI, or set SOLID_TRACKING=off"
            )
        try:
            Path(uri.removeprefix(_SQLITE)).resolve().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SolidError(f"MLflow at {uri}: {error}\n{_REMEDY}") from error
    if host := unknown_name(uri):
        raise SolidError(f"MLflow: the name {host} cannot be resolved\n{_REMEDY}")
    mlflow.set_tracking_uri(uri)
    return mlflow.MlflowClient()


def _waiting() -> dict[str, str]:
    """MLflow's own variables for as many tries as SOLID_PATIENCE has time for, each of which is said."""
    seconds = patience()
    if not seconds:
        return {}
    tries = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(handler, TellTries) for handler in tries.handlers):
        tries.addHandler(TellTries())
        tries.setLevel(logging.DEBUG)
        tries.propagate = False
    # Its pauses double from 2 s on and end at two minutes; it refuses more than ten tries.
    number = next((n for n in range(1, 10) if sum(min(2.0**k, 120) for k in range(1, n + 1)) >= seconds), 10)
    return {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(number)}


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors of MLflow and of its database into the first cause, where, and what to do."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _store_errors()):
            raise
        raise SolidError(_explain(error)) from error


def _explain(error: Exception) -> str:
    uri = _store()
    place = urlsplit(uri)
    user, at, _ = place.netloc.rpartition("@")
    text = str(error)
    cause, remedy = _headline(text), _REFUSALS.get(str(getattr(error, "error_code", "")), _REMEDY)
    if "Invalid Host header" in text:
        remedy = "The server has to know this name of its: add it to --allowed-hosts (MLFLOW_SERVER_ALLOWED_HOSTS)."
    elif re.search(r"\b401\b|not authenticated", text):
        remedy = _LOGIN
    elif "unsupported URI" in text:
        remedy = _REMEDY
    for pattern, words in _UNREACHABLE:
        if found := pattern.search(text.replace("\n", " ")):
            cause = words.format(host=found["host"])
            remedy = _REMEDY if found["host"] == place.hostname else _STORE
            break
    # No password in a log.
    return "\n".join(filter(None, [f"MLflow at {uri}: {cause}".replace(user + at, ""), remedy]))


def _headline(text: str) -> str:
    """The first line that says something: a failed download begins with lines that name files."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("The following failures occurred", "#####"))]
    return telling[0] if telling else text


def _store() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{Path('mlflow.db').resolve()}"


def _store_errors() -> tuple[type[Exception], ...]:
    """Imported when needed: connect sets variables that MLflow reads as it is imported; skinny has no SQLAlchemy."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    from solid.storage.s3 import ERRORS

    errors = (MlflowException, RequestException, *ERRORS)
    if find_spec("sqlalchemy") is None:
        return errors
    from sqlalchemy.exc import SQLAlchemyError

    return (*errors, SQLAlchemyError)


def git_sha() -> str | None:
    """The commit of the running code, with ``-dirty`` where files differ; SOLID_GIT_SHA names it outside a checkout."""
    if given := os.environ.get("SOLID_GIT_SHA"):
        return given
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    with suppress(OSError, subprocess.CalledProcessError):
        here = Path(__file__).parent
        return subprocess.run(command, cwd=here, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603
    return None


def lineage() -> dict[str, str]:
    """What made a run besides its data, as tags: those of code, image and pipeline run that are known."""
    known = {
        "git_sha": git_sha(),
        "image": os.environ.get("SOLID_IMAGE"),
        "kfp_run_id": os.environ.get("SOLID_KFP_RUN_ID"),
    }
    return {tag: value for tag, value in known.items() if value}


def _open(client: Any, name: str, params: dict[str, str], dataset: DatasetInfo, run_id: str | None) -> str:
    """Begin a run or go on with one, write down what it is given, and return its id."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    run = _given(client) or _resumable(client, run_id, params) or client.create_run(_experiment(client), run_name=name)
    opened = str(run.info.run_id)
    client.update_run(opened, status="RUNNING")
    for tag, value in {**lineage(), "dvc_hash": dataset.digest}.items():
        client.set_tag(opened, tag, value)
    entries = [Param(key, value) for key, value in params.items()]
    for start in range(0, len(entries), _PARAMS_A_BATCH):
        client.log_batch(opened, params=entries[start : start + _PARAMS_A_BATCH])
    kind = {"http": "http", "https": "http", "s3": "s3"}.get(urlsplit(dataset.source).scheme, "local")
    source = json.dumps({"url" if kind == "http" else "uri": dataset.source})
    entry = Dataset(dataset.name, dataset.digest, kind, source)
    client.log_inputs(opened, [DatasetInput(entry, [InputTag("mlflow.data.context", "training")])])
    return opened


def _given(client: Any) -> Any:
    given = os.environ.get("MLFLOW_RUN_ID")
    return client.get_run(given) if given else None


def _resumable(client: Any, run_id: str | None, params: dict[str, str]) -> Any:
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" and run.data.params == params else None


def _experiment(client: Any) -> str:
    """The id of the experiment, which is made when it is new."""
    from mlflow.exceptions import MlflowException

    if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return given
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "solid")
    found = client.get_experiment_by_name(name)
    if found is None:
        artifacts = None  # where the server keeps them
        if client.tracking_uri.startswith(_SQLITE):
            artifacts = (Path(client.tracking_uri.removeprefix(_SQLITE)).resolve().parent / "mlartifacts").as_uri()
        with suppress(MlflowException):  # another step may have made it just now
            return str(client.create_experiment(name, artifact_location=artifacts, tags=_KIND))
        found = client.get_experiment_by_name(name)
    return str(found.experiment_id)


def _texts(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested settings into the texts that MLflow stores."""
    texts: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            texts |= _texts(value, f"{prefix}{key}.")
        else:
            texts[f"{prefix}{key}"] = str(value)[:_PARAM_LENGTH]
    return texts
